"""Offers the decoder ``controller``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.controller_states import ControllerFactory

_class_implements(ControllerFactory, _IPlugin)
controller = ControllerFactory()
