"""TimescaleDB, feature by feature: what a server lacks is done by :mod:`upkeep` instead.

Each feature is tried in a savepoint of its own, because builds differ: without the Timescale licence there
are hypertables, but no compression, aggregates or policies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import Connection

from bssci.sinks.postgres.explain import reason

HYPERTABLES, COMPRESSION, AGGREGATES, RETENTION = "hypertables", "compression", "aggregates", "retention"
FEATURES = (HYPERTABLES, COMPRESSION, AGGREGATES, RETENTION)
TABLES = {"raw": ("received_at", 1), "reading": ("time", 7)}
"""tables that are partitioned by time: the column, and the days of a chunk"""
COMPRESS_AFTER = 14
"""days: later than most late telegrams, because writing to compressed chunks is slow"""
LATE = 3
"""days before the end of retention at which aggregates stop being refreshed, while their readings still
exist; also the fewest days for which they are refreshed, and readings therefore kept"""
_TABLE: LiteralString = "(quote_ident(hypertable_schema) || '.' || quote_ident(hypertable_name))::regclass"
_HOURLY: LiteralString = """
    CREATE MATERIALIZED VIEW IF NOT EXISTS timescale_hourly
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT time_bucket('1 hour', time) AS hour, device, name, max(unit) AS unit, count(value) AS count,
           avg(value) AS average, min(value) AS minimum, max(value) AS maximum, last(value, time) AS last
    FROM reading WHERE value IS NOT NULL GROUP BY 1, device, name WITH NO DATA"""
_DAILY: LiteralString = """
    CREATE MATERIALIZED VIEW IF NOT EXISTS timescale_daily
    WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
    SELECT time_bucket('1 day', time) AS day, device, name, max(unit) AS unit, count(value) AS count,
           avg(value) AS average, min(value) AS minimum, max(value) AS maximum, last(value, time) AS last
    FROM reading WHERE value IS NOT NULL GROUP BY 1, device, name WITH NO DATA"""
_VIEWS: tuple[LiteralString, LiteralString] = (
    "CREATE OR REPLACE VIEW reading_hourly AS"
    " SELECT hour, device, name, unit, count, average, minimum, maximum, last FROM timescale_hourly",
    "CREATE OR REPLACE VIEW reading_daily AS"
    " SELECT day, device, name, unit, count, average, minimum, maximum, last FROM timescale_daily",
)


class _NotHad(Exception):
    """Why a feature is not used."""


@dataclass(frozen=True)
class Timescale:
    """Version and missing features of TimescaleDB in the database."""

    version: str | None
    """version of the extension; None if it is not in this database"""
    lacking: dict[str, str]
    """reason why a feature is missing, by its name"""

    def has(self, feature: str) -> bool:
        return self.version is not None and feature not in self.lacking


# Rows that come late, or again with a better decoder, may concern many rows of compressed chunks. With the
# limit that TimescaleDB has, such a batch would be refused each time.
_DECOMPRESS_ALL: LiteralString = """
    SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', false)
    WHERE current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) IS NOT NULL"""


def installed(connection: Connection[Any]) -> str | None:
    """Return the version of the extension in this database."""
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return str(row[0]) if row else None


def is_available(connection: Connection[Any]) -> bool:
    """Return whether the server has the extension, in this database or not."""
    row = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    return row is not None


def in_use(connection: Connection[Any]) -> set[str]:
    """Return the features that the tables have now; the extension must be in this database."""
    had: set[str] = set()
    if all(_is_hypertable(connection, table) for table in TABLES):
        had.add(HYPERTABLES)
    jobs = connection.execute(
        "SELECT proc_name FROM timescaledb_information.jobs WHERE " + _TABLE + " = 'reading'::regclass"
    ).fetchall()
    procedures = {str(name) for (name,) in jobs}
    if procedures & {"policy_compression", "policy_columnstore"}:
        had.add(COMPRESSION)
    if "policy_retention" in procedures:
        had.add(RETENTION)
    row = connection.execute("SELECT to_regclass('timescale_hourly') IS NOT NULL").fetchone()
    if row and row[0]:
        had.add(AGGREGATES)
    return had


def set_up(connection: Connection[Any], raw_days: int, reading_days: int) -> Timescale:
    """Set up every feature that the server has. It is repeated without harm at each connection.

    :param raw_days: retention; 0: forever.
    """
    version = installed(connection)
    if version is None:
        return Timescale(None, {})
    connection.execute(_DECOMPRESS_ALL)
    lacking: dict[str, str] = {}
    if reading_days:
        # Chunks of seven days are dropped as a whole, so that the longer time is hardly noticed.
        reading_days = max(LATE, reading_days)

    def attempt(feature: str, set_up: Callable[[], None]) -> None:
        if feature != HYPERTABLES and HYPERTABLES in lacking:
            lacking[feature] = "there are no hypertables"
            return
        try:
            with connection.transaction():
                set_up()
        except _NotHad as error:
            lacking[feature] = str(error)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if connection.closed:
                raise
            lacking[feature] = "the server did not do it in time"
        except psycopg.Error as error:
            lacking[feature] = reason(error)

    attempt(HYPERTABLES, lambda: _hypertables(connection))
    attempt(COMPRESSION, lambda: _compression(connection))
    attempt(AGGREGATES, lambda: _aggregates(connection, reading_days))
    attempt(RETENTION, lambda: _retention(connection, {"raw": raw_days, "reading": reading_days}))
    return Timescale(version, lacking)


def _hypertables(connection: Connection[Any]) -> None:
    for table, (column, days) in TABLES.items():
        if _is_hypertable(connection, table):
            continue
        # Moving existing rows would block everybody.
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM raw) OR EXISTS (SELECT FROM reading)"
        ).fetchone()  # fmt: skip
        if row and row[0]:
            raise _NotHad(f"the table {table} holds rows already; see docs/postgres.md")
        connection.execute(
            "SELECT create_hypertable(%s::regclass, %s::name, create_default_indexes => false,"
            " chunk_time_interval => make_interval(days => %s))",
            (table, column, days),
        )


def _is_hypertable(connection: Connection[Any], table: str) -> bool:
    row = connection.execute(
        "SELECT FROM timescaledb_information.hypertables WHERE " + _TABLE + " = %s::regclass",
        (table,),
    ).fetchone()
    return row is not None


def _compression(connection: Connection[Any]) -> None:
    statements: tuple[LiteralString, ...] = (
        "ALTER TABLE raw SET (timescaledb.compress, timescaledb.compress_segmentby = 'device',"
        " timescaledb.compress_orderby = 'received_at')",
        "ALTER TABLE reading SET (timescaledb.compress, timescaledb.compress_segmentby = 'device',"
        " timescaledb.compress_orderby = 'time')",
    )
    for table, statement in zip(TABLES, statements, strict=True):
        row = connection.execute(
            "SELECT compression_enabled FROM timescaledb_information.hypertables WHERE "
            + _TABLE
            + " = %s::regclass",
            (table,),
        ).fetchone()
        if row and not row[0]:
            connection.execute(statement)
        connection.execute(
            "SELECT add_compression_policy(%s::regclass, compress_after => make_interval(days => %s),"
            " if_not_exists => true)",
            (table, COMPRESS_AFTER),
        )


def _aggregates(connection: Connection[Any], reading_days: int) -> None:
    if connection.execute("SELECT FROM rollup_hourly LIMIT 1").fetchone() is not None:
        raise _NotHad("the sink has already made hourly values itself, and continues to")
    connection.execute(_HOURLY)
    connection.execute(_DAILY)
    start = f"{max(LATE, reading_days - LATE)} days" if reading_days else None
    for name, end, every in (
        ("timescale_hourly", "1 hour", "30 minutes"),
        ("timescale_daily", "1 day", "6 hours"),
    ):
        connection.execute(
            "SELECT remove_continuous_aggregate_policy(%s::regclass, if_exists => true)", (name,)
        )
        connection.execute(
            "SELECT add_continuous_aggregate_policy(%s::regclass, start_offset => %s::interval,"
            " end_offset => %s::interval, schedule_interval => %s::interval)",
            (name, start, end, every),
        )
    connection.execute("SELECT remove_retention_policy('timescale_hourly', if_exists => true)")
    if reading_days:
        connection.execute(
            "SELECT add_retention_policy('timescale_hourly', drop_after => make_interval(days => %s))",
            (reading_days,),
        )
    for statement in _VIEWS:
        connection.execute(statement)


def _retention(connection: Connection[Any], days: dict[str, int]) -> None:
    for table, kept in days.items():
        connection.execute("SELECT remove_retention_policy(%s::regclass, if_exists => true)", (table,))
        if kept:
            connection.execute(
                "SELECT add_retention_policy(%s::regclass, drop_after => make_interval(days => %s))",
                (table, kept),
            )
