from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.datapoints import parse_datapoints
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.model import Reading


def modbus(text: str) -> bytes:
    data = bytes.fromhex(text)
    checksum = 0xFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = checksum >> 1 ^ (0xA001 if checksum & 1 else 0)
    return data + struct.pack("<H", checksum)


def payload(data: bytes) -> Payload:
    return Payload(data=data, kind="telegram", device="f2:0011223344aa/J1/3", received_at=0.0)


def point(**member: Any) -> dict[str, Any]:
    return {"name": "x", "offset": 0, "encoding": "Uint8", **member}


def decode(data: bytes, *points: dict[str, Any], **more: Any) -> list[Reading]:
    return parse_datapoints("m", json.dumps({"dataPoints": points, **more})).decode(payload(data), {})


def test_all_data_points_of_a_modbus_answer() -> None:
    text = json.dumps(
        {
            "version": "3",
            "model": "Soil probe",
            "check": "modbus",
            "dataPoints": [
                {
                    "name": "temperature",
                    "offset": 3,
                    "length": 2,
                    "encoding": "Int16",
                    "decimals": 1,
                    "unit": "°C",
                },
                {
                    "Label": "Soil moisture",
                    "Offset": 5,
                    "DataEncoding": "Uint16",
                    "Decimals": 1,
                    "Append": "%",
                },
                {"label": "EC", "offset": 7, "encoding": "uint16", "unit": "uS/cm"},
            ],
        }
    )
    decoder = parse_datapoints("probe", text)
    assert verifyObject(IDecoder, decoder)
    assert (decoder.version, decoder.title) == ("3", "Soil probe")
    assert decoder.decode(payload(modbus("01 03 06 0100 0136 0200")), {}) == [
        Reading("temperature", 25.6, "°C"),
        Reading("soil_moisture", 31.0, "%"),
        Reading("conductivity", 512, "µS/cm"),
    ]
    traces, error = decoder.trace(payload(modbus("01 03 06 0100 0136 0200")), {})
    assert error is None
    assert [(one.name, one.first_bit, one.bits, one.raw) for one in traces] == [
        ("temperature", 24, 16, 0x100),
        ("Soil moisture", 40, 16, 0x136),
        ("EC", 56, 16, 0x200),
    ]


@pytest.mark.parametrize(
    ("member", "data", "value"),
    [
        ({"encoding": "Int8"}, "FF", -1),
        ({"encoding": "Uint8"}, "FF", 255),
        ({"encoding": "Int16", "decimals": 2}, "FF38", -2.0),
        ({"encoding": "Uint16", "littleEndian": True}, "0100", 1),
        ({"encoding": "Int16", "length": 3}, "FFFFFE", -2),
        ({"encoding": "Uint32", "scale": 0.1}, "00000003", 0.3),
        ({"encoding": "Float32"}, "3FC00000", 1.5),
        ({"encoding": "Boolean"}, "02", True),
        ({"encoding": "String", "length": 3}, "414200", "AB"),
        ({"encoding": "Hex", "length": 2}, "0AFF", "0aff"),
        ({"encoding": "Uint8", "offset": 2}, "000007", 7),
        ({"name": "volume", "unit": "l", "encoding": "Uint16"}, "007B", 0.123),
    ],
)
def test_each_encoding_of_a_data_point_is_read(member: dict[str, Any], data: str, value: Any) -> None:
    (reading,) = decode(bytes.fromhex(data), point(**member))
    assert reading.value == value
    assert type(reading.value) is type(value)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"\x01\x03", "too_short"),
        (modbus("01 03 06 0100 0136 0200")[:-1] + b"\0", "checksum"),
        (modbus("01 83 02"), "modbus_error"),
        (modbus("01 03 01 01"), "too_short"),
        (modbus("01 03" + "00" * 253), "too_long"),
    ],
)
def test_bad_modbus_answers(data: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(data, point(offset=6, encoding="Uint16"), check="modbus")
    assert caught.value.code == code


def test_a_payload_may_go_on_behind_the_last_point_but_not_for_ever() -> None:
    assert decode(b"\7" * 4096, point()) == [Reading("x", 7)]
    with pytest.raises(DecodeError, match="byte 4096"):
        decode(b"\7" * 4097, point())


def test_a_number_that_is_too_large_in_the_unit_of_the_table_is_a_failure() -> None:
    voltage = point(name="voltage", encoding="Float64", unit="kV")
    assert decode(struct.pack(">d", 1.5), voltage) == [Reading("voltage", 1500.0, "V")]
    with pytest.raises(DecodeError) as caught:
        decode(struct.pack(">d", 1.7e308), voltage)
    assert (caught.value.code, caught.value.message) == (
        "overflow",
        "voltage: the value is too large in V",
    )


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ([], "needs 1 to 1000"),
        ([point()] * 1001, "needs 1 to 1000"),
        ([point(), point()], "'x' appears twice (line 1)"),
        ([{"offset": 0}], "name is missing"),
        ([{"name": "x", "offset": 0}], "encoding is missing"),
        ([{"name": "x", "encoding": "Int8"}], "offset is missing"),
        ([point(encoding="Int12")], "'Int12' is unknown"),
        ([point(encoding="String")], "length is missing"),
        ([point(encoding="Float32", length=2)], "of this encoding is 4"),
        ([point(length=9)], "from 1 to 8"),
        ([point(offset=-1)], "from 0 to 4096"),
        ([point(decimals=99)], "from 0 to 18"),
    ],
)
def test_a_wrong_model_is_refused(points: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(DefinitionError, match="line 1") as caught:
        parse_datapoints("m", json.dumps({"dataPoints": points}))
    assert reason in caught.value.reason


@given(st.integers(-(2**15), 2**15 - 1), st.integers(0, 4))
def test_a_value_is_its_bytes_over_ten_to_the_decimals(number: int, decimals: int) -> None:
    (reading,) = decode(struct.pack(">h", number), point(encoding="Int16", decimals=decimals))
    assert reading.value == number / 10**decimals
