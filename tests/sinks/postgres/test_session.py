from __future__ import annotations

import pytest

from bssci.sinks.postgres.connecting import Line
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.rows import EventRows
from bssci.sinks.postgres.session import DatabaseSession
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
