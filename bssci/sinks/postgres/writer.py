"""Writing rows: staged in temporary tables, merged by one statement for each table, bad rows set aside.

    events' rows --COPY or INSERT--> temporary tables --INSERT ... ON CONFLICT--> raw, reading, ...

An event that comes again changes nothing, or replaces an earlier decoder's readings. The merge uses the
unique keys of the tables, so it does not matter who wrote a row before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, Cursor
from twisted.logger import Logger

from bssci.model.storable_text import storable
from bssci.sinks.postgres.errors import AllRefused, ManyRefused
from bssci.sinks.postgres.explain import is_poison, reason
from bssci.sinks.postgres.facts import devices_of, gateways_of
from bssci.sinks.postgres.rows import Aside, DecodedMark, EventRow, EventRows, RawRow, ReadingRow
from bssci.sinks.postgres.settings import COPY
from bssci.sinks.postgres.staging import STAGES, Stage
from bssci.sinks.postgres.texts import to_safe_json
from bssci.sinks.set_aside import RefusalStreak

ROWS_AN_INSERT, CHARACTERS_AN_INSERT = 50, 16_000
"""limits of one INSERT: a server that cannot do COPY may not take long statements either"""
_KNOWN = """
    SELECT received_at, id FROM stage_raw
    WHERE EXISTS (SELECT FROM raw WHERE raw.received_at = stage_raw.received_at AND raw.id = stage_raw.id
                  AND raw.received_at BETWEEN %s AND %s)"""
_RAW = """
    INSERT INTO raw (received_at, id, device, gateway, source, payload, bytes)
    SELECT received_at, id, device, gateway, source, payload::jsonb, bytes FROM stage_raw
    ON CONFLICT (received_at, id) DO UPDATE SET payload = excluded.payload
    WHERE raw.payload IS DISTINCT FROM excluded.payload
    RETURNING received_at, id"""
_SWALLOWED = """
    SELECT count(*) FROM stage_raw
    WHERE NOT EXISTS (SELECT FROM raw
                      WHERE raw.received_at = stage_raw.received_at AND raw.id = stage_raw.id)"""
_NO_LONGER_READ = """
    DELETE FROM reading USING stage_decoded
    WHERE reading.time = stage_decoded.time AND reading.id = stage_decoded.id
      AND reading.time BETWEEN %s AND %s
      AND NOT EXISTS (SELECT FROM stage_reading new WHERE new.time = reading.time AND new.id = reading.id
                      AND new.device = reading.device AND new.name = reading.name)
    RETURNING reading.time, reading.device"""
_READINGS = """
    INSERT INTO reading (time, device, name, value, text, unit, id, gateway, decoder, topic)
    SELECT time, device, name, value, text, unit, id, gateway, decoder, topic FROM stage_reading
    ON CONFLICT (time, device, name, id) DO UPDATE
    SET value = excluded.value, text = excluded.text, unit = excluded.unit, gateway = excluded.gateway,
        decoder = excluded.decoder, topic = excluded.topic
    WHERE (reading.value, reading.text, reading.unit, reading.gateway, reading.decoder, reading.topic)
          IS DISTINCT FROM
          (excluded.value, excluded.text, excluded.unit, excluded.gateway, excluded.decoder,
           excluded.topic)"""
_DUE = """
    INSERT INTO rollup_due (hour, device)
    SELECT DISTINCT date_trunc('hour', time, 'UTC'), device FROM stage_reading ON CONFLICT DO NOTHING"""
_DUE_AGAIN = """
    INSERT INTO rollup_due (hour, device) VALUES (date_trunc('hour', %s::timestamptz, 'UTC'), %s)
    ON CONFLICT DO NOTHING"""
_DEVICES = """
    INSERT INTO device AS old
        (id, kind, name, model, decoder, parent, port, tags, location, first_seen, last_seen, count)
    SELECT id, kind, name, model, decoder, parent, port, tags::jsonb, location::jsonb, first_seen,
           last_seen, count
    FROM stage_device
    ON CONFLICT (id) DO UPDATE
    SET name = coalesce(excluded.name, old.name), model = coalesce(excluded.model, old.model),
        decoder = coalesce(excluded.decoder, old.decoder), parent = coalesce(excluded.parent, old.parent),
        port = coalesce(excluded.port, old.port), tags = coalesce(excluded.tags, old.tags),
        location = coalesce(excluded.location, old.location),
        first_seen = least(excluded.first_seen, old.first_seen),
        last_seen = greatest(excluded.last_seen, old.last_seen), count = old.count + excluded.count"""
_GATEWAYS = """
    INSERT INTO gateway AS old (id, kind, name, location, state, state_at, last_seen, status, status_at)
    SELECT id, kind, name, location::jsonb, state, state_at, last_seen, status::jsonb, status_at
    FROM stage_gateway
    ON CONFLICT (id) DO UPDATE
    SET kind = excluded.kind, name = coalesce(excluded.name, old.name),
        location = coalesce(excluded.location, old.location),
        state = CASE WHEN excluded.state_at >= coalesce(old.state_at, '-infinity') THEN excluded.state
                     ELSE old.state END,
        state_at = greatest(excluded.state_at, old.state_at),
        status = CASE WHEN excluded.status_at >= coalesce(old.status_at, '-infinity') THEN excluded.status
                      ELSE old.status END,
        status_at = greatest(excluded.status_at, old.status_at),
        last_seen = greatest(excluded.last_seen, old.last_seen)"""
_EVENTS = """
    INSERT INTO event (time, kind, device, gateway, body, id)
    SELECT time, kind, device, gateway, body::jsonb, id FROM stage_event ON CONFLICT DO NOTHING"""
_CLEAR: LiteralString = ";".join(stage.clear for stage in STAGES)
"""one exchange with the server, however far it is: rows at fault are found by many attempts"""
_ASIDE = """
    INSERT INTO set_aside (time, id, reason, body) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"""


class RowWriter:
    """Writes to a connection in autocommit mode on which the tables of :mod:`staging` exist.

    :param write: ``copy`` or ``insert``.
    :param roll_up: whether the hours whose values must be rolled up are noted.
    :param streak: outlives the connection.
    """

    log = Logger()

    def __init__(
        self, connection: Connection[Any], write: str, *, roll_up: bool, streak: RefusalStreak
    ) -> None:
        self._connection = connection
        self._streak = streak
        self._fill = _copy if write == COPY else _insert
        self._roll_up = roll_up
        self._is_swallowing_said = False

    def store(self, units: Sequence[EventRows], asides: Sequence[Aside]) -> list[tuple[Any, Aside]]:
        """Store in one transaction, and return the rows that the server refused, each with its event.

        :param asides: rows that are already known not to be storable.
        :raises psycopg.Error: nothing is stored, for a reason that no row caused.
        :raises AllRefused: the server refuses all that devices sent.
        :raises ManyRefused: it refuses much of that; what it takes is stored, and nothing is set aside.
        """
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                self._write(cursor, units)
                _set_aside(cursor, asides)
            self._refusal(units, set())
            return []
        except Exception as error:
            if not is_poison(error):
                raise
        with self._connection.transaction(), self._connection.cursor() as cursor:
            lost: set[int] = set()
            found = list(self._isolate(cursor, units, lost))
            refusal = self._refusal(units, lost, found[0][1].reason if found else "")
            if refusal is None:
                _set_aside(cursor, [*asides, *(aside for _, aside in found)])
        if refusal is not None:
            raise refusal
        return found

    def _refusal(
        self, units: Sequence[EventRows], refused: set[int], why: str = ""
    ) -> AllRefused | ManyRefused | None:
        """Decide whether the refused rows are at fault, or the tables; return the error in the latter case.

        :param refused: :func:`id` of events that are not in ``raw``.
        """
        outcomes = [unit.id if id(unit.event) in refused else None for unit in units if unit.raw]
        if not outcomes or self._streak.excuses(outcomes):
            return None
        if None in outcomes:
            return ManyRefused(f"the server refuses many in a row of what devices sent: {why}")
        return AllRefused(f"the server refuses all that devices sent: {why}")

    def _isolate(
        self, cursor: Cursor[Any], units: Sequence[EventRows], lost: set[int]
    ) -> Iterator[tuple[Any, Aside]]:
        """Write everything but the bad rows, which are found by halving; yield those.

        :param lost: gets the :func:`id` of each event that is not in ``raw`` then.
        """
        error = self._try(cursor, units)
        if error is None:
            return
        if len(units) > 1:
            middle = len(units) // 2
            yield from self._isolate(cursor, units[:middle], lost)
            yield from self._isolate(cursor, units[middle:], lost)
            return
        (unit,) = units
        good: set[int] = set()
        bad: list[tuple[Any, Aside]] = []
        for row in unit.rows():
            alone = replace(unit.only({id(row)}), decoded=[], devices=[], gateways=[], stations=[])
            refused = self._try(cursor, [alone], keep=False)
            if refused is None:
                good.add(id(row))
            else:
                if isinstance(row, RawRow):
                    lost.add(id(unit.event))
                bad.append((unit.event, _aside(unit, reason(refused), _named(row))))
        # The rest fails only if not a row is at fault, but the facts of a device or gateway.
        rest = self._try(cursor, [unit.only(good)]) if good else error
        if rest is not None and good and self._try(cursor, [unit.only(good).without_facts()]) is None:
            why = f"of its device or gateway: {reason(rest)}"
            bad.append((unit.event, _aside(unit, why, [unit.devices, unit.gateways])))
            rest = None
        if rest is not None:
            lost.add(id(unit.event))
        if bad and (rest is None or not good):
            yield from bad
        elif rest is not None:
            yield unit.event, _aside(unit, reason(rest), unit.event)

    def _try(self, cursor: Cursor[Any], units: Sequence[EventRows], *, keep: bool = True) -> Exception | None:
        """Write, or only find out whether that works; return the error if a row causes one."""
        try:
            with self._connection.transaction() as savepoint:
                cursor.execute(_CLEAR)
                self._write(cursor, units)
                if not keep:
                    raise psycopg.Rollback(savepoint)
        except Exception as error:
            if not is_poison(error):
                raise
            return error
        return None

    def _write(self, cursor: Cursor[Any], units: Sequence[EventRows]) -> None:
        raw = {row[:2]: row for unit in units for row in unit.raw}
        known = self._raw(cursor, raw) if raw else set()
        devices = devices_of(units, known)
        if devices:
            self._merge(cursor, STAGES.device, devices, _DEVICES)
        gateways = gateways_of(units)
        if gateways:
            self._merge(cursor, STAGES.gateway, gateways, _GATEWAYS)
        decoded = list(dict.fromkeys(mark for unit in units for mark in unit.decoded))
        # The last of two readings of one name counts, as in `components` on MQTT.
        readings = {(row.time, row.device, row.name, row.id): row for unit in units for row in unit.readings}
        if decoded or readings:
            self._readings(cursor, decoded, list(readings.values()))
        events = {(row.time, row.id): row for unit in units for row in unit.events}
        if events:
            self._merge(cursor, STAGES.event, list[EventRow](events.values()), _EVENTS)

    def _raw(self, cursor: Cursor[Any], rows: dict[Any, RawRow]) -> set[tuple[datetime, str]]:
        """Store raw rows, and return those that were there before.

        A row that another service stores meanwhile is waited for, and not written a second time.
        """
        self._fill(cursor, STAGES.raw, rows.values())
        times = [row.received_at for row in rows.values()]
        known = set(cursor.execute(_KNOWN, (min(times), max(times))).fetchall())
        written = set(cursor.execute(_RAW).fetchall())
        if rows.keys() - known - written:
            self._note_swallowed(cursor)
        return known | (rows.keys() - written)

    def _note_swallowed(self, cursor: Cursor[Any]) -> None:
        """Log, once for each connection, that rows are not stored although the server reports no error."""
        ((number,),) = cursor.execute(_SWALLOWED).fetchall()
        if number and not self._is_swallowing_said:
            self._is_swallowing_said = True
            self.log.warn(
                "PostgreSQL: {number} telegrams are not in the table raw after they were stored: a trigger,"
                " rule or view of yours leaves them out",
                number=number,
            )

    def _readings(
        self, cursor: Cursor[Any], decoded: Sequence[DecodedMark], readings: Sequence[ReadingRow]
    ) -> None:
        self._fill(cursor, STAGES.reading, readings)
        if decoded:
            self._fill(cursor, STAGES.decoded, decoded)
            times = [mark.time for mark in decoded]
            gone = cursor.execute(_NO_LONGER_READ, (min(times), max(times))).fetchall()
            if gone and self._roll_up:
                cursor.executemany(_DUE_AGAIN, gone)
        if readings:
            cursor.execute(_READINGS)
            if self._roll_up:
                cursor.execute(_DUE)

    def _merge(self, cursor: Cursor[Any], stage: Stage, rows: Sequence[Any], statement: str) -> None:
        self._fill(cursor, stage, rows)
        cursor.execute(statement)


def _copy(cursor: Cursor[Any], stage: Stage, rows: Iterable[Sequence[Any]]) -> None:
    with cursor.copy(stage.copy) as copy:
        copy.set_types(stage.types)
        for row in rows:
            copy.write_row(row)


def _insert(cursor: Cursor[Any], stage: Stage, rows: Iterable[Sequence[Any]]) -> None:
    for chunk in _chunks(rows):
        cursor.execute(stage.insert(len(chunk)), [value for row in chunk for value in row])


def _chunks(rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Yield the rows of each INSERT, at least one."""
    chunk: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row if isinstance(value, (str, bytes)))
        if chunk and (len(chunk) == ROWS_AN_INSERT or size + length > CHARACTERS_AN_INSERT):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += length
    if chunk:
        yield chunk


def _set_aside(cursor: Cursor[Any], asides: Iterable[Aside]) -> None:
    for aside in asides:
        cursor.execute(_ASIDE, (aside.time, storable(aside.id), storable(aside.reason), storable(aside.body)))


def _aside(unit: EventRows, why: str, body: Any) -> Aside:
    return Aside(unit.at, unit.id, why, to_safe_json(body))


def _named(row: Any) -> dict[str, Any]:
    """Return a row with the names of its columns, for people to read."""
    columns = row._asdict().items()
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in columns}
