"""Attachments of sensors that are not just configured: over the air, or detached."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from twisted.internet.defer import Deferred

from bssci.journal.records import Registration
from bssci.journal.sqlite.core import Core
from bssci.journal.sqlite.statements import execute_rows
from bssci.journal.sqlite.worker import Lane
from bssci.model import EUI


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """How a sensor differs from "attached with its own key", which needs no record."""

    end_point_eui: EUI
    state: Literal["attached", "detached"]
    session_key: bytes | None = None
    """16 bytes, of an attachment over the air. Secret"""
    short_address: int | None = None
    """of an attachment over the air"""
    attach_counter: int | None = None
    """24 bits, the last that was accepted; kept when the sensor is detached"""
    reason: str
    """``command``, ``over the air`` or ``inactivity``"""
    since: float
    """Unix seconds"""

    @property
    def over_the_air(self) -> bool:
        return self.session_key is not None

    def __repr__(self) -> str:
        return f"Attachment({self.end_point_eui} {self.state})"


def _change_attachments(cursor: sqlite3.Cursor, changes: list[tuple[EUI, Attachment | None]]) -> None:
    last = dict(changes)
    execute_rows(
        cursor,
        "DELETE FROM attachment WHERE end_point_eui IN (VALUES {rows})",
        [(eui,) for eui, attachment in last.items() if attachment is None],
    )
    execute_rows(
        cursor,
        "INSERT INTO attachment (end_point_eui, state, session_key, short_address, attach_counter, reason, "
        "since) VALUES {rows} ON CONFLICT (end_point_eui) DO UPDATE SET state = excluded.state, "
        "session_key = excluded.session_key, short_address = excluded.short_address, "
        "attach_counter = excluded.attach_counter, reason = excluded.reason, since = excluded.since",
        [
            (a.end_point_eui, a.state, a.session_key, a.short_address, a.attach_counter, a.reason, a.since)
            for a in last.values()
            if a is not None
        ],
    )


ATTACHMENTS: Lane[tuple[EUI, Attachment | None]] = Lane(_change_attachments)
"""A sensor's attachment, or None to forget it; of one sensor the last word counts."""


class Attachments(Core):
    """Part of the journal: attachments, and what stations hold of which sensor."""

    def load_attachments(self) -> dict[EUI, Attachment]:
        """Every stored attachment, for the start."""
        return {attachment.end_point_eui: attachment for attachment in self._read_now(_select)}

    def store_attachments(self, attachments: Iterable[Attachment]) -> Deferred[None]:
        return self._rows(ATTACHMENTS, [(each.end_point_eui, each) for each in attachments])

    def registrations_of(self, end_point_eui: EUI) -> Deferred[dict[EUI, Registration]]:
        """What each base station was told about a sensor in its present session, by station."""
        return self._read_after_writing(lambda cursor: _registrations_of(cursor, end_point_eui))

    def count_registrations(self) -> Deferred[dict[EUI, dict[str, int]]]:
        """How many sensors each base station holds and refused: by station, then by state."""
        return self.read(_count_registrations)


def _registrations_of(cursor: sqlite3.Cursor, end_point_eui: EUI) -> dict[EUI, Registration]:
    rows = cursor.execute(
        "SELECT base_station_eui, fingerprint, state, code, message, at FROM registration "
        "WHERE end_point_eui = ? ORDER BY base_station_eui",
        (end_point_eui,),
    ).fetchall()
    return {
        station: Registration(
            end_point_eui=end_point_eui,
            fingerprint=fingerprint,
            state=state,
            code=code,
            message=message,
            at=at,
        )
        for station, fingerprint, state, code, message, at in rows
    }


def _count_registrations(cursor: sqlite3.Cursor) -> dict[EUI, dict[str, int]]:
    counts: dict[EUI, dict[str, int]] = {}
    for station, state, count in cursor.execute(
        "SELECT base_station_eui, state, COUNT(*) FROM registration GROUP BY base_station_eui, state"
    ):
        counts.setdefault(station, {})[state] = count
    return counts


def _select(cursor: sqlite3.Cursor) -> list[Attachment]:
    rows = cursor.execute(
        "SELECT end_point_eui, state, session_key, short_address, attach_counter, reason, since "
        "FROM attachment"
    ).fetchall()
    return [
        Attachment(
            end_point_eui=eui,
            state=state,
            session_key=session_key,
            short_address=short_address,
            attach_counter=attach_counter,
            reason=reason,
            since=since,
        )
        for eui, state, session_key, short_address, attach_counter, reason, since in rows
    ]
