from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from bssci.journal import JournalError
from bssci.journal.sqlite.copying import copy_journal, no_service, replacement
from bssci.journal.sqlite.database import FILE_NAME, holder
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.journal import online


def events_in(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count(*) FROM event").fetchone()[0]


def test_a_copy_holds_every_commit_until_now_while_the_journal_goes_on(tmp_path: Path) -> None:
    journal = InlineJournal(tmp_path)
    journal.events.append([online(), online()])
    journal.commit()
    target = tmp_path / "copy"
    assert copy_journal(tmp_path, target)
    stored = journal.events.append([online()])
    journal.commit()
    result_of(stored)
    journal.close()
    assert events_in(target) == 2
    assert events_in(tmp_path / FILE_NAME) == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_without_a_journal_nothing_is_copied(tmp_path: Path) -> None:
    assert not copy_journal(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_is_no_journal_cannot_be_copied(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"nonsense" * 1000)
    with pytest.raises(JournalError, match="cannot be copied"):
        copy_journal(tmp_path, tmp_path / "copy")


def test_a_directory_is_kept_for_one(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with no_service(tmp_path), pytest.raises(JournalError), no_service(tmp_path):
        pass
    with no_service(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_a_copy_comes_in_place_of_a_journal_and_of_its_log(tmp_path: Path) -> None:
    journal = InlineJournal(tmp_path)
    journal.events.append([online()])
    journal.commit()
    journal.close()
    places = replacement(tmp_path, tmp_path / "copy")
    assert places[tmp_path / FILE_NAME] == tmp_path / "copy"
    others = {path.name for path, content in places.items() if content is None}
    assert others == {f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", f"{FILE_NAME}-journal"}
