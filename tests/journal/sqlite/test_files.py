"""Somebody removes, replaces or cuts files of the journal: nothing is acknowledged that would be lost."""

from __future__ import annotations

import os
import shutil

import pytest

from bssci.journal import JournalError, StorageError, open_journal
from bssci.journal.sqlite import worker
from bssci.journal.sqlite.database import check_file
from tests.support.journal import reception, uplink


def remove(path):
    path.unlink()


def replace(path):
    shutil.copy(path, path.with_name("copy"))
    os.replace(path.with_name("copy"), path)


def cut(path):
    os.truncate(path, 0)


@pytest.fixture(autouse=True)
def _looks_always(monkeypatch):
    monkeypatch.setattr(worker, "LOOK_INTERVAL", 0.0)


@pytest.mark.parametrize("harm", [remove, replace, cut])
@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal"])
async def test_nothing_is_acknowledged_any_more(open_journal, tmp_path, harm, name):
    journal = open_journal()
    await journal.events.append([uplink(n) for n in range(500)])
    harm(tmp_path / "data" / name)
    for _ in range(3):
        with pytest.raises(StorageError):
            await journal.inbox.append([reception()])
    assert journal.statistics.failed_in_row == 3


async def test_a_log_that_a_checkpoint_made_shorter_is_no_harm(open_journal):
    journal = open_journal()
    for n in range(5):
        await journal.events.append([uplink(n, payload=bytes(1000)) for n in range(500)])
        await journal.core.change(lambda cursor: None)
        journal.core.reader.connection.execute("PRAGMA query_only = OFF")
        journal.core.reader.connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    assert journal.statistics.failed_commits == 0


@pytest.mark.parametrize("empty", [True, False])
def test_a_log_without_its_database_is_not_touched(tmp_path, empty):
    directory = tmp_path / "data"
    directory.mkdir()
    log = directory / "journal.sqlite-wal"
    log.write_bytes(b"commits that are nowhere else")
    if empty:
        (directory / "journal.sqlite").touch()
    before = sorted(path.name for path in directory.iterdir())
    for look in (lambda: open_journal(directory, None), lambda: check_file(directory)):
        with pytest.raises(JournalError, match="write-ahead log journal.sqlite-wal is there"):
            look()
    assert sorted(path.name for path in directory.iterdir()) == before
    assert log.read_bytes() == b"commits that are nowhere else"
