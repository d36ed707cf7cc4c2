from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bssci.journal import JournalError, StoredSession
from bssci.journal.sqlite.database import FILE_NAME
from bssci.journal.sqlite.inspection import inspect
from bssci.wire.messages import DetPrp
from bssci.wire.session import encode_operation
from tests.support.inline_journal import InlineJournal
from tests.support.journal import STATION, online


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """One with the journal of a service that was stopped, of three events."""
    journal = InlineJournal(tmp_path)
    journal.events.append([online(), online(), online()])
    journal.close()
    return tmp_path


def test_a_journal_that_is_whole_has_nothing_to_be_said_of(directory: Path) -> None:
    assert inspect(directory) == []


def test_entries_that_cannot_be_read_are_counted_by_table(directory: Path) -> None:
    before = (directory / FILE_NAME).stat().st_size
    with sqlite3.connect(directory / FILE_NAME) as connection:
        connection.execute("UPDATE event SET body = x'00' WHERE seq > 1")
    (line,) = inspect(directory)
    assert "2 of the entries of event cannot be read" in line
    assert (directory / FILE_NAME).stat().st_size == before


def test_an_operation_whose_message_is_damaged_is_found(directory: Path) -> None:
    journal = InlineJournal(directory)
    message = encode_operation(DetPrp(opId=-1, epEui=1))
    stored = StoredSession(
        base_station_eui=STATION,
        sn_bs_uuid=bytes(16),
        sn_sc_uuid=bytes(16),
        version="1.0.0",
        last_bs_op_id=0,
        last_sc_op_id=-2,
        created_at=0.0,
        open_operations=[(-1, message), (-2, b"\xff")],
    )
    journal.sessions.begin(stored)
    journal.close()
    (line,) = inspect(directory)
    assert "1 of the entries of open_operation cannot be read" in line


def test_no_journal_is_no_damage(tmp_path: Path) -> None:
    assert inspect(tmp_path) == []


def test_what_would_not_open_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"nonsense" * 1000)
    with pytest.raises(JournalError):
        inspect(tmp_path)
