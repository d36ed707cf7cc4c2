"""Offers the decoder ``mbus``."""

from twisted.plugin import IPlugin as _IPlugin
from zope.interface import classImplements as _class_implements

from bssci.decoders.mbus import MBusDecoderFactory, parse_keys
from bssci.settings.parsers import Parser
from bssci.settings.rows import Setting

_class_implements(MBusDecoderFactory, _IPlugin)
_KEYS = Setting(
    "MBUS_KEYS",
    "",
    Parser(parse_keys, "KAM-12345678=00112233445566778899AABBCCDDEEFF, and more with commas between"),
    "keys of the meters that base stations hear by the variable MAC",
    secret=True,
)
mbus = MBusDecoderFactory((_KEYS,))
