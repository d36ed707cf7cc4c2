"""Entries of a damaged file."""

from __future__ import annotations

import json

from bssci.web.access.salvage import readable_objects

ENTRIES = [{"name": f"n{number}", "topics": ["a", "b"]} for number in range(3)]


def test_what_is_whole_is_read_in_its_order() -> None:
    whole = json.dumps({"accounts": ENTRIES[:2], "tokens": ENTRIES[2:]}).encode()
    assert list(readable_objects(whole)) == ENTRIES
    for place in range(whole.index(b"n1") - 5, whole.index(b"n1") + 2):
        broken = whole[:place] + b"\xff" + whole[place + 1 :]
        assert list(readable_objects(broken)) == [ENTRIES[0], ENTRIES[2]]
    assert list(readable_objects(b"\xff{{")) == []
