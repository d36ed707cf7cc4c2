"""What changed is written now and then, in slices if it is much, and again if it could not be."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.center.write_behind import INTERVAL, WriteBehind
from bssci.journal import StorageError
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


class Disk:
    """Takes what is written, when it is told to.

    :ivar written: keys and the event they were counted through, as they were handed over.
    :ivar fails: raised in place of taking anything.
    """

    def __init__(self, slice_size: int | None = None) -> None:
        self.clock = Clock()
        self.written: list[tuple[list[str], int | None]] = []
        self.waiting: list[Deferred[None]] = []
        self.fails: Exception | None = None
        self.behind = WriteBehind[str](self.clock, "letters", self._write, slice_size=slice_size, through=0)
        self.behind.start()

    def _write(self, keys: Collection[str], through: int | None) -> Deferred[None]:
        if self.fails is not None:
            raise self.fails
        self.written.append((list(keys), through))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def commit(self, error: Exception | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            deferred.callback(None) if error is None else deferred.errback(error)


def test_what_changed_is_written_once_an_interval() -> None:
    disk = Disk()
    disk.behind.update("ab")
    disk.behind.update("a")
    disk.behind.through = 7
    assert disk.written == []
    disk.clock.advance(INTERVAL)
    disk.commit()
    disk.clock.advance(INTERVAL)
    assert disk.written == [(["a", "b"], 7)]


def test_progress_alone_is_written_too() -> None:
    disk = Disk()
    disk.behind.through = 7
    disk.clock.advance(INTERVAL)
    assert disk.written == [([], 7)]


def test_what_could_not_be_stored_is_tried_again() -> None:
    disk = Disk()
    disk.behind.update("a")
    disk.clock.advance(INTERVAL)
    disk.commit(StorageError("disk full"))
    disk.behind.update("b")
    disk.clock.advance(INTERVAL)
    assert disk.written[1:] == [(["a", "b"], 0)]


def test_much_is_written_in_slices_and_counts_with_the_last() -> None:
    disk = Disk(slice_size=2)
    disk.behind.update("abcde")
    disk.behind.through = 7
    disk.clock.advance(INTERVAL)
    assert disk.written == [(["a", "b"], None)]
    disk.behind.update("a")
    disk.commit()
    disk.clock.advance(INTERVAL)
    disk.commit()
    assert disk.written[1:] == [(["c", "d"], None), (["e"], 7)]
    disk.commit()
    disk.clock.advance(INTERVAL)
    assert disk.written[3:] == [(["a"], 7)]


def test_a_slice_that_could_not_be_stored_is_tried_again_with_the_rest() -> None:
    disk = Disk(slice_size=2)
    disk.behind.update("abcd")
    disk.clock.advance(INTERVAL)
    disk.commit(StorageError("disk full"))
    assert set(disk.behind.changed) == set("abcd")
    disk.clock.advance(INTERVAL)
    disk.commit()
    disk.commit()
    assert not disk.behind.changed


def test_a_stop_writes_all_that_is_left_at_once() -> None:
    disk = Disk(slice_size=2)
    disk.behind.update("abcd")
    stopped = disk.behind.stop()
    assert stopped is not None and disk.written == [(["a", "b", "c", "d"], 0)]
    disk.commit()
    assert stopped.called and disk.clock.getDelayedCalls() == []


def test_slices_that_a_stop_has_written_are_not_written_after_it() -> None:
    disk = Disk(slice_size=2)
    disk.behind.update("abcdef")
    disk.behind.through = 7
    disk.clock.advance(INTERVAL)
    disk.behind.through = 9
    stopped = disk.behind.stop()
    disk.commit()
    assert stopped is not None and stopped.called
    assert disk.written == [(["a", "b"], None), (["c", "d", "e", "f"], 9)]


def test_a_full_disk_is_told_once_a_minute(log_lines: list[str]) -> None:
    disk = Disk(slice_size=2)
    for _ in range(5):
        for letters in ("a", "abc"):
            disk.behind.update(letters)
            disk.behind.store()
            disk.commit(StorageError("disk full"))
    assert log_lines == ["letters not stored, will be retried disk full"]


def test_rows_that_cannot_be_made_once_are_written_later(expected_errors: list[Failure]) -> None:
    disk = Disk(slice_size=2)
    for letters in ("a", "abc"):
        disk.behind.update(letters)
        disk.fails = OverflowError("too large")
        disk.behind.store()
        assert set(disk.behind.changed) == set(letters)
    assert [error.type for error in expected_errors] == [OverflowError] * 2
    expected_errors.clear()
    disk.fails = None
    disk.behind.store()
    disk.commit()
    disk.commit()
    assert not disk.behind.changed
