from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders.blueprints import Blueprint, parse_blueprint
from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.model import Reading

TYPE_EUI = "70B3D59CD0000095"
METER = """{
  /* a meter
     of water */
  "version": "1.2",
  "typeEui": "70-b3-d5-9c-d0-00-00-95",
  "meta": {"vendor": "Acme", "name": "M1"},
  "component": {
    "nibble": {"size": 4, "type": "uint"},
    "litres": {"size": 32, "type": "uint", "littleEndian": true, "unit": "l"},
    "temp": {"size": 16, "type": "int", "func": "$ / 10.0 - 273.1", "unit": "°C"}
  },
  "uplink": [
    {
      "id": 0,
      "payload": [
        {"name": "Major_Version", "component": "nibble", "hidden": true},
        {"name": "Flags", "component": "nibble", "hidden": true},
        {"name": "Volume", "component": "litres"},
        {"name": "Temp", "component": "temp", "condition": "($Flags & 0x01) == 0x01"},
        {"name": "Return Temp", "component": "temp", "condition": "$Temp > 0"}
      ],
      "virtual": [
        {"name": "Twice", "func": "$Half * 4"},
        {"name": "Half", "func": "$Volume / 2000", "unit": "m³"},
        {"name": "Spread", "func": "$Temp - $Return Temp", "unit": "K"}
      ]
    },
    {"id": 192, "payload": [{"name": "leak", "size": 1, "type": "bool"}]}
  ]
}"""


def payload(data: bytes | str, number: int = 0, type_eui: str | None = None) -> Payload:
    return Payload(
        data=bytes.fromhex(data) if isinstance(data, str) else data,
        kind="uplink",
        device="mioty:0000000000000001",
        received_at=0.0,
        format=number,
        type_eui=type_eui,
    )


def blueprint(*fields: dict[str, Any], **more: Any) -> Blueprint:
    """A blueprint of one format."""
    return parse_blueprint("b", json.dumps({"uplink": [{"id": 0, "payload": fields}], **more}))


def readings(decoder: Blueprint, data: bytes | str, **parameters: Any) -> dict[str, Any]:
    return {reading.name: reading.value for reading in decoder.decode(payload(data), parameters)}


def failure(decoder: Blueprint, data: bytes | str, number: int = 0) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decoder.decode(payload(data, number), {})
    return caught.value


def test_a_blueprint_is_a_decoder_with_fields_components_and_virtual_values() -> None:
    decoder = parse_blueprint("meter", METER)
    assert verifyObject(IDecoder, decoder)
    assert (decoder.name, decoder.version, decoder.title) == ("meter", "1.2", "Acme M1")
    assert decoder.decode(payload("11 10270000 0B87 0B55"), {}) == [
        Reading("volume", 10.0, "m³"),
        Reading("temperature", 22.0, "°C"),
        Reading("return_temperature", 17.0, "°C"),
        Reading("Half", 5.0, "m³"),
        Reading("Spread", 5.0, "K"),
        Reading("Twice", 20.0),
    ]


def test_a_condition_that_is_not_met_takes_no_bits_and_so_does_what_hangs_on_it() -> None:
    decoder = parse_blueprint("meter", METER)
    assert decoder.decode(payload("10 10270000"), {}) == [
        Reading("volume", 10.0, "m³"),
        Reading("Half", 5.0, "m³"),
        Reading("Twice", 20.0),
    ]


def test_a_blueprint_is_for_its_type_of_sensor() -> None:
    decoder = parse_blueprint("meter", METER)
    assert decoder.matches(payload("00", type_eui=TYPE_EUI))
    assert not decoder.matches(payload("00", type_eui="70B3D59CD0000096"))
    assert not blueprint({"name": "a", "size": 8, "type": "uint"}).matches(payload("00"))


