"""Keyed tables, with statements and rows derived from the classes of the records."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, Generic, get_args, get_type_hints

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.interface import Change, Key, Record
from bssci.journal.kept import KEPT, Kept
from bssci.journal.sqlite.checkpoints import CHECKPOINTS
from bssci.journal.sqlite.core import Core, LaneChange, LaneRows
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.statements import Row, execute_rows, upsert
from bssci.journal.sqlite.worker import Lane
from bssci.model.eui import parse_eui

_PLAIN = (str, int, float, bytes)
"""types that SQL columns can hold; others are stored as MessagePack"""


def _is_plain(hint: Any) -> bool:
    kinds = [each for each in get_args(hint) or (hint,) if each is not NoneType]
    return all(getattr(kind, "__supertype__", kind) in _PLAIN or isinstance(kind, _PLAIN) for kind in kinds)


class Table(Generic[Record]):
    """One keyed table."""

    def __init__(self, kind: type[Record]) -> None:
        self.kind = kind
        self.name = kind.TABLE
        self.columns = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
        hints = get_type_hints(kind)
        self._packed = [name for name in self.columns if not _is_plain(hints[name])]
        self.lane: Lane[tuple[str | int, Record | None]] = Lane(self._write)

    def _write(self, cursor: sqlite3.Cursor, changes: list[tuple[str | int, Record | None]]) -> None:
        last = dict(changes)
        execute_rows(
            cursor,
            f"DELETE FROM {self.name} WHERE {self.kind.KEY} IN (VALUES {{rows}})",
            [(key,) for key, record in last.items() if record is None],
        )
        rows = [self._row(record) for record in last.values() if record is not None]
        upsert(cursor, self.name, self.columns, rows, key=(self.kind.KEY,), fixed=self.kind.FIXED)

    def load(self, cursor: sqlite3.Cursor) -> dict[Any, Record]:
        """Return every row by its key, in the order of the keys."""
        rows = cursor.execute(f"SELECT {', '.join(self.columns)} FROM {self.name} ORDER BY {self.kind.KEY}")
        position = self.columns.index(self.kind.KEY)
        found: dict[Any, Record] = {}
        for row in rows.fetchall():
            try:
                found[row[position]] = self._record(row)
            except UNREADABLE as error:
                pass_over(cursor, self.name, row[position], error)
        return found

    def _row(self, record: Record) -> Row:
        values = {name: getattr(record, name) for name in self.columns}
        for name in self._packed:
            if values[name] is not None:
                values[name] = msgspec.msgpack.encode(values[name])
        return tuple(values.values())

    def _record(self, row: Row) -> Record:
        values: dict[str, Any] = dict(zip(self.columns, row, strict=True))
        for name in self._packed:
            if values[name] is not None:
                values[name] = msgspec.msgpack.decode(values[name])
        record = msgspec.convert(values, self.kind, builtin_types=(bytes,))
        if self.kind.KEY.endswith("_eui"):
            parse_eui(values[self.kind.KEY])
        return record


TABLES: dict[type[Kept], Table[Any]] = {kind: Table(kind) for kind in KEPT}


class Tables:
    """SQLite implementation of :class:`bssci.journal.interface.Tables`."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def put(self, records: Iterable[Kept]) -> Deferred[None]:
        by_kind: dict[type[Kept], list[tuple[str | int, Kept]]] = {}
        for record in records:
            by_kind.setdefault(type(record), []).append((getattr(record, record.KEY), record))
        return self._core.store(*((TABLES[kind].lane, rows) for kind, rows in by_kind.items()))

    def delete(self, kind: type[Kept], keys: Iterable[str | int]) -> Deferred[None]:
        return self._core.store((TABLES[kind].lane, [(key, None) for key in keys]))

    def apply(
        self, kind: type[Record], rows: Mapping[Key, Record | None], *, through: int | None = None
    ) -> Deferred[None]:
        # A copy without a tuple for each row: for 100 000 rows, those are made in the writing thread.
        lanes: list[LaneRows] = [(TABLES[kind].lane, dict(rows).items())]
        if through is not None:
            lanes.append((CHECKPOINTS, [(kind.TABLE, through)]))
        return self._core.store(*lanes)

    def change(self, kind: type[Record], rows: Mapping[Key, Record | None]) -> Change:
        return LaneChange((TABLES[kind].lane, dict(rows).items()))
