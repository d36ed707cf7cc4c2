"""Opening: what is not a sound journal of ours is refused in one line and left as it was."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from twisted.internet import reactor

from bssci.journal import JournalError
from bssci.journal import open_journal as open_in
from bssci.journal.sqlite import database as database_module
from bssci.journal.sqlite.database import (
    APPLICATION_ID,
    FILE_NAME,
    PAGE_SIZE,
    Database,
    check_journal,
    load_schema,
    read_only,
)
from bssci.journal.sqlite.journal import SqliteJournal
from tests.support.journal import STATION, reception, uplink, without_constraints

MAX_BYTES = 2**30
SCHEMA = [
    "CREATE TABLE first (value TEXT)",
    "INSERT INTO first VALUES ('added'); CREATE TABLE second (value TEXT)",
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "lock"}


def refusal(directory: Path) -> str:
    """Why the journal does not open; and that nothing was touched."""
    before = contents(directory)
    with pytest.raises(JournalError) as error:
        open_in(directory, reactor)
    assert contents(directory) == before
    text = str(error.value)
    assert text.startswith(f"{directory / FILE_NAME}: ")
    assert "\n" not in text
    # The lock was let go.
    with pytest.raises(JournalError, match="journal.sqlite"):
        open_in(directory, reactor)
    return text


def sqlite_file(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("CREATE TABLE t (a)", *statements):
            connection.execute(statement)


async def filled(open_journal) -> SqliteJournal:
    journal = open_journal()
    await journal.inbox.append([reception(n) for n in range(100)], journal.sessions.mark(STATION, 1))
    await journal.events.append([uplink(n) for n in range(1000)])
    return journal


def scribble(path: Path) -> None:
    """Overwrite what follows the first page."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def test_what_is_made_is_for_its_owner_only(tmp_path):
    directory = tmp_path / "deep" / "data"
    database = Database(directory, load_schema(), max_bytes=MAX_BYTES)
    with closing(database.connect()) as connection:
        connection.execute("INSERT INTO setting (name, value) VALUES ('a', 'b')")
        names = {path.name for path in directory.iterdir()}
        assert {FILE_NAME, f"{FILE_NAME}-wal", "lock"} <= names
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    database.release()


async def test_a_closed_journal_is_one_file(open_journal, tmp_path):
    journal = await filled(open_journal)
    files = contents(tmp_path / "data")
    assert journal.usage().log_size == len(files[f"{FILE_NAME}-wal"]) > 0
    assert journal.size() >= len(files[FILE_NAME]) > 0
    await journal.close()
    assert set(contents(tmp_path / "data")) == {FILE_NAME}


@pytest.mark.parametrize("content", [b"Dear diary", b"x" * 10_000, b"SQLite format 2\0" * 100])
def test_a_file_that_is_not_sqlite(directory, content):
    (directory / FILE_NAME).write_bytes(content)
    assert "is not a journal, nor any SQLite file: move it away" in refusal(directory)


def test_another_programs_database(directory):
    sqlite_file(directory / FILE_NAME, "PRAGMA application_id = 4711")
    assert "another program's file (SQLite application id 0x1267)" in refusal(directory)
    (directory / FILE_NAME).unlink()
    sqlite_file(directory / FILE_NAME)
    assert "another program's file" in refusal(directory)


def test_a_newer_schema(directory):
    sqlite_file(
        directory / FILE_NAME, f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99"
    )
    text = refusal(directory)
    assert f"has schema 99, newer than this version's {len(load_schema())}: install the bssci" in text


async def test_a_newer_schema_that_only_the_log_knows(open_journal, tmp_path):
    journal = await filled(open_journal)
    await journal.core.change(lambda cursor: cursor.execute("PRAGMA user_version = 99"))
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "data", crashed)
    (crashed / f"{FILE_NAME}-shm").unlink()
    assert (crashed / f"{FILE_NAME}-wal").stat().st_size > 0
    assert "has schema 99" in refusal(crashed)


async def test_a_damaged_file(open_journal, directory):
    await (await filled(open_journal)).close()
    scribble(directory / FILE_NAME)
    assert "is damaged (" in refusal(directory)


async def test_of_many_faults_the_first_is_told_and_the_others_are_counted(open_journal, directory):
    await (await filled(open_journal)).close()
    file = directory / FILE_NAME
    content = bytearray(file.read_bytes())
    pages = len(content) // PAGE_SIZE
    content[28:32] = (pages + 5).to_bytes(4, "big")
    file.write_bytes(content + bytes(5 * PAGE_SIZE))
    told = f"is damaged (Page {pages + 1}: never used, and 4 more faults): restore"
    assert told in refusal(directory).replace(" is never used", ": never used")


