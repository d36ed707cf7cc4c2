from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from bssci.decoders import scripts
from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.examples import run_examples
from bssci.decoders.interfaces import DecodeError, IDecoder, Payload
from bssci.decoders.scripts import Script, ScriptDecoder, ScriptJob, ScriptLimits, compile_script
from bssci.model import Reading

SHORT = ScriptLimits(seconds=0.02)
TS013 = """
function decodeUplink(input) {
  return {
    data: {temperature: (input.bytes[0] << 8 | input.bytes[1]) / 10, port: input.fPort, at: input.recvTime,
           factor: input.variables.factor},
    warnings: ["old firmware"], errors: []
  };
}
"""


def payload(data: str = "00d7", number: int = 3) -> Payload:
    return Payload(
        data=bytes.fromhex(data),
        kind="uplink",
        device="mioty:0011223344556677",
        received_at=1_790_000_000.5,
        format=number,
    )


def returning(expression: str, before: str = "", limits: ScriptLimits = scripts.LIMITS) -> ScriptDecoder:
    source = f"{before}\nfunction decodeUplink(input) {{ return {{data: {expression}}}; }}"
    return ScriptDecoder("test", source, limits)


def failure(decoder: ScriptDecoder) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decoder.decode(payload(), {})
    return caught.value


def test_a_script_is_a_decoder_whose_version_follows_its_source() -> None:
    decoder = compile_script("test", TS013)
    assert verifyObject(IDecoder, decoder)
    assert not decoder.matches(payload())
    assert (
        decoder.version == ScriptDecoder("other", TS013).version != ScriptDecoder("test", TS013 + " ").version
    )


def test_a_codec_of_ts013_gives_readings_and_warnings() -> None:
    done = compile_script("test", TS013).engine().decode(payload(), {"factor": "7"})
    assert done.readings == [
        Reading("temperature", 21.5, "°C"),
        Reading("port", 3),
        Reading("at", "2026-09-21T14:13:20.500Z"),
        Reading("factor", "7"),
    ]
    assert done.warnings == ("old firmware",)


@pytest.mark.parametrize(
    "source",
    [
        "function Decode(fPort, bytes, variables) { return {a: fPort, b: bytes[1], c: variables.x}; }",
        "const Decode = (fPort, bytes, variables) => ({a: fPort, b: bytes[1], c: variables.x});",
        "function Decoder(bytes, port) { return {a: port, b: bytes[1], c: 5}; }",
        '"use strict"; var decodeUplink = (i) => ({data: {a: i.fPort, b: i.bytes[1], c: 5}}) // end',
    ],
)
def test_codecs_of_older_forms_are_called_too(source: str) -> None:
    readings = compile_script("test", source).decode(payload(), {"x": 5})
    assert readings == [Reading("a", 3), Reading("b", 0xD7), Reading("c", 5)]


@pytest.mark.parametrize(
    ("expression", "readings"),
    [
        ("{Temp: 20, Hum: 55.5}", [Reading("temperature", 20, "°C"), Reading("humidity", 55.5, "%")]),
        ("{own: {a: {b: [7, 8]}}}", [Reading("own.a.b.0", 7), Reading("own.a.b.1", 8)]),
        ("{own: {value: 5, unit: 'm'}}", [Reading("own", 5, "m")]),
        ("{temperature: {value: 68, unit: '°F'}}", [Reading("temperature", pytest.approx(20.0), "°C")]),
        ("{own: {value: 5, unit: 'm', more: 1}}", None),
        ("{a: true, b: 'text', c: null, d: undefined, e: -0, f: 5n}", None),
        ("{own: new Uint8Array([1, 2])}", [Reading("own.0", 1), Reading("own.1", 2)]),
        ("{}", []),
    ],
)
def test_what_becomes_readings(expression: str, readings: list[Reading] | None) -> None:
    found = returning(expression).decode(payload(), {})
    if readings is not None:
        assert found == readings


@pytest.mark.parametrize("count", [1, 40, 500])
def test_an_answer_of_any_length_arrives(count: int) -> None:
    found = returning(
        f"Object.fromEntries([...Array({count}).keys()].map((at) => ['a_long_name_of_number_' + at, at]))"
    ).decode(payload(), {})
    assert [reading.value for reading in found] == list(range(count))


