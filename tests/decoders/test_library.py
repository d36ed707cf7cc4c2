from __future__ import annotations

import json

import pytest

from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.interfaces import Payload
from bssci.decoders.library import KINDS, Library, build_library, check_file, examples_of

TYPE_EUI = "70B3D59CD0000095"
GOOD = json.dumps(
    {
        "version": "1",
        "typeEui": TYPE_EUI,
        "uplink": [{"payload": [{"name": "temp", "size": 8, "type": "int", "unit": "°C"}]}],
        "examples": [
            {"payload": "15", "readings": {"temperature": 21}},
            {"payload": "16", "readings": {"temperature": 21}},
            {"payload": "", "error": "empty"},
            {"payload": "0102", "error": "empty"},
            {"payload": "15", "readings": {"humidity": 1}},
        ],
    }
)
NEXT = GOOD.replace('"version": "1"', '"version": "2"')
POINTS = json.dumps({"dataPoints": [{"name": "x", "offset": 0, "encoding": "Uint8"}]})


def told(library: Library) -> list[str]:
    return [str(problem) for problem in library.problems]


def test_a_wrong_file_costs_itself_only() -> None:
    texts = {
        "meter.json": GOOD,
        "points.json": POINTS,
        "broken.json": '{\n"uplink": 3}',
        "other.json": "{}",
        "-.json": GOOD,
        "cayenne.json": GOOD,
        "notes.txt": "nothing",
    }
    library = build_library(texts, taken={"cayenne"})
    assert sorted(library.decoders) == ["meter", "points"]
    assert library.files == {"meter.json": "meter", "points.json": "points"}
    assert sorted(told(library)) == [
        "-.json: the name may have letters, digits, '_', '-' and '.', at most 64",
        "broken.json, line 2: uplink: must be a list",
        "cayenne.json: a built-in decoder is named 'cayenne'",
        "other.json, line 1: is neither a mioty blueprint (no uplink) nor a model (no dataPoints)",
    ]


def test_of_two_decoders_for_one_type_of_sensor_the_first_is_used_and_both_are_there() -> None:
    library = build_library({"b.json": GOOD, "a.json": GOOD})
    assert sorted(library.decoders) == ["a", "b"]
    assert told(library) == [f"b.json: typeEui {TYPE_EUI} is also that of 'a', which is used for it"]
    assert not library.problems[0].refused


def test_two_files_of_one_name() -> None:
    library = build_library({"a.json": POINTS, "a.js": POINTS}, {**KINDS, ".js": KINDS[".json"]})
    assert library.files == {"a.js": "a"}
    assert told(library) == ["a.json: another file makes a decoder 'a' already"]


def test_an_unchanged_file_keeps_its_decoder_and_a_changed_one_gets_another() -> None:
    first = build_library({"a.json": GOOD, "b.json": POINTS})
    second = build_library({"a.json": NEXT, "b.json": POINTS}, before=first)
    assert second.decoders["b"] is first.decoders["b"]
    assert second.decoders["a"].version == "2"


def test_a_wrong_file_is_not_read_again_until_it_changes() -> None:
    compiled: list[str] = []

    def compile_json(name: str, text: str) -> object:
        compiled.append(name)
        return KINDS[".json"](name, text)

    kinds = {".json": compile_json}
    first = build_library({"a.json": "{", "b.json": POINTS}, kinds)
    second = build_library({"a.json": "{", "b.json": GOOD}, kinds, before=first)
    assert compiled == ["a", "b", "b"]
    assert second.problems == first.problems and sorted(second.decoders) == ["b"]
    assert sorted(build_library({"a.json": GOOD}, kinds, before=second).decoders) == ["a"]


def test_of_a_file_that_became_wrong_the_version_before_is_used() -> None:
    first = build_library({"a.json": GOOD})
    second = build_library({"a.json": "{"}, before=first)
    assert second.decoders["a"] is first.decoders["a"]
    assert told(second) == ["a.json, line 1: the file ends too early; the earlier version 1 is still used"]
    third = build_library({"a.json": "{"}, before=second)
    assert told(third) == told(second)
    assert third.decoders["a"] is first.decoders["a"]
    assert build_library({"a.json": NEXT}, before=third).problems == ()
    assert build_library({}, before=third).decoders == {}


def test_a_decoder_of_before_is_that_of_its_file_only() -> None:
    def refuse(name: str, text: str) -> object:
        raise ValueError("no")

    first = build_library({"a.json": GOOD})
    second = build_library({"a.js": GOOD}, {**KINDS, ".js": refuse}, before=first)
    assert second.decoders == {}
    assert told(second) == ["a.js: no"]


def test_a_script_is_a_decoder_too() -> None:
    library = build_library(
        {"a.js": "function decodeUplink(input) { return {data: {}}; }", "b.js": "function ("}
    )
    assert sorted(library.decoders) == ["a"]
    assert [problem.file for problem in library.problems] == ["b.js"]


def test_a_fault_of_a_compiler_costs_the_file_only() -> None:
    def broken(name: str, text: str) -> object:
        raise RuntimeError("oh\nno")

    library = build_library({"a.js": "x", "b.json": POINTS}, {**KINDS, ".js": broken})
    assert sorted(library.decoders) == ["b"]
    assert told(library) == ["a.js: cannot be compiled: RuntimeError: oh no"]


def test_too_many_files() -> None:
    library = build_library({f"f{number:05}.json": POINTS for number in range(1001)})
    assert len(library.decoders) == 1000
    assert told(library) == ["f01000.json: only 1000 files are read"]


def test_examples_are_run() -> None:
    decoder, results = check_file("meter.json", GOOD)
    assert decoder.name == "meter"
    assert [result.passed for result in results] == [True, False, True, False, False]
    assert [result.differences for result in results if not result.passed] == [
        ("temperature: 21 expected, 22 read",),
        ("too_long: byte 1: the format ends before it; the payload has 2 bytes",),
        ("humidity: 1 expected, not read", "temperature: 21 read, not expected"),
    ]
    assert examples_of(object()) == []


def test_a_decoder_that_raises_fails_its_example_only() -> None:
    class Broken:
        examples = check_file("meter.json", GOOD)[0].examples[:1]

        def decode(self, payload: Payload, parameters: object) -> None:
            raise RuntimeError("oh")

    assert [result.differences for result in examples_of(Broken())] == [("RuntimeError: oh",)]


@pytest.mark.parametrize(
    ("file", "text", "part"),
    [
        ("a.txt", GOOD, "ends in .js or .json"),
        ("..json", GOOD, "the name may have"),
        ("a.json", "{", "line 1"),
    ],
)
def test_a_file_that_cannot_be_one(file: str, text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        check_file(file, text)
    with pytest.raises(DefinitionError):
        check_file("a.json", "{}")
