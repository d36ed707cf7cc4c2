"""What ``bssci check`` is told about a real server."""

from __future__ import annotations

import pytest

from bssci.sinks.postgres.migrations import latest
from bssci.sinks.postgres.plugin import PostgresSinkFactory
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.postgres.trial import findings
from tests.sinks.postgres.cluster import Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]


def said(database: Database, level: str, **changes: object) -> str:
    return "\n".join(message for each, message in findings(database.settings(**changes)) if each == level)


def test_an_empty_database_is_fine(database: Database) -> None:
    assert said(database, "error") == said(database, "warning") == ""
    assert "are made at the first start" in said(database, "ok")
    assert database.query("SELECT to_regclass('raw')") == [None]


def test_the_tables_are_looked_at(database: Database) -> None:
    DatabaseSession(database.settings(), lambda line: None).close()
    assert f"tables in schema public, version {latest()}" in said(database, "ok")
    assert "no TimescaleDB" in said(database, "ok")
    database.query("DROP TABLE event")
    assert "the table event is missing" in said(database, "error")
    database.query("INSERT INTO schema_version (version, description) VALUES (99, 'of tomorrow')")
    assert "made by a newer release" in said(database, "error")


def test_missing_rights_are_found(database: Database) -> None:
    role = f"guest_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN")
    assert "may not create tables" in said(database, "error", POSTGRES_USER=role)
    assert "schema new and its tables" not in said(database, "ok", POSTGRES_USER=role, POSTGRES_SCHEMA="new")
    database.query(f"REVOKE TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    assert "may not create temporary tables" in said(database, "error", POSTGRES_USER=role)
    DatabaseSession(database.settings(), lambda line: None).close()
    database.query(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    database.query(f"GRANT INSERT ON raw TO {role}")
    assert "may not write to the table raw" in said(database, "error", POSTGRES_USER=role)


def test_a_read_only_server_is_found(database: Database) -> None:
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    assert "read-only" in said(database, "error")


def test_an_encoding_that_lacks_characters_is_found(database: Database) -> None:
    name = f"{database.name}_latin"
    database.query(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    latin = Database(database.cluster, name)
    assert "encoding is LATIN1" in said(latin, "warning") and said(latin, "error") == ""
    database.cluster.drop_database(latin)


def test_a_server_that_is_away_is_one_line(database: Database) -> None:
    missing = said(database, "error", POSTGRES_DB="nowhere")
    assert "the database does not exist; check POSTGRES_DB" in missing and "\n" not in missing
    away = said(database, "error", POSTGRES_HOST="/nonexistent")
    assert "No such file" in away and "\n" not in away


def test_the_factory_offers_it(database: Database) -> None:
    factory = PostgresSinkFactory(lambda: None)
    assert dict(factory.check(database.settings().values))
