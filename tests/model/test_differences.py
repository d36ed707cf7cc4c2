"""What a change changes, for people."""

from __future__ import annotations

from bssci.model.differences import MAX_SHOWN, differences


def test_what_is_the_same_is_left_out_and_what_may_be_secret_is_only_named() -> None:
    before = {"name": "Cellar", "key": "old", "tags": ["a"], "bidi": False, "note": ""}
    after = {"name": "Attic", "key": "new", "tags": [], "bidi": True, "note": ""}
    told = differences(before, after, {"name", "tags", "bidi", "note"})
    assert told == 'name: Cellar -> Attic, key, tags: ["a"] -> –, bidi: false -> true'


def test_a_long_value_leaves_room_for_the_others() -> None:
    told = differences({"note": "x" * 500}, {"note": "y"}, {"note"})
    assert told == f"note: {'x' * (MAX_SHOWN - 1)}… -> y"