def test_long_texts_arrive_whole() -> None:
    assert (
        returning("{a: 'x'.repeat(500) + 'y'.repeat(500)}")
        .decode(payload(), {})[0]
        .value.endswith("xy" + "y" * 499)
    )
    thrown = compile_script("test", "function decodeUplink() { throw new Error('x'.repeat(900)); }")
    assert failure(thrown).message.endswith("x" * 900)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("Buffer.from([1, 2, 255]).readUInt16BE(1)", 767),
        ("Buffer.from([1, 2, 255]).readInt8(2)", -1),
        ("Buffer.from('0a0b0c0d', 'hex').readUInt32LE(0)", 0x0D0C0B0A),
        ("Buffer.from([0, 0, 200, 65]).readFloatLE()", 25.0),
        ("Buffer.from([1, 2, 3]).readUIntBE(0, 3)", 0x010203),
        ("Number(Buffer.from([0, 0, 0, 0, 0, 0, 1, 0]).readBigUint64BE(0))", 256),
        ("Buffer.from([1, 2, 3]).slice(1).toString('hex')", "0203"),
        ("Buffer.from('AQID/w==', 'base64').toString('base64')", "AQID/w=="),
        ("Buffer.from('Grün').toString()", "Grün"),
        ("Buffer.concat([Buffer.from([1]), Buffer.alloc(2, 7)]).toString('hex')", "010707"),
    ],
)
def test_the_buffer_of_node(expression: str, value: object) -> None:
    assert returning(f"{{own: {expression}}}").decode(payload(), {}) == [Reading("own", value)]


def test_a_buffer_is_not_read_beyond_its_end() -> None:
    assert "out of range" in failure(returning("{own: Buffer.from([1]).readUInt16BE(0)}")).message


def test_kinds_of_values() -> None:
    found = returning("{p: true, q: 'text', r: null, s: undefined, t: -0, u: 5n}").decode(payload(), {})
    assert [(reading.name, reading.value) for reading in found] == [
        ("p", True),
        ("q", "text"),
        ("t", 0),
        ("u", 5),
    ]
    assert found[0].value is True


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{a: 'x'.repeat(1001)}", "a: a text of 1001 characters, at most 1000 are allowed"),
        ("{a: Array(501).fill(0)}", "a: 501 values, at most 500 are allowed"),
        ("{['k'.repeat(101)]: 1}", "a name of 101 characters, at most 100 are allowed"),
        ("{a: {value: 1, unit: 'u'.repeat(200)}}", "a: a unit of 200 characters, at most 100 are allowed"),
    ],
)
def test_what_is_too_long_is_told_with_what_is_allowed(expression: str, message: str) -> None:
    assert str(failure(returning(expression))) == message


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("{a: NaN}", "not_a_number"),
        ("{a: {b: 1 / 0}}", "not_a_number"),
        ("{a: 2 ** 60}", "number_too_large"),
        ("{a: 2n ** 60n}", "number_too_large"),
        ("{get a() { throw new Error('no'); }}", "getter"),
        ("{get a() { throw {get message() { while (true); }}; }}", "getter"),
        ("{get a() { while (true); }}", "timeout"),
        ("(() => { while (true); })()", "timeout"),
        ("(() => { while (true) try { while (true); } catch (e) {} })()", "timeout"),
        ("/^(a+)+$/.test('a'.repeat(40) + 'b')", "timeout"),
        ("(() => { for (let s = 'x'.repeat(1e6); ; s += s); })()", "script_error"),
        ("'x'.repeat(2 ** 30 - 2)", "out_of_memory"),
        ("(() => { for (const all = []; ; all.push(new Uint8Array(1e5))); })()", "out_of_memory"),
        ("new ArrayBuffer(1e9)", "out_of_memory"),
        ("(function again() { return again() + 1; })()", "stack_overflow"),
        ("JSON.parse('['.repeat(1e6))", "stack_overflow"),
        ("Promise.resolve({a: 1})", "promise"),
        ("{a: Promise.resolve(1)}", "promise"),
        ("{a: {then() {}}}", "promise"),
        ("{['k'.repeat(1e6)]: 1}", "name_too_long"),
        ("{[('k'.repeat(60))]: {['k'.repeat(60)]: 1}}", "name_too_long"),
        ("{'': 1}", "no_name"),
        ("{'a\\nb': 1}", "bad_name"),
        ("{'\\ud800': 1}", "bad_text"),
        ("{a: '\\ud800'}", "bad_text"),
        ("{a: 'x'.repeat(1001)}", "text_too_long"),
        ("{a: Array(501).fill(0)}", "too_many_readings"),
        ("{a: Array(300).fill(0), b: Array(300).fill(0)}", "too_many_readings"),
        ("{a: () => 1}", "not_a_value"),
        ("{a: Symbol('b')}", "not_a_value"),
        ("(() => { const o = {}; o.o = o; return o; })()", "too_deep"),
        ("{a: new Date(NaN)}", "script_error"),
        ("null", "no_data"),
        ("undefined", "no_data"),
        ("7", "not_an_object"),
        ("[1, 2]", "not_an_object"),
        ("new Proxy({}, {ownKeys() { throw new Error('no'); }})", "script_error"),
        ("{a: new Proxy({}, {getPrototypeOf() { while (true); }})}", "timeout"),
        ("(() => { throw 'too few bytes'; })()", "script_error"),
        (
            "(() => { throw {get message() { while (true); }, toString() { while (true); }}; })()",
            "script_error",
        ),
        ("(() => { throw null; })()", "script_error"),
        ("(() => { throw new Proxy({}, {getOwnPropertyDescriptor() { throw 1; }}); })()", "script_error"),
        ("require('os')", "script_error"),
        ("setTimeout(() => 1)", "script_error"),
        ("Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 9000)", "script_error"),
        ("{a: eval('while (true);')}", "timeout"),
    ],
)
def test_what_a_script_does_wrong_is_an_error_of_its_own(expression: str, code: str) -> None:
    endless = code == "timeout" or "while (true)" in expression
    error = failure(returning(expression, limits=SHORT if endless else scripts.LIMITS))
    assert error.code == code
    assert len(error.message) < 1200
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "before",
    [
        "Object.prototype.toJSON = String.prototype.toJSON = () => 'mine';",
        "JSON.stringify = JSON.parse = Object.keys = Reflect.apply = () => { throw 1; };",
        "Array.prototype.push = Array.isArray = () => { throw 1; };",
        "Object.defineProperty(Array.prototype, '0', {set() { throw 1; }});",
        "Object.defineProperty(Object.prototype, 'code', {set() { throw 1; }});",
        "globalThis.eval = globalThis.Date = globalThis.Number = undefined;",
        "console.log('hello'); console.error({}); console = undefined;",
        "input = {}; var limits = null, out = 'x', flatten = null;",
    ],
)
def test_tricks_with_what_the_language_gives(before: str) -> None:
    assert returning("{own: 5, t: 'x'}", before).decode(payload(), {}) == [
        Reading("own", 5),
        Reading("t", "x"),
    ]


