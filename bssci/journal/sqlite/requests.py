"""Requests: received, carried out once, answered."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from twisted.internet.defer import Deferred

from bssci.journal.interface import ALL_TIME, Change
from bssci.journal.records import StoredRequest
from bssci.journal.sqlite.core import Core, LaneChange
from bssci.journal.sqlite.damage import UNREADABLE, pass_over
from bssci.journal.sqlite.events import ROOM, Events
from bssci.journal.sqlite.worker import Lane
from bssci.model.states import RequestOutcome

_COLUMNS = ("number", "source", "topic", "payload", "received_at", "state", "answer", "answered_at")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM request "
_DELETE = (
    "DELETE FROM request WHERE number IN "
    "(SELECT number FROM request WHERE answered_at IS NOT NULL AND answered_at < ? LIMIT ?)"
)


def _answer(cursor: sqlite3.Cursor, answers: list[tuple[str, bytes, float | None, int]]) -> None:
    # The first answer is final.
    cursor.executemany(
        "UPDATE request SET state = ?, answer = ?, answered_at = ? WHERE number = ? AND state = 'received'",
        answers,
    )


ANSWERS: Lane[tuple[str, bytes, float | None, int]] = Lane(_answer)
"""(state, answer, Unix seconds, number); of a note: (``received``, note, None, number)"""


class Requests:
    """SQLite implementation of :class:`bssci.journal.interface.Requests`."""

    def __init__(self, core: Core, events: Events) -> None:
        self._core = core
        self._events = events
        core.when_full(self._make_room)

    def receive(self, source: str, topic: str, payload: bytes, at: float) -> Deferred[int]:
        values = (source, topic, payload, at)
        return self._core.change(lambda cursor: _insert(cursor, values), after=())

    def answer(self, number: int, state: RequestOutcome, answer: bytes, at: float) -> Deferred[None]:
        return self._core.store((ANSWERS, [(state, answer, at, number)]))

    def answering(self, number: int, state: RequestOutcome, answer: bytes, at: float) -> Change:
        return LaneChange((ANSWERS, [(state, answer, at, number)]))

    def noting(self, number: int, note: bytes) -> Change:
        return LaneChange((ANSWERS, [("received", note, None, number)]))

    def newest(
        self, source: str, topic: str, limit: int, *, beginning: bytes = b"", within: float = ALL_TIME
    ) -> Deferred[list[StoredRequest]]:
        on_topic = "FROM request WHERE source = :source AND topic = :topic ORDER BY number DESC LIMIT 1"
        query = (
            f"{_SELECT} WHERE source = :source AND topic = :topic "
            "AND substr(payload, 1, :length) = :beginning "
            f"AND number >= COALESCE((SELECT number {on_topic} OFFSET :limit - 1), 0) "
            f"AND received_at >= (SELECT received_at {on_topic}) - :within ORDER BY number DESC"
        )
        values = {
            "source": source,
            "topic": topic,
            "limit": limit,
            "length": len(beginning),
            "beginning": beginning,
            "within": within,
        }
        return self._core.read_after_writing(lambda cursor: _listed(cursor, query, values))

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        return self._core.change(
            lambda cursor: cursor.execute(_DELETE, (before_at, limit)).rowcount, after=()
        )

    def _make_room(self, cursor: sqlite3.Cursor) -> int:
        """Delete answered requests that are older than all delivered events; return their number."""
        return cursor.execute(_DELETE, (self._events.history_begins(cursor), ROOM)).rowcount


def load_requests(cursor: sqlite3.Cursor) -> tuple[StoredRequest, ...]:
    """Return the requests without an answer, in the order in which they came."""
    return tuple(_listed(cursor, _SELECT + "WHERE state = 'received' ORDER BY number", ()))


def _insert(cursor: sqlite3.Cursor, values: tuple[str, str, bytes, float]) -> int:
    cursor.execute(
        "INSERT INTO request (source, topic, payload, received_at, state) VALUES (?, ?, ?, ?, 'received')",
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _listed(
    cursor: sqlite3.Cursor, query: str, values: tuple[Any, ...] | dict[str, Any]
) -> list[StoredRequest]:
    found = []
    for row in cursor.execute(query, values).fetchall():
        try:
            kept = dict(zip(_COLUMNS, row, strict=True))
            found.append(msgspec.convert(kept, StoredRequest, builtin_types=(bytes,)))
        except UNREADABLE as error:
            pass_over(cursor, "request", row[0], error)
    return found
