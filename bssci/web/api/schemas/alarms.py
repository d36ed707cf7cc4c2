"""Alarms."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bssci.center.alarms.trial import WayState
from bssci.model.states import Severity
from bssci.web.api.schemas.common import Answer, TrialAnswer
from bssci.web.http.replies import Done

AlarmState = Literal["open", "new", "closed"]


class WantedAlarms(msgspec.Struct, kw_only=True):
    """Selection of alarms."""

    state: Annotated[AlarmState | None, Meta(description="new: open and not acknowledged")] = None
    q: Annotated[str, Meta(description="part of text, id, or of who acknowledged it")] = ""


class AlarmIds(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Alarms to acknowledge."""

    ids: Annotated[list[Annotated[str, Meta(max_length=500)]], Meta(max_length=1000)]


class AlarmRow(Answer):
    """An alarm: what is wrong, since when and until when."""

    id: str
    """condition and subject: station-offline:CAFE000000000001"""
    number: int
    state: Literal["open", "closed"]
    severity: Severity
    text: str
    href: str
    """page with details"""
    since: float
    until: float | None
    over_since: float | None
    """since when the condition of an open alarm has been over; None: it holds, or the alarm is closed"""
    closes_at: float | None
    """when the alarm closes if its condition does not come back before; None likewise"""
    returns: int
    """number of times that it came back"""
    acknowledged_by: str | None
    acknowledged_at: float | None


class AlarmCounts(Answer):
    """Alarms by state."""

    open: int
    new: int
    """open and not acknowledged"""
    closed: int


class AlarmList(Answer):
    """Alarms, open ones first."""

    alarms: list[AlarmRow]
    counts: AlarmCounts


class WayTold(Answer):
    """Result of a test alarm at one channel."""

    name: str
    state: WayState
    text: str


class AlarmsTested(TrialAnswer):
    """Results of a test alarm by channel; ``ok``: no configured channel failed."""

    ways: list[WayTold]


class AlarmsAcknowledged(Done):
    """Several alarms, acknowledged now."""

    alarms: list[AlarmRow]


class AlarmAcknowledged(Done):
    """The alarm, acknowledged now."""

    alarm: AlarmRow
