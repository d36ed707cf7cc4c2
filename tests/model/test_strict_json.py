"""What is JSON, and what only looks like it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bssci.model import strict_json
from bssci.model.strict_json import DEEPEST, JsonError, array_items, read_json, read_json_fast, standard_json


def test_values_are_read() -> None:
    assert read_json('{"a": [1, 2.5, null, "\\u00e9"]}') == {"a": [1, 2.5, None, "é"]}
    assert read_json("\ufeff[]".encode()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not JSON at line 1 column 2"),
        ('{"NaN": "NaN",\n "a": NaN}', "not JSON at line 2 column 7: NaN is not a JSON value"),
        (b"[-Infinity]", "not JSON at line 1 column 2: -Infinity is not a JSON value"),
        (b"\xff", "not JSON in UTF-8"),
        (r'"\ud800"', "not JSON in UTF-8"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("1" * 10_000, "not readable as JSON"),
        (b"", "not JSON at line 1 column 1"),
    ],
)
def test_what_is_none_is_refused_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(JsonError, match=message.replace("[", "\\[")):
        read_json(text)


@pytest.mark.parametrize(
    "text",
    ["[]", " [ ] ", '[1, "a,]", {"b": [2, null]}\n,\t[]]', "[[], [[]]]", '["\\ud800"]', "[-0.5e3]\r\n"],
)
def test_an_array_is_read_one_by_one(text: str) -> None:
    assert list(array_items(text)) == standard_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "[",
        "[1",
        "[1 2]",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[1]]",
        "[1] 2",
        "[{]",
        '["a]',
        "[1, NaN]",
        "nul",
    ],
)
def test_what_is_no_array_is_refused_at_the_same_place(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as at_once:
        standard_json(text)
    with pytest.raises(json.JSONDecodeError) as one_by_one:
        list(array_items(text))
    assert one_by_one.value.pos in (at_once.value.pos, at_once.value.pos + 1)


@pytest.mark.parametrize("text", ["{}", "null", '"[]"', " 5"])
def test_another_value_is_no_array(text: str) -> None:
    with pytest.raises(TypeError):
        list(array_items(text))


def test_no_text_is_read_as_a_whole_as_other_threads_would_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_json.json, "loads", lambda *_, **__: pytest.fail("read as a whole"))
    items = array_items("[1, 2, }")
    assert [next(items), next(items)] == [1, 2]
    assert read_json(b"\xef\xbb\xbf [1, NaN]", lenient=True)[0] == 1


def test_a_message_is_read_as_strictly() -> None:
    assert read_json_fast(b'{"a": [1, 2.5, null, "\\u00e9"]}') == {"a": [1, 2.5, None, "é"]}
    for data in (b"{", b"", b"\xff", b'"\xff"', b"NaN", b"[-Infinity]", rb'"\ud800"', b"\xef\xbb\xbf[]"):
        with pytest.raises(JsonError, match=r"^not JSON$"):
            read_json_fast(data)
    with pytest.raises(JsonError, match=r"^JSON nested too deeply$"):
        read_json_fast(b"[" * 100_000 + b"]" * 100_000)


@pytest.mark.parametrize("read", [read_json, read_json_fast])
def test_it_is_read_to_the_same_depth_by_every_python(read: Callable[[bytes], Any]) -> None:
    text = b'[{"a":' * (DEEPEST // 2) + b"1" + b"}]" * (DEEPEST // 2)
    read(text)
    with pytest.raises(JsonError, match="nested too deeply"):
        read(b"[" + text + b"]")
    assert len(read(b"[" + b",".join([b"[{}]"] * DEEPEST) + b"]")) == DEEPEST