async def test_a_value_that_is_missing_costs_its_entry_only(open_journal, directory):
    await (await filled(open_journal)).close()
    opened = sqlite3.connect(directory / FILE_NAME, isolation_level=None)
    with closing(opened) as connection, without_constraints(connection):
        connection.execute("UPDATE event SET body = NULL WHERE seq = 1")
    with read_only(directory / FILE_NAME) as connection:
        assert "NULL value in event.body" in connection.execute("PRAGMA quick_check(1)").fetchone()
    check_journal(directory)
    journal = open_journal(tail_bytes=0)
    assert [seq for seq, _ in await journal.events.read(0, 3)] == [2, 3]
    assert journal.usage().unreadable == 1


async def test_damage_of_which_sqlite_tells_in_bytes_that_are_no_text(open_journal, directory):
    await (await filled(open_journal)).close()
    file = directory / FILE_NAME
    file.write_bytes(file.read_bytes().replace(b" ON uplink_key ", b" ON upli\xff\xff_key "))
    assert "is damaged (" in refusal(directory)


async def test_a_file_that_is_cut_short(open_journal, directory):
    await (await filled(open_journal)).close()
    with (directory / FILE_NAME).open("r+b") as file:
        file.truncate(8192)
    assert "is damaged (" in refusal(directory)


async def test_a_file_that_is_only_a_header(open_journal, directory):
    await (await filled(open_journal)).close()
    with (directory / FILE_NAME).open("r+b") as file:
        file.truncate(100)
    assert "is damaged (" in refusal(directory)


async def test_a_crashed_journal_is_read_with_its_log(open_journal, tmp_path):
    await filled(open_journal)
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "data", crashed)
    journal = open_in(crashed, reactor)
    assert len(await journal.events.read(0, 2000)) == 1000
    await journal.close()


async def test_a_check_without_time_does_not_keep_the_service_from_starting(open_journal, directory):
    await (await filled(open_journal)).close()
    database = Database(directory, load_schema(), max_bytes=MAX_BYTES, check_seconds=0.0)
    database.release()


def test_an_empty_file_and_an_unfinished_one_are_begun_anew(directory):
    (directory / FILE_NAME).touch()
    (directory / f"{FILE_NAME}.new").write_bytes(b"half")
    database = Database(directory, SCHEMA, max_bytes=MAX_BYTES)
    with closing(database.connect()) as connection:
        assert connection.execute("SELECT value FROM first").fetchall() == [("added",)]
    database.release()
    assert set(contents(directory)) == {FILE_NAME}


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(JournalError, match="or set STATE_DIR to another directory"):
            open_in(directory, reactor)
    (tmp_path / "data" / "lock").mkdir(parents=True)
    with pytest.raises(JournalError, match="lock: Is a directory: make it accessible"):
        open_in(tmp_path / "data", reactor)


def test_a_file_that_cannot_be_read(directory):
    (directory / FILE_NAME).mkdir()
    with pytest.raises(JournalError, match="journal.sqlite: Is a directory: make it accessible"):
        open_in(directory, reactor)


def test_an_older_file_is_upgraded_and_keeps_what_it_holds(directory):
    old = Database(directory, SCHEMA[:1], max_bytes=MAX_BYTES)
    with closing(old.connect()) as connection:
        connection.execute("INSERT INTO first VALUES ('kept')")
    old.release()
    said = []
    for _ in range(2):
        with patch.object(database_module, "_log", SimpleNamespace(info=lambda text, **_: said.append(text))):
            new = Database(directory, SCHEMA, max_bytes=MAX_BYTES)
        with closing(new.connect()) as connection:
            assert connection.execute("SELECT value FROM first").fetchall() == [("kept",), ("added",)]
            assert connection.execute("SELECT value FROM second").fetchall() == []
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)
        new.release()
    assert len(said) == 1 and said[0].startswith("journal upgraded from schema"), "once, as it takes time"


def test_an_upgrade_that_fails_changes_nothing(directory):
    Database(directory, SCHEMA[:1], max_bytes=MAX_BYTES).release()
    wrong = "INSERT INTO first VALUES ('half'); INSERT INTO nowhere VALUES (1)"
    with pytest.raises(JournalError, match="no such table: nowhere"):
        Database(directory, [SCHEMA[0], wrong], max_bytes=MAX_BYTES)
    database = Database(directory, SCHEMA[:1], max_bytes=MAX_BYTES)
    with closing(database.connect()) as connection:
        assert connection.execute("SELECT value FROM first").fetchall() == []
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    database.release()


def test_schema_files_are_numbered_without_gaps():
    folder = Path(__file__).parents[3] / "bssci" / "journal" / "sqlite" / "schema"
    numbers = sorted(int(path.name.split("_")[0]) for path in folder.glob("*.sql"))
    assert numbers == list(range(1, len(load_schema()) + 1))
