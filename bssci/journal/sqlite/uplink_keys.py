"""Index of uplinks by sensor and counter that does not write a disk page for every uplink.

In an index over all uplinks the next entry of each sensor is on another page: updating it with every commit
would cost several times as much as the uplinks themselves. The keys of new uplinks therefore wait in memory
and are written in great numbers at a time, ordered by sensor, so that a page is written once for many keys:

    stored --> waiting --LIMIT reached--> leaving --slice by slice, one a commit--> table uplink_key

After a restart the waiting keys are restored from the events after the checkpoint ``uplink_key``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from bssci.journal.sqlite.checkpoints import UPLINK_KEY, find_checkpoint, move_checkpoints
from bssci.journal.sqlite.statements import execute_rows, fetch_numbers, query_rows
from bssci.model import EUI

LIMIT = 50_000
"""number of waiting keys at which they are written to disk"""
SLICE = 1024
"""keys that are written in one commit"""
NEWEST = 32
"""uplinks of one sensor with the same counter that are found; a counter that is stuck has thousands"""


class UplinkKeys:
    """Index of uplinks by counter, for the journal's writing thread only.

    :param rows: (end point, packet counter, sequence number) of the uplinks after the checkpoint.
    """

    def __init__(self, rows: Iterable[tuple[EUI, int, int]]) -> None:
        self.waiting: dict[EUI, list[tuple[int, int]]] = {}
        self.leaving: dict[EUI, list[tuple[int, int]]] = {}
        self._leaving_rows: list[tuple[EUI, int, int]] = []
        self._unsettled: list[tuple[EUI, int, int]] = []
        self.add(rows)
        self.settle(True)

    def add(self, rows: Iterable[tuple[EUI, int, int]]) -> None:
        """Add keys of uplinks that are being stored; they stay if :meth:`settle` confirms them."""
        waiting = self.waiting
        first = len(self._unsettled)
        self._unsettled += rows
        for eui, counter, seq in self._unsettled[first:]:
            found = waiting.get(eui)
            if found is None:
                waiting[eui] = [(counter, seq)]
            else:
                found.append((counter, seq))

    def settle(self, committed: bool) -> None:
        """Confirm the keys added since the last call, or drop them if their commit failed."""
        if not committed:
            for eui, _, _ in reversed(self._unsettled):
                known = self.waiting if eui in self.waiting else self.leaving
                known[eui].pop()
                if not known[eui]:
                    del known[eui]
        self._unsettled = []

    def find(self, cursor: sqlite3.Cursor, keys: Sequence[tuple[EUI, int]]) -> list[int]:
        """Return the numbers of the newest uplinks of each (end point, packet counter), ascending."""
        rows = query_rows(
            cursor,
            # A cross join, because SQLite keeps its order of tables. For "(a, b) IN (VALUES ...)", and for
            # an inner join with many keys, it would scan the whole table.
            "WITH wanted (eui, counter) AS (VALUES {rows}) SELECT seq FROM wanted CROSS JOIN uplink_key "
            "WHERE uplink_key.id IN (SELECT id FROM uplink_key WHERE end_point_eui = eui "
            f"AND packet_counter = counter ORDER BY seq DESC LIMIT {NEWEST})",
            keys,
        )
        seqs = {seq for (seq,) in rows}
        for eui, wanted in keys:
            for known in (self.waiting, self.leaving):
                newest_first = reversed(known.get(eui, ()))
                seqs.update(islice((seq for counter, seq in newest_first if counter == wanted), NEWEST))
        return sorted(seqs)

    def recent(self, eui: EUI) -> list[int]:
        """Return the sequence numbers of a sensor's uplinks whose keys are not all on disk."""
        return [seq for known in (self.leaving, self.waiting) for _, seq in known.get(eui, ())]

    # writing to disk: begin, then write until that returns None, then end; each after the previous commit

    def begin(self) -> None:
        """Mark all waiting keys as being written, in addition to those of an earlier attempt that failed."""
        waiting, self.waiting = self.waiting, {}
        for eui, entries in waiting.items():
            self.leaving.setdefault(eui, []).extend(entries)
        self._leaving_rows = [
            (eui, counter, seq) for eui in sorted(self.leaving) for counter, seq in self.leaving[eui]
        ]

    def write(self, cursor: sqlite3.Cursor, position: int) -> int | None:
        """Write the slice at ``position``; return the position of the next, None if this was the last."""
        oldest = cursor.execute("SELECT MIN(seq) FROM event").fetchone()[0] or 0
        rows = self._leaving_rows[position : position + SLICE]
        execute_rows(
            cursor,
            "INSERT INTO uplink_key (end_point_eui, packet_counter, seq) VALUES {rows}",
            [row for row in rows if row[2] >= oldest],
        )
        if position + SLICE < len(self._leaving_rows):
            return position + SLICE
        newest = max((row[2] for row in self._leaving_rows), default=0)
        move_checkpoints(cursor, [(UPLINK_KEY, newest)])
        return None

    def end(self) -> None:
        """Drop the keys that were being written, since they are on disk now."""
        self.leaving = {}
        self._leaving_rows = []


def newest_of_sensor(
    cursor: sqlite3.Cursor, recent: Collection[int], eui: EUI, before: int, limit: int
) -> list[int]:
    """Return the numbers of a sensor's newest uplinks below ``before``, in descending order.

    :param recent: result of :meth:`UplinkKeys.recent` shortly before the query.
    """
    query = (
        "SELECT DISTINCT seq FROM uplink_key WHERE end_point_eui = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
    )
    seqs = set(fetch_numbers(cursor, query, (eui, before, limit)))
    seqs.update(seq for seq in recent if seq < before)
    return sorted(seqs, reverse=True)[:limit]


def waiting_keys(cursor: sqlite3.Cursor) -> list[tuple[EUI, int, int]]:
    """Return the keys that are not on disk yet, for :class:`UplinkKeys` at the start."""
    return cursor.execute(
        "SELECT end_point_eui, packet_counter, seq FROM event WHERE kind = 'uplink' AND seq > ? "
        "AND typeof(end_point_eui) = 'text' AND typeof(packet_counter) = 'integer'",
        (find_checkpoint(cursor, UPLINK_KEY) or 0,),
    ).fetchall()


def delete_keys(cursor: sqlite3.Cursor, after: int, last: int, before_at: float) -> None:
    """Delete the keys of the old uplinks in a range of events, which are about to be deleted."""
    cursor.execute(
        "DELETE FROM uplink_key WHERE id IN (SELECT uplink_key.id FROM event CROSS JOIN uplink_key "
        "WHERE event.seq > ? AND event.seq <= ? AND event.at < ? AND event.kind = 'uplink' "
        "AND uplink_key.end_point_eui = event.end_point_eui AND uplink_key.seq = event.seq)",
        (after, last, before_at),
    )
