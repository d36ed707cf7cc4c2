"""Texts and JSON that databases can hold."""

from __future__ import annotations

import json

import pytest

from bssci.model.storable_text import storable, without_nul


@pytest.mark.parametrize(
    ("text", "kept"),
    [("", ""), ("a\x01ü\n", "a\x01ü\n"), ("a\0", "a\ufffd"), ("\ud800\0ü", "\ufffd\ufffdü"), ("𝄞", "𝄞")],
)
def test_a_character_stands_for_one_that_cannot_be_stored(text: str, kept: str) -> None:
    assert storable(text) == kept
    assert json.loads(storable(without_nul(json.dumps({text: [text]}, ensure_ascii=False)))) == {kept: [kept]}


@pytest.mark.parametrize("text", [r"\u0000", r"\\u0000", "\\"])
def test_backslashes_in_json_are_no_nul(text: str) -> None:
    assert json.loads(without_nul(json.dumps(text))) == text
    assert json.loads(without_nul(json.dumps(f"{text}\0"))) == f"{text}\ufffd"
