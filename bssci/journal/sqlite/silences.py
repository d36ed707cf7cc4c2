"""What uplinks alone do not tell of the silence of configured sensors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from twisted.internet.defer import Deferred

from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A configured sensor: since when its silence counts at most, and what was said about it."""

    end_point_eui: EUI
    attached_at: float
    """Unix seconds"""
    how: Literal["configured", "command", "over the air"]
    """it was attached"""
    warned_since: float | None = None
    """Unix seconds when the last silence that was warned of began"""
    detached_since: float | None = None
    """Unix seconds when the last silence that it was detached for began"""


def _change_silences(cursor: sqlite3.Cursor, changes: list[tuple[EUI, Silence | None]]) -> None:
    last = dict(changes)
    execute_rows(
        cursor,
        "DELETE FROM silence WHERE end_point_eui IN (VALUES {rows})",
        [(eui,) for eui, silence in last.items() if silence is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO silence (end_point_eui, attached_at, how, warned_since, detached_since) VALUES {rows} "
        "ON CONFLICT (end_point_eui) DO UPDATE SET attached_at = excluded.attached_at, how = excluded.how, "
        "warned_since = excluded.warned_since, detached_since = excluded.detached_since",
        [
            (s.end_point_eui, s.attached_at, s.how, s.warned_since, s.detached_since)
            for s in last.values()
            if s is not None
        ],
    )


SILENCES: Lane[tuple[EUI, Silence | None]] = Lane(_change_silences)
"""A sensor's silence, or None to forget it; the last word counts."""


class Silences(Core):
    """Part of the journal: silences."""

    def load_silences(self) -> dict[EUI, Silence]:
        """What is stored of every sensor, for the start."""
        return {silence.end_point_eui: silence for silence in self._read_now(_select)}

    def store_silences(self, silences: Iterable[Silence]) -> Deferred[None]:
        return self._rows(SILENCES, [(each.end_point_eui, each) for each in silences])

    def delete_silences(self, end_point_euis: Iterable[EUI]) -> Deferred[None]:
        """Sensors that are no longer configured."""
        return self._rows(SILENCES, [(eui, None) for eui in end_point_euis])


def _select(cursor: sqlite3.Cursor) -> list[Silence]:
    rows = cursor.execute(
        "SELECT end_point_eui, attached_at, how, warned_since, detached_since FROM silence"
    ).fetchall()
    return [
        Silence(
            end_point_eui=eui,
            attached_at=attached_at,
            how=how,
            warned_since=warned_since,
            detached_since=detached_since,
        )
        for eui, attached_at, how, warned_since, detached_since in rows
    ]