@pytest.mark.parametrize(
    "before",
    [
        "Error.prototype.toString = () => { while (true); };",
        "InternalError.prototype.toString = () => { while (true); };",
        "try { Object.defineProperty(InternalError.prototype, 'name', {get() { while (1); }}) } catch (e) {}",
        "Error.prepareStackTrace = () => { while (true); };",
    ],
)
def test_tricks_with_errors_do_not_outlive_the_time_limit(before: str) -> None:
    assert failure(returning("(() => { while (true); })()", before, SHORT)).code == "timeout"
    assert failure(returning("null.x", before, SHORT)).code == "script_error"


def test_what_the_script_reports() -> None:
    decoder = ScriptDecoder(
        "test", "function decodeUplink() { return {errors: ['too short', 5, 'x'.repeat(2000)]}; }"
    )
    error = failure(decoder)
    assert (error.code, error.message) == ("reported", "too short; (no text); (no text)")
    assert (
        failure(ScriptDecoder("test", "function decodeUplink() { return {errors: 'no'}; }")).code
        == "not_a_list"
    )


def test_the_place_of_an_error() -> None:
    error = failure(ScriptDecoder("test", "function decodeUplink(i) {\n  return i.nothing.here;\n}"))
    assert error.message == "line 2: cannot read property 'here' of undefined"
    assert failure(returning("{a: {b: NaN}}")).message == "a.b: NaN cannot be a reading"


