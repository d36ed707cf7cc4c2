"""Offers the decoder ``mbus``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.mbus import MBusDecoderFactory

_class_implements(MBusDecoderFactory, _IPlugin)
mbus = MBusDecoderFactory()
