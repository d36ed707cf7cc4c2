"""Roll-ups and deletion for servers where TimescaleDB does not do them: in slices, so that no delivery
waits for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString

import psycopg
from psycopg import Connection
from twisted.logger import Logger

from bssci.sinks.postgres.timescale import AGGREGATES, HYPERTABLES, RETENTION, Timescale

ROWS = 5000
"""rows that a slice deletes, at most"""
HOURS = 100
"""device hours that a slice rolls up, at most"""
CLOCKS_APART = 86_400.0
"""s between the server's clock and ours from which on nothing is deleted"""
# LATERAL: a plain join would be planned as if most of the larger table were needed.
_ROLL_UP: LiteralString = """
    WITH taken AS (
        DELETE FROM rollup_due WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM rollup_due WHERE hour < date_trunc('hour', now() - interval '1 minute', 'UTC')
            ORDER BY hour, device
            LIMIT %(hours)s))
        RETURNING hour, device
    ), due AS (
        SELECT hour, device FROM taken
        WHERE %(days)s = 0 OR hour > now() - make_interval(days => %(days)s, hours => -1)
    ), gone AS (
        DELETE FROM rollup_hourly old USING due WHERE old.device = due.device AND old.hour = due.hour
        AND NOT EXISTS (
            SELECT FROM reading WHERE reading.device = old.device AND reading.time >= old.hour
            AND reading.time < old.hour + interval '1 hour' AND reading.name = old.name AND value IS NOT NULL)
    ), hourly AS (
        INSERT INTO rollup_hourly
        SELECT due.hour, due.device, made.*
        FROM due CROSS JOIN LATERAL (
            SELECT name, max(unit), count(value), avg(value), min(value), max(value),
                   (array_agg(value ORDER BY time DESC))[1]
            FROM reading
            WHERE device = due.device AND time >= due.hour AND time < due.hour + interval '1 hour'
              AND value IS NOT NULL
            GROUP BY name) made
        ON CONFLICT (device, hour, name) DO UPDATE
        SET unit = excluded.unit, count = excluded.count, average = excluded.average,
            minimum = excluded.minimum, maximum = excluded.maximum, last = excluded.last
    )
    SELECT hour, device, EXISTS (SELECT FROM due WHERE (due.hour, due.device) = (taken.hour, taken.device))
    FROM taken"""
_DAYS_GONE: LiteralString = """
    DELETE FROM rollup_daily old
    USING (SELECT DISTINCT date_trunc('day', hour, 'UTC') AS day, device
           FROM unnest(%(hour)s::timestamptz[], %(device)s::text[]) AS rolled (hour, device)) due
    WHERE old.device = due.device AND old.day = due.day"""
_DAYS: LiteralString = """
    INSERT INTO rollup_daily
    SELECT due.day, due.device, made.*
    FROM (SELECT DISTINCT date_trunc('day', hour, 'UTC') AS day, device
          FROM unnest(%(hour)s::timestamptz[], %(device)s::text[]) AS rolled (hour, device)) due
    CROSS JOIN LATERAL (
        SELECT name, max(unit), sum(count)::bigint, sum(average * count) / sum(count), min(minimum),
               max(maximum), (array_agg(last ORDER BY hour DESC))[1]
        FROM rollup_hourly
        WHERE device = due.device AND hour >= due.day AND hour < due.day + interval '1 day'
        GROUP BY name) made"""
_EXPIRED: tuple[tuple[str, LiteralString], ...] = (
    (
        "raw",
        "DELETE FROM raw WHERE ctid = ANY (ARRAY(SELECT ctid FROM raw"
        " WHERE received_at < now() - make_interval(days => %s) ORDER BY received_at LIMIT %s))",
    ),
    (
        "reading",
        "DELETE FROM reading WHERE ctid = ANY (ARRAY(SELECT ctid FROM reading"
        " WHERE time < now() - make_interval(days => %s) ORDER BY time LIMIT %s))",
    ),
)
_EXPIRED_ALWAYS: tuple[tuple[str, LiteralString], ...] = (
    (
        "reading",
        "DELETE FROM event WHERE ctid = ANY (ARRAY(SELECT ctid FROM event"
        " WHERE time < now() - make_interval(days => %s) ORDER BY time LIMIT %s))",
    ),
    (
        "raw",
        "DELETE FROM set_aside WHERE ctid = ANY (ARRAY(SELECT ctid FROM set_aside"
        " WHERE time < now() - make_interval(days => %s) ORDER BY time LIMIT %s))",
    ),
    (
        "reading",
        # A day longer: while an hour can be rolled up, so can its day, of which it may be the last.
        "DELETE FROM rollup_hourly WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollup_hourly"
        " WHERE hour < now() - make_interval(days => 1 + %s) LIMIT %s))",
    ),
)


