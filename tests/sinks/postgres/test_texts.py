"""What PostgreSQL's text and jsonb do not take."""

from __future__ import annotations

import json

import pytest

from bssci.sinks.postgres.texts import TextError, find_unstorable, storable, to_json, to_safe_json


@pytest.mark.parametrize("text", ["", None, "Zähler", "\U0001f321", "quotes ' \" ; --", "\u202e", "\x01"])
def test_what_can_be_stored_is_let_through(text: str | None) -> None:
    find_unstorable(text)
    assert storable(text) == text


@pytest.mark.parametrize(
    ("text", "why"), [("a\0b", "NUL"), ("\ud800", "surrogate"), ("ä\udfff", "surrogate")]
)
def test_what_cannot_be_stored_is_named(text: str, why: str) -> None:
    with pytest.raises(TextError, match=why):
        find_unstorable("good", text)
    find_unstorable(storable(text))


def test_json_holds_no_nul_but_its_escape() -> None:
    with pytest.raises(TextError, match="NUL"):
        to_json({"a": ["\0"]})
    assert json.loads(to_json({"a": "\\u0000"})) == {"a": "\\u0000"}
    assert json.loads(to_json({"a": "\\\\u0000"})) == {"a": "\\\\u0000"}


def test_json_holds_no_half_characters_and_nothing_endless() -> None:
    with pytest.raises(TextError, match="surrogate"):
        to_json({"a": "\udc00"})
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(TextError, match="nested too deep"):
        to_json(deep)


def test_not_a_number_becomes_null() -> None:
    assert to_json([float("nan"), float("inf")]) == "[null,null]"


def test_anything_at_all_can_be_shown() -> None:
    circle: list[object] = []
    circle.append(circle)
    for value in ({"a": "\0\ud800", 1: b"\xff"}, object(), 2**80, float("nan"), circle):
        text = to_safe_json(value)
        assert text.isascii() and "\0" not in text
