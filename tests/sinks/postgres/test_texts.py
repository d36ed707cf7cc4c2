"""What PostgreSQL's text and jsonb do not take."""

from __future__ import annotations

import json

import pytest

from bssci.sinks.postgres.texts import StorableTexts, TextError, check_id, to_safe_json


@pytest.fixture
def texts() -> StorableTexts:
    return StorableTexts()


@pytest.mark.parametrize(
    "text", ["", "Zähler", "\U0001f321", "quotes ' \" ; --", "\u202e", "\x01", r"\u0000"]
)
def test_what_can_be_stored_stays_as_it_is(texts: StorableTexts, text: str) -> None:
    check_id(text)
    assert texts.text(text) == text
    assert json.loads(texts.json({text: [text]})) == {text: [text]}
    assert not texts.altered


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\0b", "a\ufffdb"), ("\ud800", "\ufffd"), ("ä\udfff\0", "ä\ufffd\ufffd"), ("\\\0", "\\\ufffd")],
)
def test_a_character_that_cannot_be_stored_is_replaced(texts: StorableTexts, text: str, kept: str) -> None:
    assert texts.text(text) == kept
    assert texts.altered
    inner = StorableTexts()
    assert json.loads(inner.json({text: [text, r"\u0000", 1.5]})) == {kept: [kept, r"\u0000", 1.5]}
    assert inner.altered
    with pytest.raises(TextError, match="half a character"):
        check_id(text)


def test_nothing_endless_is_json(texts: StorableTexts) -> None:
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(TextError, match="nested too deep"):
        texts.json(deep)


@pytest.mark.parametrize("beside", ["", "\ud800"])
def test_not_a_number_becomes_null(texts: StorableTexts, beside: str) -> None:
    assert json.loads(texts.json([float("nan"), float("inf"), beside]))[:2] == [None, None]


def test_anything_at_all_can_be_shown() -> None:
    circle: list[object] = []
    circle.append(circle)
    for value in ({"a": "\0\ud800", 1: b"\xff"}, object(), 2**80, float("nan"), circle):
        text = to_safe_json(value)
        assert text.isascii() and "\0" not in text
