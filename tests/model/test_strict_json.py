"""What is JSON, and what only looks like it."""

from __future__ import annotations

import pytest

from bssci.model.strict_json import JsonError, read_json


def test_values_are_read() -> None:
    assert read_json('{"a": [1, 2.5, null, "\\u00e9"]}') == {"a": [1, 2.5, None, "é"]}
    assert read_json("\ufeff[]".encode()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "no JSON at line 1 column 2"),
        ('{"NaN": "NaN",\n "a": NaN}', "no JSON at line 2 column 7: NaN is not a JSON value"),
        (b"[-Infinity]", "no JSON at line 1 column 2: -Infinity is not a JSON value"),
        (b"\xff", "no JSON in UTF-8"),
        (r'"\ud800"', "no JSON in UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ("1" * 10_000, "no JSON that can be read"),
        (b"", "no JSON at line 1 column 1"),
    ],
)
def test_what_is_none_is_refused_with_its_place(text: str | bytes, message: str) -> None:
    with pytest.raises(JsonError, match=message.replace("[", "\\[")):
        read_json(text)
