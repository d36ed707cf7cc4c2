"""Paths into JSON."""

from __future__ import annotations

import pytest

from bssci.sources.envelopes.paths import MISSING, follow, read_path

BODY = {"a": {"b c": [1, {"d": 2}]}, "7": 3, "x-y": 4}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", BODY["a"]), ('a["b c"].0', 1), ("a['b c'][1].d", 2), ('$.a["b c"][1].d', 2),
        ("7", 3), ("x-y", 4),
        ("$", BODY), ("a.b", MISSING), ('a["b c"].5', MISSING), ("a.0", MISSING), ("7.x", MISSING),
    ],
)  # fmt: skip
def test_what_a_path_leads_to(text: str, found: object) -> None:
    assert follow(BODY, read_path(text)) is found or follow(BODY, read_path(text)) == found


@pytest.mark.parametrize("text", ["", "a..b", "a[", "a b", 'a["', None, 7, "a" * 300])
def test_what_is_no_path(text: object) -> None:
    with pytest.raises(ValueError, match="not a path"):
        read_path(text)