def test_an_engine_goes_on_after_an_error() -> None:
    engine = returning("input.bytes[0] ? (() => { while (true); })() : {own: 1}").engine()
    with pytest.raises(DecodeError, match="too long"):
        engine.decode(payload("01"), {})
    assert engine.decode(payload("00"), {}).readings == [Reading("own", 1)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("function decodeUplink() {\n  return 1 +;\n}", "line 2: "),
        ("let a;\nlet b = ;\n", "line 2: "),
        ("function other() {}", "no function decodeUplink, Decode or Decoder"),
        ("while (true);", "it takes too long"),
        ("throw {toString() { while (true); }}", "it threw something that is not an Error"),
        ("/* not closed", "line 1: "),
        ("", "no function decodeUplink, Decode or Decoder"),
        (" " * 1_000_001, "more than 1000000 characters"),
    ],
)
def test_a_script_that_cannot_be_loaded(source: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        compile_script("test", source)
    assert str(caught.value).startswith(message)


def test_what_the_comment_says() -> None:
    head = """/*
     * decoder {"typeEui": "70b3d59cd0000095", "title": "Vendor Meter 5",
     "examples": [{"payload": "00D7", "format": 3, "readings": {"temperature": 21.5, "port": 3,
                   "at": "1970-01-01T00:00:00.000Z", "factor": 2}, "parameters": {"factor": 2}},
                  {"payload": "", "readings": {}}]} */"""
    decoder = compile_script("test", head + TS013)
    assert (decoder.type_eui, decoder.title) == ("70B3D59CD0000095", "Vendor Meter 5")
    assert [result.passed for result in run_examples(decoder, decoder.examples)] == [True, False]
    assert decoder.matches(msgspec.structs.replace(payload(), type_eui="70B3D59CD0000095"))
    assert not decoder.matches(msgspec.structs.replace(payload(), type_eui="70B3D59CD0000096"))


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ('/* decoder {"typeEui": "70B3"} */', 1),
        ('// x\n/* decoder {"title":\n 5} */', 3),
        ("/* decoder {a} */", 1),
    ],
)
def test_a_comment_that_is_wrong(head: str, line: int) -> None:
    with pytest.raises(DefinitionError) as caught:
        compile_script("test", head + TS013)
    assert caught.value.line == line


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(scripts, "import_module", absent)
    with pytest.raises(ValueError, match=r"pip install 'bssci\[scripts\]'"):
        compile_script("test", TS013)


def test_the_limits_are_the_decoders_own() -> None:
    wide = ScriptLimits(seconds=0.1, memory=64 << 20)
    source = "function decodeUplink() { return {data: {own: new Uint8Array(3e7).length}}; }"
    assert compile_script("test", source, wide).decode(payload(), {}) == [Reading("own", 30_000_000)]
    assert failure(ScriptDecoder("test", source)).code == "out_of_memory"


@given(data=st.binary(max_size=60), number=st.integers(0, 255))
def test_any_bytes_give_readings_or_a_failure(data: bytes, number: int) -> None:
    source = """function decodeUplink(i) {
      const v = new DataView(new Uint8Array(i.bytes).buffer);
      const text = String.fromCharCode(...i.bytes);
      return {data: {f: v.getFloat32(0), big: v.getBigInt64(4), text, own: i.fPort}};
    }"""
    decoder = ScriptDecoder("test", source)
    try:
        found = decoder.decode(
            Payload(
                data=data, kind="uplink", device="mioty:0011223344556677", received_at=0.0, format=number
            ),
            {},
        )
    except DecodeError:
        return
    assert {reading.name for reading in found} <= {"f", "big", "text", "own"}


@pytest.mark.parametrize("piece", ["/*decoder{", "/*decoder{ */", "/*decoder{}x*/", "/* * ", "/*decoder{}* "])
def test_a_source_of_many_heads_is_read_once(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = piece * (10_000 // len(piece))
    looks: list[tuple[int, re.Match[str] | None]] = []
    head = scripts._HEAD

    def search(text: str, begin: int) -> re.Match[str] | None:
        found = head.search(text, begin)
        looks.append((begin, found))
        return found

    monkeypatch.setattr(scripts, "_HEAD", SimpleNamespace(search=search))
    assert scripts.read_head(source) == scripts.NO_HEAD
    for (_, found), (begin, _) in pairwise(looks):
        # No part of a comment that was looked at is looked at again.
        assert found is not None and begin == source.find("*/", found.end())


def test_somebody_else_may_run_what_is_loaded_and_tried() -> None:
    ran: list[ScriptJob] = []

    def run(job: ScriptJob) -> Script:
        ran.append(job)
        return job.run()

    decoder = compile_script("meter", TS013, run=run)
    readings = decoder.decode(payload(), {"factor": "7"})
    assert ran == [
        ScriptJob(TS013, decoder.limits),
        ScriptJob(TS013, decoder.limits, payload(), {"factor": "7"}),
    ]
    assert readings == ran[1].run().readings and readings

    def give_up(job: ScriptJob) -> Script:
        raise DecodeError("timeout", "it does not come back")

    with pytest.raises(ValueError, match="it does not come back"):
        compile_script("meter", TS013, run=give_up)
