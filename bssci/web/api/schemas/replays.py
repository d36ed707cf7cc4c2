"""Replays."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.model.device_id import parse_device_id
from bssci.web.api.schemas.common import Answer
from bssci.web.http.reading import wording
from bssci.web.http.replies import Done

MAX_DEVICES = 1000
LATEST = 32503680000.0
"""Unix seconds: the year 3000"""


def _moment(value: Any) -> float:
    """Return Unix seconds.

    :raises ValueError: it is neither a number nor ISO 8601 with its offset from UTC.
    """
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("without an offset from UTC")
        value = moment.timestamp()
    if not 0 <= value <= LATEST:
        raise ValueError("far off")
    return float(value)


def _devices(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(parse_device_id, values)))


EXAMPLE = "ble:AA:BB:CC:DD:EE:FF"
Moment = Annotated[
    float | str,
    Meta(extra=wording("Unix seconds, or a time such as 2026-05-01T00:00:00Z", _moment)),
]


class ReplayAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Messages to deliver again, and the sink to deliver them to."""

    sink: Annotated[str, Meta(max_length=64)]
    from_: Moment = msgspec.field(name="from")
    to: Moment
    devices: Annotated[
        list[Annotated[str, Meta(max_length=200)]],
        Meta(
            max_length=MAX_DEVICES,
            description="ids such as mioty:70B3D56770111505, or EUIs; empty: all",
            extra=wording(
                f"a list of at most {MAX_DEVICES} devices: EUIs or ids such as {EXAMPLE}", _devices
            ),
        ),
    ] = []
    publish: Annotated[
        bool,
        Meta(description="needed for mqtt, which says `replayed` in what it publishes"),
    ] = False


class ReplayAnswer(Answer):
    """Kept messages that are delivered again to one sink."""

    id: int
    sink: str
    from_: float = msgspec.field(name="from")
    to: float
    devices: list[str]
    state: Literal["waiting", "running", "done", "cancelled"]
    progress: float
    """part that is done, 0 to 1"""
    delivered: int
    """messages that the sink took"""
    trouble: str
    """why it is not progressing; empty: it is"""
    asked_by: str
    asked_at: float
    ended_at: float | None


class ReplayList(Answer):
    """Replays, the newest first; finished ones are kept for a while."""

    replays: list[ReplayAnswer]


class ReplayChanged(Done):
    """The replay, as it stands now."""

    replay: ReplayAnswer
