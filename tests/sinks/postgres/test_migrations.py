"""The schema: made once, by one, and refused when a newer release made it; with a real server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from bssci.sinks.postgres import migrations
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.explain import explain_error
from bssci.sinks.postgres.session import DatabaseSession
from tests.sinks.postgres.cluster import Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]
ODD_NAME = 'Sensors "of" us; DROP'


def test_the_files_are_numbered_without_a_gap_and_commented() -> None:
    found = migrations.migrations()
    assert [each.version for each in found] == list(range(1, len(found) + 1))
    assert all(each.statements.startswith("-- ") for each in found)


def test_an_empty_database_gets_all_of_them_once(database: Database) -> None:
    for before in (0, migrations.latest()):
        session = DatabaseSession(database.settings(), lambda line: None)
        assert session.migrated_from == before
        session.close()
    versions = database.query("SELECT version FROM schema_version ORDER BY 1")
    assert versions == [each.version for each in migrations.migrations()]


def test_a_schema_may_have_any_name(database: Database) -> None:
    session = DatabaseSession(database.settings(POSTGRES_SCHEMA=ODD_NAME), lambda line: None)
    session.store([], [])
    session.close()
    assert database.query("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'raw'") == [ODD_NAME]


def test_many_that_start_at_once_do_not_disturb_each_other(database: Database) -> None:
    def start(_: int) -> int:
        session = DatabaseSession(database.settings(), lambda line: None)
        session.close()
        return session.migrated_from

    with ThreadPoolExecutor(6) as pool:
        before = list(pool.map(start, range(6)))
    assert before.count(0) == 1
    assert len(database.query("SELECT version FROM schema_version")) == migrations.latest()


def test_tables_of_a_newer_release_are_refused(database: Database) -> None:
    session = DatabaseSession(database.settings(), lambda line: None)
    database.query("INSERT INTO schema_version (version, description) VALUES (99, 'of tomorrow')")
    with pytest.raises(PostgresError, match="version 99, made by a newer release"):
        session.store([], [])
    session.close()
    with pytest.raises(PostgresError, match="version 99, made by a newer release"):
        DatabaseSession(database.settings(), lambda line: None)
    database.query("DELETE FROM schema_version WHERE version = 99")
    DatabaseSession(database.settings(), lambda line: None).close()


def test_a_table_of_somebody_else_is_left_alone_and_the_remedy_named(database: Database) -> None:
    database.query("CREATE TABLE event (id text); INSERT INTO event VALUES ('theirs') RETURNING id")
    with pytest.raises(psycopg.Error) as refused:
        DatabaseSession(database.settings(), lambda line: None)
    assert "set POSTGRES_SCHEMA to another schema" in explain_error(refused.value)
    assert database.query("SELECT id FROM event") == ["theirs"]


def test_a_migration_that_fails_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    known = migrations.migrations()
    wrong = migrations.Migration(len(known) + 1, "wrong", "CREATE TABLE half (); SELECT nothing")
    monkeypatch.setattr(migrations, "migrations", lambda: (*known, wrong))
    with pytest.raises(Exception, match="nothing"):
        DatabaseSession(database.settings(), lambda line: None)
    assert database.query("SELECT to_regclass('raw') IS NULL AND to_regclass('half') IS NULL") == [True]
