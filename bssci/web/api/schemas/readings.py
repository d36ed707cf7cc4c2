"""Measurements of devices, as structs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bssci.center.decoding.collecting import ChartValue, TimeStep
from bssci.web.api.schemas.common import Answer
from bssci.web.http.reading import wording

MAX_LIMIT = 100_000
"""uplinks that one request reads, at most"""
MAX_JSON_LIMIT = 10_000
"""the same for JSON, which is made in one turn of the reactor"""
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*(s|min|h|d)?")
_SECONDS = {None: 1, "s": 1, "min": 60, "h": 3600, "d": 86400}
_LATEST = 32_503_680_000.0
"""Unix seconds: the year 3000"""


def parse_moment(text: str) -> float:
    """Return a point in time as Unix seconds.

    :raises ValueError: the text cannot be read as one.
    """
    try:
        at = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    if not 0 <= at <= _LATEST:
        raise ValueError
    return at


def parse_duration(text: str) -> float:
    """Return a duration in s; the text may have a unit: ``900``, ``15min``, ``1h``, ``7d``.

    :raises ValueError: the text cannot be read as one.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = 0.0 if found is None else float(found[1]) * _SECONDS[found[2]]
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError
    return seconds


_TIME_WORDS = "Unix seconds, or a time as 2026-11-28T12:00:00Z"
_EVERY_WORDS = "1 s to 366 days: seconds, or a number with s, min, h or d"
_LIMIT_WORDS = f"values of a name, or steps, the newest; above {MAX_JSON_LIMIT} as CSV only"


class WantedReadings(msgspec.Struct, kw_only=True):
    """Selection of readings."""

    key: Annotated[str, Meta(description="names, with , between; all without")] = ""
    from_: Annotated[Any, Meta(description=_TIME_WORDS, extra=wording(_TIME_WORDS, parse_moment))] = (
        msgspec.field(default=None, name="from")
    )
    to: Annotated[Any, Meta(description="as from; now without", extra=wording(_TIME_WORDS, parse_moment))] = (
        None
    )
    every: Annotated[
        Any, Meta(description=f"steps of time: {_EVERY_WORDS}", extra=wording(_EVERY_WORDS, parse_duration))
    ] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT, description=_LIMIT_WORDS)] = 1000
    format: Annotated[Literal["json", "csv"], Meta(description="of the answer")] = "json"


class ReadingSeries(Answer):
    """Readings of one name, oldest first."""

    name: str
    unit: str | None
    points: list[ChartValue]
    """time (Unix seconds) and value; where steps are asked for, of texts only, whenever they change"""
    steps: list[TimeStep]
    """begin (Unix seconds), mean, least, most, and how many values"""


class ReadingFailed(Answer):
    """The newest payload that could not be read."""

    code: str
    message: str
    timestamp: float | None


class DeviceFailed(Answer):
    """The last payload of a device that could not be read."""

    code: str
    message: str
    timestamp: float | None
    decoder: str
    """name and version: ``name@version``"""


class DecodingCounts(Answer):
    """Counts of a device's payloads since the start of the service: those that were read, and the others."""

    decoded: int
    failures: int
    failing: bool
    """the last payload could not be read"""
    last_failure: DeviceFailed | None


class DeviceReadings(Answer):
    """Measurements of a device, decoded by the present decoder from the kept payloads."""

    device: str
    decoder: str | None
    start: float = msgspec.field(name="from")
    end: float = msgspec.field(name="to")
    every: float | None
    uplinks: int
    failures: int
    undecoded: int
    """uplinks for which there is no decoder"""
    last_failure: ReadingFailed | None
    complete: bool
    """false: there is more than one request may read"""
    series: list[ReadingSeries]
