"""Unreadable entries: passed over, counted and reported, so that one costs itself only."""

from __future__ import annotations

import sqlite3

import msgspec
from twisted.logger import Logger

log = Logger()

UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError)
"""errors raised by reading a damaged entry; a text that is not UTF-8 is a ``ValueError``"""
LOG_EVERY = 100
"""damaged entries are logged the first time and every so many times"""


class CountingConnection(sqlite3.Connection):
    """Counts the entries that were passed over.

    :ivar unreadable: how many, since it was opened.
    :ivar damaged: of each table, how many and the key of the first; for inspections.
    """

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.unreadable = 0
        self.damaged: dict[str, tuple[int, object]] = {}
        self.text_factory = _text


def _text(data: bytes) -> str:
    """Return a text column; one with a damaged byte is shown with a mark in its place, and then fits
    nothing.
    """
    return data.decode("utf-8", "replace")


def pass_over(cursor: sqlite3.Cursor, table: str, key: object, error: Exception) -> None:
    """Note that an entry cannot be read."""
    connection = cursor.connection
    if isinstance(connection, CountingConnection):
        count, first = connection.damaged.get(table, (0, key))
        connection.damaged[table] = count + 1, first
        connection.unreadable += 1
        if connection.unreadable % LOG_EVERY != 1:
            return
    log.error(
        "journal entry not readable, passed over {table} {key}: {error}", table=table, key=key, error=error
    )
