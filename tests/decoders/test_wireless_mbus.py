"""bssci.decoders.wireless_mbus: who sent a frame, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.decoders.wireless_mbus import WirelessMBusAddress, link_address, sender_of

# L C M M A A A A V T: SND-NR of a water meter by Kamstrup (KAM = 0x2C2D), number 12345678, version 27.
HEADER = bytes.fromhex("0f442d2c785634121b16")
FRAME = HEADER + bytes.fromhex("7a2a0000002f")


def test_the_address_of_a_frame() -> None:
    assert link_address(FRAME) == WirelessMBusAddress("KAM", "12345678", version=0x1B, device_type=0x16)


def test_checksums_behind_the_first_block_do_no_harm() -> None:
    """Format A has them there; format B, and a station that took them out, has not."""
    assert link_address(HEADER + b"\xaa\xbb" + FRAME[10:] + b"\xcc\xdd") == link_address(FRAME)


def test_the_shortest_frame() -> None:
    address = link_address(b"\x09" + HEADER[1:])
    assert address is not None
    assert address.identification == "12345678"


def test_leading_zeros_stay() -> None:
    address = link_address(FRAME[:4] + bytes.fromhex("01000000") + FRAME[8:])
    assert address is not None
    assert address.identification == "00000001"


def test_an_address_that_is_unique_only_locally() -> None:
    address = link_address(FRAME[:2] + bytes.fromhex("2dac") + FRAME[4:])
    assert address is not None
    assert address.manufacturer == "KAM"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        HEADER[:9],
        FRAME[:15],
        b"\x08" + FRAME[1:],
        FRAME[:2] + bytes.fromhex("0000") + FRAME[4:],
        FRAME[:2] + bytes.fromhex("ff7f") + FRAME[4:],
        FRAME[:4] + bytes.fromhex("7856341a") + FRAME[8:],
    ],
    ids=["empty", "short", "cut", "length", "no letters", "beyond Z", "no digits"],
)
def test_what_is_no_frame(frame: bytes) -> None:
    assert link_address(frame) is None


@given(st.binary(max_size=40))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    address = link_address(data)
    if address is not None:
        assert len(address.manufacturer) == 3
        assert len(address.identification) == 8


def test_the_device_id_of_a_sender() -> None:
    frame = bytes.fromhex("0E442D2C7856341201077A00000000")
    assert sender_of(frame, "CAFE000000000001") == "wmbus:KAM-12345678"
    assert sender_of(b"\xff", "CAFE000000000001") == "vm:CAFE000000000001"
