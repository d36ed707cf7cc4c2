"""What holds for every format."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders.bluetooth.decoder import AdvertisementDecoderFactory
from bssci.decoders.bluetooth.measured import RANGES
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload
from bssci.plugins import bluetooth

FACTORIES = [thing for thing in vars(bluetooth).values() if isinstance(thing, AdvertisementDecoderFactory)]
KEY = {"key": "231d39c1d7cc1ab1aee224cd096db932"}

Scan = Callable[..., Payload]


def test_all_are_offered() -> None:
    assert [factory.name for factory in FACTORIES] == [
        "bthome", "atc", "xiaomi", "govee", "switchbot", "ruuvi", "eddystone", "altbeacon", "ibeacon",
    ]  # fmt: skip


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.name)
def test_every_format_is_a_plugin_and_builds_a_decoder(factory: AdvertisementDecoderFactory) -> None:
    assert verifyObject(IDecoderFactory, factory)
    assert verifyObject(IDecoder, factory.build({}))


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda factory: factory.name)
def test_no_sensor_of_mioty_is_claimed(factory: AdvertisementDecoderFactory) -> None:
    payload = Payload(data=b"\x02\x01\x06", kind="uplink", device="mioty:0011223344556677", received_at=0.0)
    assert not factory.build({}).matches(payload)


COMPANIES = (0x004C, 0xEC88, 0x0969, 0x0499, 0x0118)
SERVICES = (0xFCD2, 0x181A, 0xFE95, 0xFD3D, 0xFEAA)
BEGINNINGS = st.sampled_from(
    [
        *(b"", b"\x40", b"\x41", b"\x42", b"\x02\x15", b"\xbe\xac", b"\x03", b"\x05", b"\x00"),
        *(b"\x10\xee\x03", b"\x20\x00", b"T\x00", b"5\x00d", b"P0[\x05\x03"),
        *(b"\x40\x50\x5b\x05\x01", b"\x58\x50\x5b\x05\x01"),
    ]
)


@given(beginning=BEGINNINGS, rest=st.binary(max_size=40), keyed=st.booleans())
def test_any_bytes_give_readings_within_range_or_an_error_of_their_own(
    beginning: bytes, rest: bytes, keyed: bool
) -> None:
    data = beginning + rest
    structures = b"".join(
        bytes((len(data) + 3, kind)) + number.to_bytes(2, "little") + data
        for kind, numbers in ((0xFF, COMPANIES), (0x16, SERVICES))
        for number in numbers
    )
    for whole in (structures, data):
        payload = Payload(data=whole, kind="telegram", device="ble:AA:BB:CC:DD:EE:FF", received_at=0.0)
        for factory in FACTORIES:
            decoder = factory.build({})
            decoder.matches(payload)
            try:
                readings = decoder.decode(payload, KEY if keyed else {})
            except DecodeError:
                continue
            names = [reading.name for reading in readings]
            assert len(set(names)) == len(names)
            for reading in readings:
                if isinstance(reading.value, float):
                    assert isfinite(reading.value)
                limits = RANGES.get(reading.name)
                if limits is not None:
                    assert isinstance(reading.value, (int, float))
                    assert limits[0] <= reading.value <= limits[1]
