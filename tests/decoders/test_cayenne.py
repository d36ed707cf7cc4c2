from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders.cayenne import TYPES, CayenneFactory
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload
from bssci.model import Reading


def decode(data: str | bytes) -> list[Reading]:
    given = bytes.fromhex(data) if isinstance(data, str) else data
    payload = Payload(data=given, kind="uplink", device="mioty:0000000000000001", received_at=0.0)
    return CayenneFactory().build({}).decode(payload, {})


def test_it_is_a_decoder() -> None:
    assert verifyObject(IDecoderFactory, CayenneFactory())
    assert verifyObject(IDecoder, CayenneFactory().build({}))


@pytest.mark.parametrize(
    ("data", "readings"),
    [
        ("03 67 0110 05 67 00FF", [("temperature_3", 27.2, "°C"), ("temperature_5", 25.5, "°C")]),
        ("01 67 FFD7", [("temperature_1", -4.1, "°C")]),
        (
            "06 71 04D2 FB2E 0000",
            [
                ("acceleration_x_6", 1.234, "g"),
                ("acceleration_y_6", -1.234, "g"),
                ("acceleration_z_6", 0.0, "g"),
            ],
        ),
        (
            "01 88 06765F F2960A 0003E8",
            [("latitude_1", 42.3519, "°"), ("longitude_1", -87.9094, "°"), ("altitude_1", 10.0, "m")],
        ),
        ("02 68 50 02 73 2710", [("humidity_2", 40.0, "%"), ("pressure_2", 1000.0, "hPa")]),
        ("00 66 01 00 00 00", [("occupancy_0", True, None), ("digital_input_0", False, None)]),
    ],
)
def test_each_type_of_channel_is_read(data: str, readings: list[tuple[str, float, str | None]]) -> None:
    assert decode(data) == [Reading(*reading) for reading in readings]


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ("", "empty", "the payload is empty"),
        ("00" * 1025, "too_long", "byte 1024: longer payloads are not read"),
        ("01", "too_short", "byte 0: a channel without a type"),
        ("01 67 01", "too_short", "byte 2: type 103 of channel 1 has 2 bytes, 1 follow"),
        ("01 67 0110 02 FE 00", "unknown_type", "byte 5: type 254 of channel 2 is unknown"),
        ("01 67 0110 01 67 0110", "clash", "byte 6: temperature_1 appears twice"),
    ],
)
def test_a_bad_payload_is_refused_with_the_place(data: str, code: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert (caught.value.code, caught.value.message) == (code, message)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.sampled_from(sorted(TYPES))), unique=True, max_size=10),
    st.data(),
)
def test_what_is_put_together_is_taken_apart(entries: list[tuple[int, int]], draw: st.DataObject) -> None:
    data, parts = b"", 0
    for channel, number in entries:
        size = TYPES[number].size
        data += bytes([channel, number]) + draw.draw(st.binary(min_size=size, max_size=size))
        parts += len(TYPES[number].parts)
    try:
        assert len(decode(data)) == parts
    except DecodeError as error:
        assert error.code in {"clash", "empty"}


@given(st.binary(max_size=30))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    try:
        decode(data)
    except DecodeError as error:
        assert error.code in {"empty", "too_short", "unknown_type", "clash"}
