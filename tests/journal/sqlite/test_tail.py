"""The tail: the newest events, whatever was dropped before them."""

from __future__ import annotations

from collections import UserList
from weakref import ref

from bssci.journal.sqlite.tail import Tail
from tests.support.journal import online


def seqs(tail: Tail, after: int, limit: int = 10**6, max_bytes: int = 10**6) -> list[int] | None:
    events = tail.read(after, limit, max_bytes)
    return None if events is None else [seq for seq, _ in events]


def test_it_knows_what_it_does_not_know():
    tail = Tail(after=5, max_bytes=1000)
    assert (seqs(tail, 4), seqs(tail, 5), seqs(tail, 99)) == (None, [], [])
    tail.append(6, [online()], 10)
    assert (seqs(tail, 4), seqs(tail, 5), seqs(tail, 6)) == (None, [6], [])


def test_the_oldest_make_room():
    tail = Tail(after=0, max_bytes=100)
    for seq in range(1, 21):
        tail.append(seq, [online()], 10)
    assert tail.after == 10
    assert seqs(tail, 9) is None
    assert seqs(tail, 10) == list(range(11, 21))
    tail.append(21, [online()], 1000)
    assert (seqs(tail, 20), seqs(tail, 21)) == (None, [])


def test_numbers_may_be_missing():
    tail = Tail(after=0, max_bytes=1000)
    tail.append(1, [online(), online()], 2)
    for seq in (7, 9):
        tail.append(seq, [online()], 1)
    assert (seqs(tail, 2), seqs(tail, 5), seqs(tail, 0, 3)) == ([7, 9], [7, 9], [1, 2, 7])


def test_what_is_read_at_once_is_bounded_in_bytes():
    tail = Tail(after=0, max_bytes=10_000)
    tail.append(1, [online()] * 4, 400)
    tail.append(5, [online()], 5000)
    tail.append(6, [online()], 10)
    assert seqs(tail, 0, max_bytes=200) == [1, 2]
    assert seqs(tail, 0, max_bytes=1) == [1]
    assert seqs(tail, 2, max_bytes=1000) == [3, 4]
    assert seqs(tail, 4, max_bytes=10) == [5]
    assert seqs(tail, 5, max_bytes=10) == [6]


def test_dropped_events_do_not_stay_in_memory():
    tail, ever = Tail(after=0, max_bytes=500), []
    for seq in range(1, 10_001):
        events = UserList([online()])
        ever.append(ref(events))
        tail.append(seq, events, 1)
    del events
    assert sum(each() is not None for each in ever) == 500
    assert seqs(tail, 9500) == list(range(9501, 10_001))


def test_a_read_begins_and_ends_within_what_was_stored_together():
    tail = Tail(after=0, max_bytes=1000)
    tail.append(1, [online()] * 5, 5)
    tail.append(6, [online()] * 5, 5)
    assert seqs(tail, 3, 4) == [4, 5, 6, 7]
    assert seqs(tail, 8) == [9, 10]