def test_the_format_byte_chooses() -> None:
    decoder = parse_blueprint("meter", METER)
    assert decoder.decode(payload("80", 192), {}) == [Reading("leak", True)]
    error = failure(decoder, "80", 7)
    assert (error.code, error.message) == (
        "unknown_format",
        "format 7 is not in the blueprint; there are: 0, 192",
    )


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        ("", "empty", "Major_Version: the payload is empty"),
        ("10 102700", "too_short", "Volume: needs bits 8 to 39; the payload has 32 bits"),
        ("11 10270000 0B", "too_short", "Temp: needs bits 40 to 55; the payload has 48 bits"),
        ("10 10270000 00", "too_long", "byte 5: the format ends before it; the payload has 6 bytes"),
    ],
)
def test_a_payload_that_does_not_fit_is_said_with_its_place(data: str, code: str, message: str) -> None:
    error = failure(parse_blueprint("meter", METER), data)
    assert (error.code, error.message) == (code, message)


def test_bits_that_do_not_fill_the_last_byte_are_padding() -> None:
    assert readings(blueprint({"name": "a", "size": 9, "type": "uint"}), "FFFF") == {"a": 511}


@pytest.mark.parametrize(
    ("field", "data", "value"),
    [
        ({"size": 16, "type": "uint"}, "0102", 0x0102),
        ({"size": 16, "type": "uint", "littleEndian": True}, "0102", 0x0201),
        ({"size": 12, "type": "uint", "littleEndian": True}, "AB C0", 0xCAB),
        ({"size": 64, "type": "uint"}, "FF" * 8, 2**64 - 1),
        ({"size": 64, "type": "int"}, "FF" * 8, -1),
        ({"size": 4, "type": "int"}, "80", -8),
        ({"size": 32, "type": "float"}, struct.pack(">f", 1.5), 1.5),
        ({"size": 32, "type": "float", "littleEndian": True}, struct.pack("<f", 1.5), 1.5),
        ({"size": 1, "type": "bool"}, "80", True),
        ({"size": 24, "type": "bytes"}, "0102FF", "0102ff"),
        ({"size": 24, "type": "binary", "littleEndian": True}, "0102FF", "0102ff"),
        ({"size": 40, "type": "string"}, "48C3A9 0000", "Hé"),
        ({"size": 8, "type": "enum", "enum": {"1": "open", "0x02": "closed"}}, "02", "closed"),
        ({"size": 8, "type": "uint", "enum": {"1": "open"}}, "03", 3),
        ({"size": 8, "type": "uint", "scale": 0.5, "bias": -10}, "40", 22.0),
        ({"size": 8, "type": "uint", "calibration": "k", "func": "$ + 1"}, "0A", 21),
        ({"size": 8, "type": "uint", "func": "$ * $calibration.k"}, "0A", 20),
        ({"size": 8, "type": "uint", "func": "$ * 0.1"}, "03", 0.3),
        ({"size": 8, "type": "uint", "func": ""}, "03", 3),
        ({"size": 64, "type": "uint", "func": "$ * $"}, "FF" * 8, float((2**64 - 1) ** 2)),
        ({"size": 8, "type": "uint", "condition": ""}, "03", 3),
        ({"size": 8, "type": "uint", "condition": True}, "03", 3),
    ],
)
def test_each_type_of_field_is_read(field: dict[str, Any], data: bytes | str, value: Any) -> None:
    decoder = blueprint({"name": "x", **field}, calibration={"k": 2})
    found = readings(decoder, data)
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


def test_the_nearest_endianness_counts() -> None:
    fields = [
        {"name": "of the file", "size": 16, "type": "uint"},
        {"name": "of the component", "component": "big"},
        {"name": "of the field", "component": "big", "littleEndian": True},
    ]
    definitions = {"big": {"size": 16, "type": "uint", "littleEndian": False}}
    decoder = blueprint(*fields, littleEndian=True, component=definitions)
    assert readings(decoder, "0100 0100 0100") == {
        "of the file": 1,
        "of the component": 256,
        "of the field": 1,
    }
    document = {"littleEndian": True, "uplink": [{"littleEndian": False, "payload": [fields[0]]}]}
    assert readings(parse_blueprint("b", json.dumps(document)), "0100") == {"of the file": 256}


