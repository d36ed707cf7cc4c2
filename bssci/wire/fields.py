"""Types of the fields of messages, with the values that each allows.

Values are those of the wire: plain numbers, texts and arrays. Their units are said where a message has them.
"""

from __future__ import annotations

import sys
from typing import Annotated

from msgspec import Meta, Struct

# ``extra`` holds what msgspec's constraints cannot express: the maximum number of bits (they end at 63), and
# whether stations send the value as a signed integer of that many bits.
Byte = Annotated[int, Meta(ge=0, le=0xFF)]
SignedByte = Annotated[int, Meta(ge=0, le=0xFF, extra={"bits": 8, "signed": True})]
U16 = Annotated[int, Meta(ge=0, le=0xFFFF)]
U24 = Annotated[int, Meta(ge=0, le=0xFF_FFFF)]
U32 = Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)]
U64 = Annotated[int, Meta(ge=0, extra={"bits": 64})]
Eui = Annotated[int, Meta(ge=0, extra={"bits": 64, "signed": True})]
I64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
FiniteNumber = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
"""a number that is neither NaN nor infinite"""
MAX_USER_DATA = 255
"""bytes; a mioty uplink carries up to 245, a downlink up to 250, and both have a length field of one byte"""
MAX_TELEGRAM = 512
"""bytes of a telegram of another MAC; wireless M-Bus needs up to 291, checksums included"""
MAX_SUBPACKETS = 1024
"""subpackets of one uplink: it has 24 and about one for each byte of payload beyond ten, three times as many
with repetition"""
MAX_MODE = 64
"""characters of ``profile`` and ``mode``, which are short names"""
MAX_COUNTERS = 1024
"""entries of one downlink, and MACs of one station"""

Bytes4 = Annotated[list[Byte], Meta(min_length=4, max_length=4)]
Bytes16 = Annotated[list[Byte], Meta(min_length=16, max_length=16)]
Uuid = Annotated[list[SignedByte], Meta(min_length=16, max_length=16)]
UserData = Annotated[list[Byte], Meta(max_length=MAX_USER_DATA)]
Levels = Annotated[list[float], Meta(max_length=MAX_SUBPACKETS)]
Mode = Annotated[str, Meta(max_length=MAX_MODE)]
GeoLocation = Annotated[list[FiniteNumber], Meta(min_length=3, max_length=3)]
"""[latitude in degrees, longitude in degrees, altitude in m]; never [0, 0, 0], which means unknown"""


class Subpackets(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Arrays of equal length, one element for each received subpacket: dB, dBm, Hz, degrees.

    The values are not bounded: a NaN among a hundred of them must not cost the uplink, and checking them all
    would take a third of the time that decoding takes.
    """

    snr: Levels
    rssi: Levels
    frequency: Levels
    phase: Levels | None = None
