"""Offers the decoder ``cayenne``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.cayenne import CayenneFactory

_class_implements(CayenneFactory, _IPlugin)
cayenne = CayenneFactory()
