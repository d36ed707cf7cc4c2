"""JSON in which single values are not as they should be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bssci.model.repaired_json import MOST, read_repaired_json, repaired
from bssci.model.strict_json import JsonError

BIG = 2**70
NOT_FINITE = "is no finite number, and kept as null"
ROUNDED = "is rounded, because it is a whole number of more than 64 bits"
NO_UTF8 = "is not all UTF-8, and kept with U+FFFD for the rest"


@pytest.mark.parametrize(
    ("written", "value", "fault"),
    [
        (b"NaN", None, NOT_FINITE),
        (b"nan", None, NOT_FINITE),
        (b"-inf", None, NOT_FINITE),
        (b"-Infinity", None, NOT_FINITE),
        (b"1e400", None, NOT_FINITE),
        (b"9" * 5000, None, NOT_FINITE),
        (b"1180591620717411303424", float(BIG), ROUNDED),
        (b"-1180591620717411303424", -float(BIG), ROUNDED),
        (b'"M\xfcller"', "M\ufffdller", NO_UTF8),
        (rb'"\ud83d"', "\ufffd", NO_UTF8),
    ],
)
def test_an_odd_value_costs_itself_and_is_named(written: bytes, value: Any, fault: str) -> None:
    text = b'{"good": [1, "nan", true], "odd": [{"here": %s}]}' % written
    found, faults = read_repaired_json(text)
    assert found == {"good": [1, "nan", True], "odd": [{"here": value}]}
    assert faults == [f"odd[0].here {fault}"]


def test_what_is_only_written_oddly_is_not_named() -> None:
    assert read_repaired_json(b'\xef\xbb\xbf{"a": "1\t2", "b": 18446744073709551615}') == (
        {"a": "1\t2", "b": 2**64 - 1}, [],
    )  # fmt: skip


def test_a_name_is_repaired_and_the_message_itself() -> None:
    assert read_repaired_json(b'{"n\xe9": 1}') == ({"n\ufffd": 1}, [f"n\ufffd {NO_UTF8}"])
    assert read_repaired_json(b"nan") == (None, [f"the message {NOT_FINITE}"])


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"{'a': 1}",
        b'{"a": info}',
        b"\xff\xfe",
        b'{"a": nan',
        b'"' + b'\\"' * 30_000,
        b"[" * 5000,
    ],
)
def test_what_is_not_json_otherwise_is_refused(text: bytes) -> None:
    with pytest.raises(JsonError):
        read_repaired_json(text)


def test_few_faults_of_a_message_are_described_and_all_are_repaired() -> None:
    value, faults = repaired({"x" * 200: [math.nan] * 100})
    assert value == {"x" * 200: [None] * 100}
    assert len(faults) == MOST and all(len(each) < 150 for each in faults)


def test_a_long_name_is_not_copied_for_each_value_in_it() -> None:
    name = "x" * 10_000_000
    value, faults = repaired({name: [*[1] * 100_000, math.nan]})
    assert value[name][-1] is None and faults == [f"{'x' * 60} {NOT_FINITE}"]
