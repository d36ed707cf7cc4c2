"""Somebody removes, replaces or cuts files of the journal: nothing is acknowledged that would be lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest
from twisted.internet.defer import DeferredList

from bssci.journal import JournalError, StorageError, open_journal
from bssci.journal.sqlite.database import check_journal
from tests.support.journal import reception, uplink


def remove(path):
    path.unlink()


def replace(path):
    shutil.copy(path, path.with_name("copy"))
    os.replace(path.with_name("copy"), path)


def cut(path):
    os.truncate(path, 0)


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


@pytest.mark.parametrize("harm", [remove, replace, cut])
@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal"])
async def test_what_is_committed_while_a_file_goes_is_not_acknowledged(
    open_journal, tmp_path, monkeypatch, harm, name
):
    journal = open_journal()
    await journal.events.append([uplink(n) for n in range(500)])
    writer = journal.core.writer
    check, file = writer.check, tmp_path / "data" / name

    def check_then_harm():
        check()
        harm(file)
        monkeypatch.setattr(writer, "check", check)

    monkeypatch.setattr(writer, "check", check_then_harm)
    with pytest.raises(StorageError):
        await journal.inbox.append([reception()])


async def test_after_a_lost_commit_nothing_is_acknowledged_though_the_file_is_back(
    open_journal, tmp_path, monkeypatch
):
    journal = open_journal()
    writer = journal.core.writer
    check, file = writer.check, tmp_path / "data" / "journal.sqlite"

    def check_then_move():
        check()
        file.rename(file.with_name("away"))
        monkeypatch.setattr(writer, "check", check)

    monkeypatch.setattr(writer, "check", check_then_move)
    with pytest.raises(StorageError):
        await journal.events.append([uplink(1)])
    file.with_name("away").rename(file)
    with pytest.raises(StorageError):
        await journal.events.append([uplink(2)])


async def test_errors_do_not_grow_while_nothing_can_be_stored(open_journal, tmp_path, monkeypatch):
    journal = open_journal()
    writer = journal.core.writer
    check = writer.check

    def check_then_remove():
        check()
        (tmp_path / "data" / "journal.sqlite").unlink()
        monkeypatch.setattr(writer, "check", check)

    monkeypatch.setattr(writer, "check", check_then_remove)

    async def depth():
        with pytest.raises(StorageError) as raised:
            await journal.events.append([uplink(1)])
        return len(raised.traceback)

    await depth()
    assert len({await depth() for _ in range(5)}) == 1


async def test_an_error_of_sqlite_in_a_truncated_file_is_explained(open_journal, tmp_path):
    journal = open_journal()
    await journal.events.append([uplink(n) for n in range(500)])
    os.truncate(tmp_path / "data" / "journal.sqlite-wal", 100)
    for _ in range(3):
        with pytest.raises(StorageError, match="truncated"):
            await journal.events.append([uplink(1)])


async def test_those_who_wait_for_one_commit_get_an_error_each(open_journal, tmp_path):
    journal = open_journal()
    (tmp_path / "data" / "journal.sqlite").unlink()
    waiting = [journal.events.append([uplink(n)]) for n in range(20)]
    errors = [failure.value for _, failure in await DeferredList(waiting, consumeErrors=True)]
    assert len({id(error) for error in errors}) == 20
    assert {str(error) for error in errors} == {str(errors[0])}


@pytest.mark.parametrize("name", ["", "journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"])
async def test_a_file_that_was_away_between_two_commits_serves_again(open_journal, tmp_path, name):
    journal = open_journal()
    await journal.events.append([uplink(1)])
    file = tmp_path / "data" / name if name else tmp_path / "data"
    file.rename(file.with_name("away"))
    with pytest.raises(StorageError):
        await journal.events.append([uplink(2)])
    file.with_name("away").rename(file)
    assert await journal.events.append([uplink(2)]) == 2


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
    for look in (lambda: open_journal(directory, None), lambda: check_journal(directory)):
        with pytest.raises(JournalError, match="write-ahead log journal.sqlite-wal is there"):
            look()
    assert sorted(path.name for path in directory.iterdir()) == before
    assert log.read_bytes() == b"commits that are nowhere else"


def stored(tmp_path):
    """The events that the next start finds; in this process SQLite would see the harmed index again."""
    shutil.copytree(tmp_path / "data", tmp_path / "next", ignore=shutil.ignore_patterns("*-shm"))
    with closing(sqlite3.connect(tmp_path / "next" / "journal.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [seq for (seq,) in connection.execute("SELECT seq FROM event ORDER BY seq")]


@pytest.mark.parametrize("harm", [remove, replace, cut])
async def test_a_harmed_index_is_not_looked_into_any_more(open_journal, tmp_path, harm):
    """SQLite maps it into memory: where it was cut, the system ends the process at the next look."""
    journal = open_journal()
    await journal.events.append([uplink(n) for n in range(500)])
    index = tmp_path / "data" / "journal.sqlite-shm"
    harm(index)
    for attempt in (
        lambda: journal.inbox.append([reception()]),
        journal.load,
        lambda: journal.history.look_back(before=None, limit=10),
    ):
        with pytest.raises(StorageError, match=r"journal.sqlite-shm: was \w+.*: restart the service"):
            await attempt()
    index.touch()
    os.truncate(index, 1 << 20)
    with pytest.raises(StorageError, match="restart the service"):
        await journal.inbox.append([reception()])
    await journal.close()
    assert stored(tmp_path) == list(range(1, 501))


async def test_an_index_that_is_cut_during_a_transaction_has_nothing_acknowledged(
    open_journal, tmp_path, monkeypatch
):
    journal = open_journal()
    await journal.events.append([uplink(1)])

    def change(cursor):
        cursor.execute("DELETE FROM event")
        cut(tmp_path / "data" / "journal.sqlite-shm")

    with pytest.raises(StorageError):
        await journal.core.change(change)
    await journal.close()
    assert stored(tmp_path) == [1]
