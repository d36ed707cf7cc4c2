"""How far events are counted into what is learned from them."""

from __future__ import annotations

import sqlite3

from bssci.journal.sqlite.checkpoints import find_checkpoint, move_checkpoints


def cursor() -> sqlite3.Cursor:
    made = sqlite3.connect(":memory:").cursor()
    made.execute("CREATE TABLE checkpoint (name TEXT PRIMARY KEY, seq)")
    return made


def test_the_last_word_of_a_commit_counts() -> None:
    it = cursor()
    move_checkpoints(it, [("activity", 3), ("paths", 4), ("activity", 5)])
    assert (find_checkpoint(it, "activity"), find_checkpoint(it, "paths")) == (5, 4)
    move_checkpoints(it, [("activity", 6)])
    assert find_checkpoint(it, "activity") == 6


def test_what_was_never_named_is_not_known() -> None:
    assert find_checkpoint(cursor(), "activity") is None
