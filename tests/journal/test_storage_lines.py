"""What cannot be stored is said once a minute, whatever it is."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import StorageError, StorageLines
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

FULL = Failure(StorageError("disk full"))


def test_a_full_disk_costs_a_line_a_minute(log_lines: list[str]) -> None:
    clock = Clock()
    lines = StorageLines(Logger(), clock.seconds)
    for _ in range(3):
        lines.note(FULL, "alarms not stored")
        lines.note(FULL, "cursor not stored {name}", name="mqtt")
    assert log_lines == ["alarms not stored disk full"]
    clock.advance(60)
    lines.note(FULL, "cursor not stored {name}", name="mqtt")
    assert log_lines[1:] == ["cursor not stored mqtt disk full"]


def test_what_is_our_fault_is_always_said_with_its_place(expected_errors: list[Failure]) -> None:
    lines = StorageLines(Logger(), Clock().seconds)
    for _ in range(2):
        lines.note(Failure(KeyError("x")), "alarms not stored")
    assert [error.type for error in expected_errors] == [KeyError] * 2
    expected_errors.clear()