def test_an_offset_is_counted_from_the_first_bit_and_the_next_field_follows_it() -> None:
    decoder = blueprint(
        {"name": "third", "size": 8, "type": "uint", "offset": 16},
        {"name": "fourth", "size": 8, "type": "uint"},
        {"name": "first", "size": 8, "type": "uint", "offset": 0},
    )
    assert readings(decoder, "01020304") == {"third": 3, "fourth": 4, "first": 1}
    assert failure(decoder, "0102030405").code == "too_long"
    assert failure(decoder, "0102").message == "third: needs bits 16 to 23; the payload has 16 bits"


def test_a_sensor_may_have_a_calibration_of_its_own() -> None:
    decoder = blueprint({"name": "x", "size": 8, "type": "uint", "calibration": "k"}, calibration={"k": 2})
    assert readings(decoder, "0A", calibration={"k": 1.5}) == {"x": 15.0}
    with pytest.raises(DecodeError, match="calibration.k is not a number"):
        readings(decoder, "0A", calibration={"k": "much"})
    with pytest.raises(DecodeError, match="x: this payload has no calibration.m"):
        readings(blueprint({"name": "x", "size": 8, "type": "uint", "calibration": "m"}), "0A")


def test_what_a_sensor_could_not_measure_is_no_reading() -> None:
    decoder = blueprint({"name": "x", "size": 32, "type": "float"}, {"name": "y", "size": 8, "type": "uint"})
    assert readings(decoder, struct.pack(">f", math.nan) + b"\x01") == {"y": 1}


@pytest.mark.parametrize(
    ("func", "data", "code", "message"),
    [
        ("1 / $", "00", "division_by_zero", "x: func of 0: division by zero"),
        ("exp($ * 100)", "FF", "overflow", "x: func of 255: the value is too large"),
        ("sqrt($ - 1)", "00", "not_a_number", "x: func of 0: the result is not a number"),
        ("1e308 * 10 * $", "01", "not_a_number", "x: func of 1: the result is not a number"),
    ],
)
def test_an_expression_without_a_value_is_a_failure(func: str, data: str, code: str, message: str) -> None:
    error = failure(blueprint({"name": "x", "size": 8, "type": "uint", "func": func}), data)
    assert (error.code, error.message) == (code, message)


def test_alternatives_may_share_a_name() -> None:
    decoder = blueprint(
        {"name": "Kind", "size": 8, "type": "uint"},
        {"name": "Distance", "size": 8, "type": "uint", "condition": "$Kind == 0", "unit": "mm"},
        {"name": "Distance", "size": 16, "type": "uint", "condition": "$Kind >= 1", "unit": "mm"},
        {"name": "padding", "size": 4, "type": "uint", "hidden": True},
        {"name": "padding", "size": 4, "type": "uint", "hidden": True},
    )
    assert readings(decoder, "00 64 00") == {"Kind": 0, "distance": 0.1}
    assert readings(decoder, "01 0064 00") == {"Kind": 1, "distance": 0.1}
    both = blueprint(
        {"name": "a", "size": 8, "type": "uint", "condition": "1"},
        {"name": "a", "size": 8, "type": "uint", "condition": "1 == 1"},
    )
    assert failure(both, "0102").code == "clash"


def test_an_encrypted_format_is_not_read() -> None:
    document = {"uplink": [{"crypto": "1", "payload": [{"name": "a", "size": 8, "type": "uint"}]}]}
    assert failure(parse_blueprint("b", json.dumps(document)), "00").code == "encrypted"


def test_the_envelope_of_a_registry() -> None:
    spec = {"version": "1.0.5", "uplink": [{"id": 0, "payload": [{"name": "a", "size": 8, "type": "uint"}]}]}
    text = json.dumps({"spec": spec, "version": "1", "examples": [{"payload": "01", "readings": {"a": 1}}]})
    decoder = parse_blueprint("b", text)
    assert decoder.version == "1.0.5"
    assert len(decoder.examples) == 1
    assert readings(decoder, "07") == {"a": 7}


