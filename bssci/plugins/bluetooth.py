"""Offers a decoder for each format of Bluetooth advertisements."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.bluetooth import atc as _atc
from bssci.decoders.bluetooth import beacons as _beacons
from bssci.decoders.bluetooth import bthome as _bthome
from bssci.decoders.bluetooth import eddystone as _eddystone
from bssci.decoders.bluetooth import govee as _govee
from bssci.decoders.bluetooth import ruuvi as _ruuvi
from bssci.decoders.bluetooth import switchbot as _switchbot
from bssci.decoders.bluetooth import xiaomi as _xiaomi
from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory as _Factory

bthome = _bthome.FACTORY
atc = _atc.FACTORY
xiaomi = _xiaomi.FACTORY
govee = _govee.FACTORY
switchbot = _switchbot.FACTORY
ruuvi = _ruuvi.FACTORY
eddystone = _eddystone.FACTORY
altbeacon = _beacons.ALTBEACON
ibeacon = _beacons.IBEACON

_class_implements(_Factory, _IPlugin)
