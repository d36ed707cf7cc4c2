"""Offers the decoder ``values``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.named_values import NamedValuesFactory

_class_implements(NamedValuesFactory, _IPlugin)
values = NamedValuesFactory()
