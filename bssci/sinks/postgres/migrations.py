"""The schema as numbered SQL files: each is applied once, and by one process at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from psycopg import Connection, sql

from bssci.sinks.postgres.errors import PostgresError

_LOCK = 0x6273_7363_6970_6731
"""advisory lock that is held during a migration"""
_VERSIONS = """
    CREATE TABLE schema_version (
        version     integer     PRIMARY KEY,
        description text        NOT NULL,
        applied_at  timestamptz NOT NULL DEFAULT now()
    )"""


@dataclass(frozen=True)
class Migration:
    """One file of the folder ``schema``."""

    version: int
    description: str
    statements: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations; their versions count from 1 without a gap."""
    found = []
    folder = files("bssci.sinks.postgres") / "schema"
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        number, _, description = file.name.removesuffix(".sql").partition("_")
        found.append(Migration(int(number), description.replace("_", " "), file.read_text("utf-8")))
    return tuple(found)


def latest() -> int:
    """Return the version that this program knows."""
    return migrations()[-1].version


def present(connection: Connection[Any], schema: str) -> int:
    """Return the version of the tables in ``schema``; 0: there are none."""
    table = sql.Identifier(schema, "schema_version").as_string(connection)
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    assert row is not None
    if not row[0]:
        return 0
    return version(connection, schema)


def version(connection: Connection[Any], schema: str) -> int:
    """Return the version of the tables, which must exist."""
    table = sql.Identifier(schema, "schema_version")
    row = connection.execute(sql.SQL("SELECT coalesce(max(version), 0) FROM {}").format(table)).fetchone()
    assert row is not None
    return int(row[0])


def check_version(number: int, schema: str) -> None:
    """Check the version of the tables.

    :raises PostgresError: the tables are of a version that this program does not know.
    """
    if number > latest():
        raise PostgresError(
            f"the tables in schema {schema} have version {number}, made by a newer release;"
            f" this one knows versions up to {latest()}: run the newer release,"
            " or set POSTGRES_SCHEMA to another schema"
        )


def migrate(connection: Connection[Any], schema: str) -> int:
    """Bring the tables to the latest version, and return the version that they had before.

    :raises PostgresError: as :func:`check_version`.
    :raises psycopg.Error: nothing is changed.
    """
    before = present(connection, schema)
    check_version(before, schema)
    if before == latest():
        return before
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        _make_schema(connection, schema)
        # Another process may have migrated while this one waited for the lock.
        before = present(connection, schema)
        check_version(before, schema)
        if before == 0:
            connection.execute(_VERSIONS)
        for migration in migrations()[before:]:
            connection.execute(migration.statements.encode())
            connection.execute(
                "INSERT INTO schema_version (version, description) VALUES (%s, %s)",
                (migration.version, migration.description),
            )
    return before


def _make_schema(connection: Connection[Any], schema: str) -> None:
    """Create the schema if it is missing; IF NOT EXISTS would need the right to create it even where it
    exists.
    """
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
