"""Alarms: what is wrong, since when, until when, and who acknowledged it."""

from __future__ import annotations

from typing import Any

from bssci.center.alarms.wording import alarm_json
from bssci.journal import AlarmRecord
from bssci.model import EUI
from bssci.web.context import Context
from bssci.web.http.errors import not_found

Rows = list[dict[str, Any]]


class AlarmViews:
    """Reports on alarms."""

    def __init__(self, context: Context) -> None:
        self._alarms = context.center.alarms

    def open_of(self, eui: EUI) -> Rows:
        """Return the open alarms about a base station, oldest first."""
        return [self.row(each) for each in self._alarms.open() if each.id.partition(":")[2] == eui]

    def row(self, record: AlarmRecord) -> dict[str, Any]:
        """Return an alarm, with its calm if its condition is over and it is still open."""
        calm = self._alarms.calm_of(record)
        return alarm_json(record) | {
            "over_since": calm.over_since if calm is not None else None,
            "closes_at": calm.closes_at if calm is not None else None,
        }

    def known(self, id: str) -> None:
        """Check that there is or was an alarm.

        :raises ApiError: 404
        """
        if all(each.id != id for each in self._alarms.listed()):
            raise not_found(f"there is no alarm {id}")

    def watched(self) -> Rows:
        """Return the open alarms whose condition is over, oldest first."""
        return [row for row in map(self.row, self._alarms.open()) if row["over_since"] is not None]

    def list(self, state: str = "", q: str = "") -> dict[str, Any]:
        """Return the alarms, open ones first.

        :param state: ``open``, ``closed`` or ``new`` (open and not acknowledged); empty: all.
        :param q: part of the text, of the id or of the name of who acknowledged it.
        """
        wanted = q.strip().lower()
        every = [self.row(each) for each in self._alarms.listed()]
        kept = [each for each in every if (not state or has_state(each, state)) and wanted in _searched(each)]
        return {"alarms": kept, "counts": self.counts()}

    def counts(self) -> dict[str, int]:
        """Return the number of alarms in each state."""
        every = self._alarms.listed()
        is_open = [each for each in every if each.until is None]
        return {
            "open": len(is_open),
            "new": sum(each.acknowledged_by is None for each in is_open),
            "closed": len(every) - len(is_open),
        }


def _searched(alarm: dict[str, Any]) -> str:
    return f"{alarm['text']} {alarm['id']} {alarm['acknowledged_by'] or ''}".lower()


def has_state(alarm: dict[str, Any], state: str) -> bool:
    """Return whether an alarm has a state; ``new`` is one that is open and not acknowledged."""
    if state == "new":
        return alarm["state"] == "open" and alarm["acknowledged_by"] is None
    return bool(alarm["state"] == state)
