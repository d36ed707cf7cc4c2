"""Entries of commands: before what is done, and once more if it fails."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, fail, succeed

from bssci.center.audit import AuditLog, HoldRoom
from bssci.center.recorder import MAX_NAMED, Recorder, naming, stored
from bssci.journal import AuditEntry, StorageError
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError
from tests.support.center import result_of

ANN = Actor("ann", "web", "::1")


class Disk:
    """The journal's part; from the entry ``full_from`` on its disk is full."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.full_from = 99

    async def append(self, entry: AuditEntry) -> None:
        if len(self.entries) >= self.full_from:
            raise StorageError("disk full")
        self.entries.append(entry)

    def details(self) -> list[str]:
        return [entry.detail for entry in self.entries]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def recorder(disk: Disk) -> Recorder:
    journal: Any = SimpleNamespace(audit=disk)
    return Recorder(AuditLog(journal, lambda: 5.0))


def do(recorder: Recorder, deed: Callable[[], object]) -> None:
    async def command() -> None:
        async with recorder.before(ANN, "act", "target", "detail"):
            deed()

    result_of(ensureDeferred(command()))


def test_the_entry_is_there_when_it_happens(recorder: Recorder, disk: Disk) -> None:
    seen: list[str] = []
    do(recorder, lambda: seen.extend(disk.details()))
    assert seen == disk.details() == ["detail"]


def test_what_cannot_be_recorded_does_not_happen(recorder: Recorder, disk: Disk) -> None:
    disk.full_from = 0
    done: list[int] = []
    with pytest.raises(CommandError, match="cannot be stored now") as refused:
        do(recorder, lambda: done.append(1))
    assert refused.value.code == "unavailable" and done == []


@pytest.mark.parametrize("full_from", [1, 99])
@pytest.mark.parametrize(
    "kind", [partial(CommandError, "conflict"), StorageError, ZeroDivisionError], ids=str
)
def test_a_failure_is_told_also_where_its_entry_cannot_be_kept(
    recorder: Recorder, disk: Disk, kind: Callable[[str], Exception], full_from: int
) -> None:
    disk.full_from = full_from
    failure = kind("somebody was quicker")

    def deed() -> None:
        raise failure

    with pytest.raises(type(failure), match="somebody was quicker"):
        do(recorder, deed)
    told = [(entry.action, entry.detail) for entry in disk.entries]
    assert told == [("act", "detail"), ("act.failed", "somebody was quicker")][: min(full_from, 2)]


def test_without_room_for_its_files_a_command_is_neither_recorded_nor_run(
    recorder: Recorder, disk: Disk
) -> None:
    held = StringIO()

    async def room() -> StringIO:
        return held

    async def no_room() -> StringIO:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def command(hold_room: HoldRoom) -> None:
        async with recorder.before(ANN, "act", "target", "detail", hold_room=hold_room):
            assert held.closed

    with pytest.raises(OSError, match="No space left"):
        result_of(ensureDeferred(command(no_room)))
    assert disk.details() == []
    result_of(ensureDeferred(command(room)))
    assert disk.details() == ["detail"]


def test_a_change_that_is_not_stored_is_unavailable() -> None:
    assert result_of(ensureDeferred(stored(succeed(3)))) == 3
    with pytest.raises(CommandError, match="cannot be stored now, try again later: disk full"):
        result_of(ensureDeferred(stored(fail(StorageError("disk full")))))


def test_many_are_named_by_the_first() -> None:
    euis = [EUI(f"{number:016X}") for number in range(MAX_NAMED + 2)]
    assert naming("2 sensors", euis[:2]) == f"2 sensors: {euis[0]}, {euis[1]}"
    assert naming("all", euis).endswith(f"{euis[MAX_NAMED - 1]} and 2 more")