class Upkeep:
    """The slices of work on a connection.

    :param days: retention of ``raw`` and ``reading``; 0: forever.
    :param now: Unix seconds of our clock.
    """

    log = Logger()

    def __init__(
        self,
        connection: Connection[Any],
        timescale: Timescale,
        days: dict[str, int],
        now: Callable[[], float],
    ) -> None:
        self._connection = connection
        self._now = now
        self._is_said = False
        """the log says that the clocks differ"""
        self._reading_days = days["reading"]
        self._slices: list[Callable[[], int]] = []
        if not timescale.has(AGGREGATES):
            self._slices.append(self._roll_up)
        if not timescale.has(HYPERTABLES):
            self._slices += [self._deletion(days[table], sql) for table, sql in _EXPIRED]
        elif not timescale.has(RETENTION):
            self._slices += [self._dropping(table, days[table]) for table in ("raw", "reading")]
        self._slices += [self._deletion(days[table], sql) for table, sql in _EXPIRED_ALWAYS]
        self._next = 0
        self._failed: dict[int, psycopg.Error] = {}
        """error of each slice that the server refused the last time"""

    @property
    def error(self) -> psycopg.Error | None:
        """The error of a slice that the server refuses; None: it does all of them."""
        return next(iter(self._failed.values()), None)

    def slice(self) -> bool:
        """Do one slice, and return whether there is more to do now; after the last one it starts over.

        A slice that the server refuses is tried again in the next round, and holds up no other one.

        :raises psycopg.Error: the connection is lost.
        """
        try:
            more = self._slices[self._next]() > 0
            self._failed.pop(self._next, None)
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            more = False
            self._failed[self._next] = error
        if more:
            return True
        self._next = (self._next + 1) % len(self._slices)
        return self._next != 0

    def _roll_up(self) -> int:
        """Make the hourly and daily values that are due.

        Hours whose readings may be partly deleted are skipped: the existing values were made from all of
        them.
        """
        with self._connection.transaction():
            limits = {"hours": HOURS, "days": self._reading_days}
            taken = self._connection.execute(_ROLL_UP, limits).fetchall()
            rolled = [(hour, device) for hour, device, is_whole in taken if is_whole]
            if rolled:
                pairs = {"hour": [hour for hour, _ in rolled], "device": [device for _, device in rolled]}
                self._connection.execute(_DAYS_GONE, pairs)
                self._connection.execute(_DAYS, pairs)
        return len(taken)

    def _deletion(self, days: int, statement: LiteralString) -> Callable[[], int]:
        def delete() -> int:
            if not days or not self._clocks_agree():
                return 0
            return self._connection.execute(statement, (days, ROWS)).rowcount

        return delete

    def _dropping(self, table: str, days: int) -> Callable[[], int]:
        """Return a slice that drops whole chunks: rows of a hypertable are not deleted one by one."""

        def drop() -> int:
            if days and self._clocks_agree():
                self._connection.execute(
                    "SELECT drop_chunks(%s::regclass, older_than => make_interval(days => %s))", (table, days)
                )
            return 0

        return drop

    def _clocks_agree(self) -> bool:
        """Return whether the server's clock shows what ours does.

        The age of a row is told by both: ours wrote its time. If one of them is wrong, rows of today may seem
        to be years old.
        """
        ((server,),) = self._connection.execute("SELECT extract(epoch FROM now())::float8").fetchall()
        apart = abs(server - self._now())
        agree: bool = apart < CLOCKS_APART
        if not agree and not self._is_said:
            self.log.error(
                "nothing is deleted from the database: its clock and ours are {days:.0f} days apart",
                days=apart / 86_400,
            )
        self._is_said = not agree
        return agree
