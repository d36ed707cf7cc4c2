"""The audit log: an entry before the deed, and another if the deed fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from bssci.center.audit import MAX_DETAIL, AuditLog
from bssci.journal import AuditEntry, StorageError
from bssci.model.commands import Actor
from bssci.system.shell import ShellChange

ANN = Actor("ann", "web", "::1")


class Kept:
    """The journal's part, with a disk that may be full."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.full = False
        self.room = 99

    async def append(self, entry: AuditEntry) -> None:
        if self.full or len(self.entries) >= self.room:
            raise StorageError("disk full")
        self.entries.append(entry)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def audit(kept: Kept) -> AuditLog:
    journal: Any = SimpleNamespace(audit=kept)
    return AuditLog(journal, lambda: 5.0)


async def test_an_entry_names_who_and_when_and_is_bounded(audit: AuditLog, kept: Kept) -> None:
    await audit.record(ANN, "sensor.update", "70B3", "x" * 1000)
    await audit.record(ANN, "login", at=1.0)
    first, second = kept.entries
    assert (first.who, first.address, first.at, first.action) == ("ann", "::1", 5.0, "sensor.update")
    assert len(first.detail) == MAX_DETAIL
    assert second.at == 1.0


async def test_a_deed_that_fails_says_so_after_its_entry(audit: AuditLog, kept: Kept) -> None:
    with pytest.raises(ValueError, match="no such sensor"):
        async with audit.around(ANN, "sensor.update", "70B3"):
            assert [entry.action for entry in kept.entries] == ["sensor.update"]
            raise ValueError("no such sensor")
    assert [entry.action for entry in kept.entries] == ["sensor.update", "sensor.update.failed"]
    assert kept.entries[1].detail == "no such sensor"


async def test_that_a_deed_failed_is_kept_as_soon_as_there_is_room(
    audit: AuditLog, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.audit.MAX_OWED", 2)

    async def fail(target: str) -> None:
        with pytest.raises(StorageError):
            async with audit.around(ANN, "station.update", target):
                kept.full = True
                raise StorageError("disk full")
        kept.full = False

    await fail("1")
    assert [entry.action for entry in kept.entries] == ["station.update"]
    await audit.record(ANN, "login", at=9.0)
    assert [(entry.at, entry.action) for entry in kept.entries[1:]] == [
        (9.0, "login"),
        (5.0, "station.update.failed"),
    ]
    kept.entries.clear()
    kept.room = 1
    await audit.afterwards(ANN, "2.failed", "", "")
    await audit.afterwards(ANN, "3.failed", "", "")
    await audit.afterwards(ANN, "4.failed", "", "")
    await audit.afterwards(ANN, "5.failed", "", "")
    assert [entry.action for entry in kept.entries] == ["2.failed"]
    kept.room = 3
    await audit.record(ANN, "login")
    kept.room = 99
    await audit.record(ANN, "logout")
    assert [entry.action for entry in kept.entries] == ["2.failed", "login", "3.failed", "logout", "4.failed"]


async def test_what_cannot_be_kept_is_not_done(audit: AuditLog, kept: Kept) -> None:
    kept.full = True
    done = False
    with pytest.raises(StorageError):
        async with audit.around(ANN, "sensor.update"):
            done = True
    assert not done


async def test_a_note_keeps_nothing_from_happening(audit: AuditLog, kept: Kept) -> None:
    kept.full = True
    await audit.note(ANN, "login")
    assert kept.entries == []


async def test_a_change_by_the_command_line_has_one_entry_however_often_it_is_brought(
    audit: AuditLog, kept: Kept
) -> None:
    change = ShellChange(at=1.0, who="root", action="account.add", target="olga", detail="viewer")
    kept.full = True
    with pytest.raises(StorageError):
        await audit.record_shell_change(change)
    kept.full = False
    for _ in range(3):
        await audit.record_shell_change(change)
    await audit.record_shell_change(msgspec.structs.replace(change, at=2.0))
    assert [(entry.at, entry.target) for entry in kept.entries] == [(1.0, "olga"), (2.0, "olga")]
