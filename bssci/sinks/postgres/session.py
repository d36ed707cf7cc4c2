"""A connection that is ready for writing: tables migrated, features of TimescaleDB set up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from bssci.sinks.paced_size import PacedSize
from bssci.sinks.postgres import migrations, timescale
from bssci.sinks.postgres.connecting import Line, connect
from bssci.sinks.postgres.errors import AllRefused, ManyRefused
from bssci.sinks.postgres.rows import Aside, EventRows
from bssci.sinks.postgres.settings import PostgresSettings
from bssci.sinks.postgres.staging import create_all
from bssci.sinks.postgres.timescale import AGGREGATES
from bssci.sinks.postgres.upkeep import Upkeep
from bssci.sinks.postgres.writer import RowWriter
from bssci.sinks.set_aside import RefusalStreak

STATEMENT_TIME = 30
"""s that a statement may take"""
_SETTINGS: tuple[LiteralString, ...] = (
    "SET statement_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    # Only some releases have these; a database's own would end a connection that waits for events.
    "SELECT set_config(name, '0', false) FROM pg_settings"
    " WHERE name IN ('idle_session_timeout', 'transaction_timeout')",
    "SET client_min_messages = 'warning'",
    "SET timezone = 'UTC'",
    # psycopg reads times in no other style.
    "SET DateStyle = 'ISO'",
    # Compiling a merge costs more than it saves: the planner overestimates the temporary tables.
    "SET jit = off",
)


class DatabaseSession:
    """One connection and the work on it; all methods are called in one thread.

    :ivar server: the server's version, as text.
    :ivar migrated_from: version that the tables had before.
    :ivar timescale: features of TimescaleDB that are in use.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        connected: Callable[[Line], None],
        streak: RefusalStreak | None = None,
        size: PacedSize | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to the server, and bring the tables up to date.

        :param connected: called with the means to cut the connection, as soon as there is one.
        :param streak: see :class:`RowWriter`; None: a new one.
        :param size: events in a transaction; it outlives the connection; None: a new one.
        :param now: Unix seconds of our clock.
        :raises PostgresError: it cannot be done now.
        """
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._streak = RefusalStreak() if streak is None else streak
        self._size = PacedSize(settings.batch_size, STATEMENT_TIME) if size is None else size
        self._connection = connect(settings)
        try:
            self._line = Line(self._connection)
            connected(self._line)
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        settings, connection = self._settings, self._connection
        for statement in _SETTINGS:
            connection.execute(statement)
        path = sql.SQL("SET search_path TO {}, public").format(sql.Identifier(settings.schema))
        connection.execute(path)
        self.server = str(connection.info.parameter_status("server_version") or "")
        self.migrated_from = migrations.migrate(connection, settings.schema)
        self.timescale = timescale.set_up(connection, settings.raw_days, settings.reading_days)
        for statement in create_all():
            connection.execute(statement.encode())
        own_roll_up = not self.timescale.has(AGGREGATES)
        self._writer = RowWriter(connection, settings.write, roll_up=own_roll_up, streak=self._streak)
        days = {"raw": settings.raw_days, "reading": settings.reading_days}
        self._upkeep = Upkeep(connection, self.timescale, days, self._now)

    def store(self, units: Sequence[EventRows], asides: Sequence[Aside]) -> list[tuple[Any, Aside]]:
        """See :meth:`RowWriter.store`.

        :raises PostgresError: a newer release has migrated the tables.
        """
        migrations.check_version(
            migrations.version(self._connection, self._settings.schema), self._settings.schema
        )
        is_whole = len(units) <= self._size.now
        try:
            return self._store_in_parts(units, asides)
        except AllRefused:
            if is_whole:
                raise
            # The server may take others of the batch: then those of the transaction are at fault.
            return self._store_some(units, asides)

    def _store_in_parts(self, units: Sequence[EventRows], asides: Sequence[Aside]) -> list[tuple[Any, Aside]]:
        """Store events in transactions of as many as the server takes in time.

        :raises ManyRefused: of some transactions; all others are stored.
        """
        found: list[tuple[Any, Aside]] = []
        refusal: ManyRefused | None = None
        begin = 0
        while begin < len(units) or not begin:
            some = units[begin : begin + self._size.now]
            try:
                found += self._store_some(some, () if begin else asides)
            except ManyRefused as error:
                refusal = refusal or error
            begin += max(1, len(some))
        if refusal is not None:
            raise refusal
        return found

    def _store_some(self, units: Sequence[EventRows], asides: Sequence[Aside]) -> list[tuple[Any, Aside]]:
        """Store events in one transaction."""
        began = self._monotonic()
        try:
            found = self._writer.store(units, asides)
        except psycopg.errors.QueryCanceled:
            # A slow server would not finish as many the next time, either.
            self._size.late(len(units))
            raise
        self._size.taken(len(units), self._monotonic() - began)
        return found

    def upkeep(self) -> bool:
        """Do one slice of upkeep, and return whether there is more to do now."""
        return self._upkeep.slice()

    @property
    def upkeep_error(self) -> Exception | None:
        """The error of the upkeep that the server refuses; None: it does all of it."""
        return self._upkeep.error

    def close(self) -> None:
        self._line.close()
        self._connection.close()