def test_a_file_without_a_version_is_known_by_its_text() -> None:
    first = blueprint({"name": "a", "size": 8, "type": "uint"})
    second = blueprint({"name": "a", "size": 8, "type": "int"})
    assert first.version != second.version
    assert len(first.version) == 8


def test_a_trace_shows_the_bits_of_each_field() -> None:
    decoder = parse_blueprint("meter", METER)
    traces, error = decoder.trace(payload("10 10270000"), {})
    assert error is None
    assert [(one.name, one.first_bit, one.bits, one.raw, one.absent) for one in traces] == [
        ("Major_Version", 0, 4, 1, False),
        ("Flags", 4, 4, 0, False),
        ("Volume", 8, 32, 0x10270000, False),
        ("Temp", None, 0, None, True),
        ("Return Temp", None, 0, None, True),
        ("Half", None, 0, None, False),
        ("Spread", None, 0, None, True),
        ("Twice", None, 0, None, False),
    ]
    assert traces[0].reading is None
    assert traces[2].reading == Reading("volume", 10.0, "m³")
    traces, error = decoder.trace(payload("10 1027"), {})
    assert error is not None
    assert error.code == "too_short"
    assert [one.first_bit for one in traces] == [0, 4, None, None, None, None, None, None]


START = '{"uplink": [{"payload": ['
FIELD = '{"name": "a", "size": 8, "type": "uint"'
"""what ``#`` and ``@`` stand for below; the closing brackets are missing"""


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("{}", 1, "uplink is missing"),
        ('{"uplink": []}', 1, "needs 1 to 256 formats"),
        ('{"uplink": 3}', 1, "must be a list"),
        ('{\n"uplink": [\n{"id": 256, "payload": []}]}', 3, "id: must be a whole number from 0 to 255"),
        ('{"uplink": [{"id": 1, "payload": []},\n{"id": 1, "payload": []}]}', 2, "id 1 appears twice"),
        ('{"uplink": [{"id": 1, "payload": []},\n{"payload": []}]}', 2, "id is missing"),
        ('{"typeEui": "12",\n"uplink": [{"payload": []}]}', 1, "16 hexadecimal digits"),
        ('#\n{"size": 8, "type": "uint"}]}]}', 2, "name is missing"),
        ('#\n{"name": "a", "size": 0, "type": "uint"}]}]}', 2, "from 1 to 64"),
        ('#\n{"name": "a", "size": 65, "type": "uint"}]}]}', 2, "from 1 to 64"),
        ('#\n{"name": "a", "size": "8", "type": "uint"}]}]}', 2, "size: must be a"),
        ('#\n{"name": "a", "size": 9, "type": "string"}]}]}', 2, "multiple of 8"),
        ('#\n{"name": "a", "size": 9, "type": "float"}]}]}', 2, "16, 32 or 64"),
        ('#\n{"name": "a", "size": 8, "type": "byte"}]}]}', 2, "'byte' is unknown"),
        ('#\n{"name": "a", "size": 8}]}]}', 2, "type is missing"),
        ('#\n{"name": "a", "type": "uint"}]}]}', 2, "size is missing"),
        ('#\n{"name": "a", "component": "b"}]}]}', 2, "no component 'b'"),
        (
            '{"component": {"b": {"component": "c"},\n"c": {"component": "b"}},'
            '\n"uplink": [{"payload": [{"name": "a", "component": "b"}]}]}',
            2,
            "refers to itself",
        ),
        ('#@},\n@}]}]}', 2, "'a' appears twice (line 1)"),
        ('#@,\n"func": "$ +"}]}]}', 2, "func: a value is missing, at character 4"),
        ('#@,\n"func": "$b"}]}]}', 2, "$b is not defined before"),
        ('#@,\n"func": "$a"}]}]}', 2, "$a is not defined before"),
        ('#@,\n"condition": "1 2"}]}]}', 2, "condition: unexpected '2'"),
        (
            '#@}], "virtual": [{"name": "v",\n"func": "$w"}, {"name": "w", "func": "$v"}]}]}',
            1,
            "in a circle",
        ),
        ('#@}], "virtual": [\n{"name": "v"}]}]}', 2, "v: func is missing"),
        ('#@}], "virtual": [\n{"name": "a", "func": "1"}]}]}', 2, "appears twice"),
        ('#@, "enum": {\n"x": "on"}}]}]}', 2, "must be a whole number"),
        (
            '#{"name": "a", "size": 8, "type": "string",\n"func": "$ * 9"}]}]}',
            2,
            "of type string cannot have it",
        ),
        (
            '#{"name": "t", "size": 8, "type": "string"},\n@, "func": "$t * 9"}]}]}',
            2,
            "$t is not defined",
        ),
        (
            '{"uplink": [{"payload":\n[' + ", ".join(["@}"] * 1_001) + "]}]}",
            2,
            "more than 1000 fields",
        ),
        ('#@}]}],\n"examples": [{"payload": "0"}]}', 2, "hexadecimal"),
        ('#@}]}],\n"examples": [{"payload": "00"}]}', 2, "either readings or"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    text = text.replace("#", START).replace("@", FIELD)
    with pytest.raises(DefinitionError) as caught:
        parse_blueprint("b", text)
    assert reason in caught.value.reason
    assert caught.value.line == line


FIELDS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["uint", "int", "bool"]), "size": st.integers(1, 64)},
        optional={"littleEndian": st.booleans(), "hidden": st.booleans()},
    ),
    min_size=1,
    max_size=20,
)


