"""Findings of ``bssci check`` about the server, without changing anything there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection, sql

from bssci.sinks.postgres import migrations, timescale
from bssci.sinks.postgres.connecting import connect
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.explain import explain_error
from bssci.sinks.postgres.settings import PostgresSettings

TABLES = (
    "raw",
    "reading",
    "device",
    "gateway",
    "event",
    "set_aside",
    "rollup_due",
    "rollup_hourly",
    "rollup_daily",
)
OLDEST = 130000
"""oldest server version that is supported, in libpq's numbering"""
_INSTEAD = {
    timescale.HYPERTABLES: "plain tables",
    timescale.COMPRESSION: "nothing is compressed",
    timescale.AGGREGATES: "hourly and daily values are made by the sink",
    timescale.RETENTION: "old rows are deleted by the sink",
}
_MAY_WRITE = (
    "SELECT has_table_privilege(%s, 'INSERT') AND has_table_privilege(%s, 'UPDATE')"
    " AND has_table_privilege(%s, 'DELETE')"
)
LevelLine = tuple[str, str]


def findings(settings: PostgresSettings) -> Iterator[LevelLine]:
    """Yield pairs of a level (ok, warning or error) and a line of text."""
    try:
        connection = connect(settings)
    except PostgresError as error:
        yield "error", f"postgres: {error}"
        return
    try:
        with connection:
            connection.execute("SET statement_timeout = '10s'")
            path = sql.SQL("SET search_path TO {}, public").format(sql.Identifier(settings.schema))
            connection.execute(path)
            yield from _server(connection)
            yield from _tables(connection, settings.schema)
            yield from _timescale(connection, settings)
    except PostgresError as error:
        yield "error", f"postgres: {error}"
    except psycopg.Error as error:
        yield "error", f"postgres: {explain_error(error, settings.connection())}"


def _server(connection: Connection[Any]) -> Iterator[LevelLine]:
    info = connection.info
    where = f"{info.host}:{info.port}, database {info.dbname}, user {info.user}"
    if info.server_version < OLDEST:
        yield (
            "warning",
            f"postgres: the server's version {info.server_version // 10000} is too old: 13 is needed",
        )
    yield "ok", f"postgres: connected to {where}, server {info.parameter_status('server_version')}"
    encoding = info.parameter_status("server_encoding")
    if encoding != "UTF8":
        yield (
            "warning",
            f"postgres: the database's encoding is {encoding}: what has characters that it lacks is set"
            " aside; create the database with ENCODING 'UTF8'",
        )
    if _one(connection, "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"):
        yield "error", "postgres: the server is read-only: a standby, or default_transaction_read_only is on"


def _tables(connection: Connection[Any], schema: str) -> Iterator[LevelLine]:
    number = migrations.present(connection, schema)
    migrations.check_version(number, schema)
    if not _one(connection, "SELECT has_database_privilege(current_database(), 'TEMPORARY')"):
        yield "error", "postgres: the user may not create temporary tables: GRANT TEMPORARY ON DATABASE"
    if number == 0:
        if _one(connection, "SELECT to_regnamespace(quote_ident(%s)) IS NULL", schema):
            may = _one(connection, "SELECT has_database_privilege(current_database(), 'CREATE')")
            what = f"schema {schema} and its tables are made at the first start"
        else:
            may = _one(connection, "SELECT has_schema_privilege(quote_ident(%s), 'CREATE')", schema)
            what = f"the tables in schema {schema} are made at the first start"
        if may:
            yield "ok", f"postgres: {what}"
        else:
            yield "error", f"postgres: the user may not create tables in schema {schema}: GRANT CREATE"
        return
    if number < migrations.latest():
        yield (
            "ok",
            f"postgres: tables of version {number}; the next start brings them to {migrations.latest()}",
        )
    else:
        yield "ok", f"postgres: tables in schema {schema}, version {number}"
    for table in TABLES:
        name = sql.Identifier(schema, table).as_string(connection)
        if _one(connection, "SELECT to_regclass(%s) IS NULL", name):
            yield "error", f"postgres: the table {table} is missing"
        elif not _one(connection, _MAY_WRITE, name, name, name):
            yield "error", f"postgres: the user may not write to the table {table}: GRANT it"


def _timescale(connection: Connection[Any], settings: PostgresSettings) -> Iterator[LevelLine]:
    version = timescale.installed(connection)
    if version is None:
        if timescale.is_available(connection):
            yield (
                "warning",
                "postgres: TimescaleDB is installed, but not in this database: CREATE EXTENSION timescaledb"
                " before the first start; without it the sink uses plain tables, rolls up and deletes",
            )
        else:
            yield "ok", "postgres: no TimescaleDB; the sink uses plain tables, rolls up and deletes"
        return
    if migrations.present(connection, settings.schema) < migrations.latest():
        yield "ok", f"postgres: TimescaleDB {version}; which features are used is known after the first start"
        return
    had = timescale.in_use(connection)
    for feature in timescale.FEATURES:
        if feature in had:
            yield "ok", f"postgres: TimescaleDB {version}: {feature} used"
        else:
            yield "warning", f"postgres: TimescaleDB {version}: {feature} not used; {_INSTEAD[feature]}"


def _one(connection: Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]
