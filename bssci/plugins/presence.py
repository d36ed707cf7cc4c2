"""Offers the decoder ``presence``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.bluetooth.presence import PresenceFactory

_class_implements(PresenceFactory, _IPlugin)
presence = PresenceFactory()