@given(FIELDS, st.data())
def test_bits_are_read_as_they_were_written(fields: list[dict[str, Any]], draw: st.DataObject) -> None:
    written, expected = "", {}
    for number, field in enumerate(fields):
        field["name"] = f"f{number}x"
        size = field["size"]
        raw = draw.draw(st.integers(0, (1 << size) - 1))
        value = raw - (1 << size) if field["type"] == "int" and raw >> size - 1 else raw
        if field.get("littleEndian"):
            whole, rest = divmod(size, 8)
            written += "".join(f"{raw >> 8 * place & 255:08b}" for place in range(whole))
            written += f"{raw >> 8 * whole:0{rest}b}" if rest else ""
        else:
            written += f"{raw:0{size}b}"
        if not field.get("hidden"):
            expected[field["name"]] = bool(value) if field["type"] == "bool" else value
    length = (len(written) + 7) // 8
    data = int(written.ljust(length * 8, "0"), 2).to_bytes(length)
    decoder = blueprint(*fields)
    assert readings(decoder, data) == expected
    if len(data) > 1:
        assert failure(decoder, data[:-1]).code == "too_short"
    assert failure(decoder, data + b"\0").code == "too_long"


@given(st.binary(max_size=20), st.integers(0, 255))
def test_any_payload_gives_readings_or_a_failure(data: bytes, number: int) -> None:
    decoder = parse_blueprint("meter", METER)
    try:
        found = decoder.decode(payload(data, number), {})
    except DecodeError:
        found = None
    traces, error = decoder.trace(payload(data, number), {})
    assert (found is None) == (error is not None)
    if found is not None:
        assert all(isinstance(reading.value, int | float | str) for reading in found)
        shown = [trace.reading for trace in traces if trace.reading is not None]
        assert sorted(one.name for one in shown) == sorted(one.name for one in found)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-300, 300)
    | st.sampled_from(["uint", "$a", "a", "b", "float", ""]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["uplink", "payload", "name", "size", "type", "func", "condition", "component", "a", "b", "id",
             "virtual", "enum", "offset", "calibration", "unit", "examples", "crypto", "meta", "spec"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@given(JSON)
def test_any_document_is_a_blueprint_or_is_refused(document: Any) -> None:
    for text in (
        json.dumps(document),
        json.dumps({"uplink": [{"payload": [document]}], "component": document}),
    ):
        try:
            parse_blueprint("b", text)
        except DefinitionError as error:
            assert error.line >= 1
