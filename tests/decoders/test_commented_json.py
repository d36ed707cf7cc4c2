from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.decoders import commented_json
from bssci.decoders.commented_json import DefinitionError, parse


def test_comments_and_lines() -> None:
    node = parse('/* first\nsecond */\n{ "a": 1, // one\n  "b": [true,\n  null, "/* no comment */"]}\n')
    assert node.plain() == {"a": 1, "b": [True, None, "/* no comment */"]}
    assert node.line == 3
    assert node.need("b").line == 4
    assert [(item.line, item.where) for item in node.need("b").items()] == [
        (4, "b[0]"),
        (5, "b[1]"),
        (5, "b[2]"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "ends too early"),
        ("{\n", 2, "ends too early"),
        ('{"a": 1\n "b": 2}', 2, "',' or '}'"),
        ('{"a": 1,\n}', 2, "a comma too many"),
        ('{"a": 1,\n "a": 2}', 2, "'a' appears twice"),
        ("{a: 1}", 1, "in quotes"),
        ('{"a" 1}', 1, "colon"),
        ('{"a":\n"x\ny"}', 2, "broken"),
        ("[1] 2", 1, "text after the end"),
        ("[1,\n/* never closed", 2, "is not understood"),
        ("[1e999]", 1, "too large"),
        ("[" + "9" * 5000 + "]", 1, "40 characters"),
        ("[" * 100, 1, "deeper than 30"),
        ('"\\ud800"', 1, "surrogate"),
        ("[NaN]", 1, "not understood"),
        (" " * 1_000_001, 1, "more than 1000000 characters"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse(text)
    assert caught.value.line == line
    assert reason in caught.value.reason


def test_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commented_json, "MAX_VALUES", 100)
    assert len(parse("[" + "1," * 98 + "1]").plain()) == 99
    with pytest.raises(DefinitionError, match="more than 100 values"):
        parse("[" + "1," * 99 + "1]")


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(-1e15, 1e15) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(DOCUMENTS)
def test_it_reads_what_json_reads(document: object) -> None:
    try:
        text = json.dumps(document, indent=1)
        text.encode()
        json.loads(text)
    except ValueError:
        return
    try:
        assert parse(text).plain() == json.loads(text)
    except DefinitionError as error:
        assert "surrogate" in error.reason or "40 characters" in error.reason


@given(st.text(alphabet='{}[]":,/*0123456789.eE+- \ntruefalsn\\', max_size=80))
def test_garbage_is_refused_or_read_as_json_reads_it(text: str) -> None:
    try:
        found = parse(text).plain()
    except DefinitionError:
        return
    if "/" not in text:
        assert found == json.loads(text)
