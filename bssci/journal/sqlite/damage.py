"""Unreadable entries: skipped, counted and logged, so that a damaged one affects no other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, TypeVar

import msgspec
from twisted.logger import Logger

from bssci.model import EUI
from bssci.system.line_limit import is_logged

log = Logger()

Row = TypeVar("Row", bound=tuple[Any, ...])

StoredEUI = Annotated[EUI, msgspec.Meta(pattern="^[0-9A-F]{16}$")]
"""an EUI in a row, where damage may have made any text of it"""
_LAST_NUMBER = 1 << 62
"""the highest number of a row after which there are enough for others"""

UNREADABLE = (
    msgspec.MsgspecError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
"""errors that decoding a damaged entry raises, ``ValueError`` among them for a text that is not UTF-8"""


class CountingConnection(sqlite3.Connection):
    """A connection that counts the damaged entries that were skipped.

    :ivar unreadable: number of skipped entries since the connection was opened.
    :ivar damaged: number of skipped entries and key of the first, by table; for inspections.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.unreadable = 0
        self.damaged: dict[str, tuple[int, object]] = {}
        self.text_factory = _text


def _text(data: bytes) -> str:
    """Return the text of a column; damaged bytes become replacement characters, so it matches nothing."""
    return data.decode("utf-8", "replace")


def pass_over(cursor: sqlite3.Cursor, table: str, key: object, error: Exception) -> None:
    """Count, and log at times, that a damaged entry is skipped."""
    connection = cursor.connection
    if isinstance(connection, CountingConnection):
        count, first = connection.damaged.get(table, (0, key))
        connection.damaged[table] = count + 1, first
        connection.unreadable += 1
        if not is_logged(connection.unreadable):
            return
    log.error("journal entry unreadable, skipped {table} {key}: {error}", table=table, key=key, error=error)


def sound_rows(
    cursor: sqlite3.Cursor, table: str, rows: Iterable[tuple[Any, ...]], kind: type[Row]
) -> Iterator[Row]:
    """Yield rows of a table, without those in which a value has another type than in ``kind``."""
    for row in rows:
        try:
            yield msgspec.convert(row, kind, builtin_types=(bytes,))
        except UNREADABLE as error:
            pass_over(cursor, table, row[0], error)


def remove_last_numbers(connection: sqlite3.Connection) -> None:
    """Delete rows to which damage has given so high a number that there would be none for the next row."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in rows}
    for table in sorted(tables):
        keys = [row for row in connection.execute(f"PRAGMA table_info({table})") if row[5]]
        if [row[2] for row in keys] != ["INTEGER"]:
            continue
        last = f"DELETE FROM {table} WHERE {keys[0][1]} > ?"
        if removed := connection.execute(last, (_LAST_NUMBER,)).rowcount:
            log.error(
                "journal entries with impossible numbers removed {table} {count}", table=table, count=removed
            )
    if "sqlite_sequence" in tables:
        connection.execute("UPDATE sqlite_sequence SET seq = 0 WHERE seq > ?", (_LAST_NUMBER,))
