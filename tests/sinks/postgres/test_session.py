from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from bssci.sinks.postgres.connecting import Line
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.events import rows_of
from bssci.sinks.postgres.rows import EventRows
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.testing_events import uplinks
from tests.sinks.postgres.cluster import Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]


def test_a_session_begins_with_tables_of_this_release(database: Database) -> None:
    lines: list[Line] = []
    session = DatabaseSession(database.settings(), lines.append)
    assert len(lines) == 1
    assert session.server
    assert session.migrated_from == 0
    assert session.store([], ()) == []
    session.close()
    again = DatabaseSession(database.settings(), lines.append)
    assert again.migrated_from > 0
    again.close()


@pytest.mark.parametrize(
    "setting",
    [
        "DateStyle = 'German'",
        "DateStyle = 'SQL, DMY'",
        "DateStyle = 'Postgres'",
        "client_encoding = 'LATIN1'",
        "timezone = 'Asia/Kolkata'",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
        "statement_timeout = '1ms'",
    ],
)
def test_what_the_database_sets_for_its_sessions_makes_no_difference(
    database: Database, setting: str
) -> None:
    database.query(f"ALTER DATABASE {database.name} SET {setting}")
    session = DatabaseSession(database.settings(), lambda line: None)
    units, _ = rows_of(uplinks(2), {}, datetime.now(UTC))
    for _ in range(2):
        assert session.store(units, ()) == []
    session.close()
    database.query(f"ALTER DATABASE {database.name} RESET ALL")
    assert database.query("SELECT count FROM device") == [2]


def test_a_connection_may_wait_for_events(database: Database) -> None:
    database.query(f"ALTER DATABASE {database.name} SET idle_session_timeout = '250ms'")
    session = DatabaseSession(database.settings(), lambda line: None)
    time.sleep(0.4)
    assert session.store([], ()) == []
    session.close()


def test_a_line_that_is_cut_ends_what_is_under_way(database: Database) -> None:
    lines: list[Line] = []
    session = DatabaseSession(database.settings(), lines.append)
    lines[0].cut()
    with pytest.raises(Exception, match=r"connection|closed"):
        session.store([EventRows(None, "x", None)], ())  # type: ignore[arg-type]
    session.close()


def test_tables_of_a_newer_release_are_left_alone(database: Database) -> None:
    session = DatabaseSession(database.settings(), lambda line: None)
    database.query("INSERT INTO schema_version (version, description) VALUES (99, 'of tomorrow')")
    with pytest.raises(PostgresError):
        session.store([], ())
    session.close()


def test_a_slow_server_gets_fewer_events_in_a_transaction(database: Database) -> None:
    """It takes a second for each, and the statement may take ten."""
    seconds, stored = [0.0], []

    def store(units: Sequence[EventRows], asides: object) -> list[Any]:
        if len(units) > 10 * quicker:
            raise psycopg.errors.QueryCanceled
        seconds[0] += len(units) / quicker
        stored.append(len(units))
        return []

    session = DatabaseSession(database.settings(), lambda line: None, monotonic=lambda: seconds[0])
    session._writer.store = store  # type: ignore[method-assign]
    units, _ = rows_of(uplinks(32), {}, datetime(2026, 1, 1, tzinfo=UTC))
    quicker = 1
    for _ in range(2):
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.store(units, ())
    session.store(units, ())
    assert stored == [8, 8, 8, 8]
    quicker = 4
    session.store(units, ())
    assert stored[4:] == [8, 16, 8]
    session.close()
