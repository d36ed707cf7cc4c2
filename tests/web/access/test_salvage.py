"""Entries of a damaged file."""

from __future__ import annotations

import json

import msgspec

from bssci.web.access.salvage import readable_objects, salvage

ENTRIES = [{"name": f"n{number}", "topics": ["a", "b"]} for number in range(3)]


def test_what_is_whole_is_read_in_its_order() -> None:
    whole = json.dumps({"accounts": ENTRIES[:2], "tokens": ENTRIES[2:]}).encode()
    assert list(readable_objects(whole)) == ENTRIES
    for place in range(whole.index(b"n1") - 5, whole.index(b"n1") + 2):
        broken = whole[:place] + b"\xff" + whole[place + 1 :]
        assert list(readable_objects(broken)) == [ENTRIES[0], ENTRIES[2]]
    assert list(readable_objects(b"\xff{{")) == []


class Named(msgspec.Struct):
    name: str


class Numbered(msgspec.Struct):
    number: int


def test_entries_are_of_the_first_kind_that_takes_them_and_the_rest_is_counted() -> None:
    whole = json.dumps({"a": [{"name": "x"}, {"number": 1}], "b": [{"name": "y"}, {"neither": 0}]}).encode()
    found = salvage(whole.replace(b'"y"', b'"\xff"'), (Named, Numbered))
    assert found.entries == {Named: [Named("x")], Numbered: [Numbered(1)]}
    assert found.passed_over == 2
    assert salvage(b'[{"name": "x"}, {"name": 5}]', (Named,)).passed_over == 1
    assert salvage(b'[{"name": "x"', (Named,)).passed_over == 1
