"""Parts of queries, bodies and answers that several routes share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from bssci.web.http.call import LARGEST
from bssci.web.http.reading import EUI_PATTERN
from bssci.web.http.replies import Done, RefusedAnswer

T = TypeVar("T")
EVENT = "Event"
"""name of the schema of an event, which :mod:`bssci.web.api.openapi` writes out"""

EuiText = Annotated[str, Meta(extra_json_schema={"pattern": EUI_PATTERN, "examples": ["70B3D56770111505"]})]
"""an EUI as the service writes it"""
EventJson = Annotated[dict[str, Any], Meta(extra_json_schema={"$ref": f"#/components/schemas/{EVENT}"})]
"""an event as :func:`bssci.web.live.event_json.event_dict` describes it"""
Before = (
    Annotated[
        int, Meta(ge=1, le=LARGEST, description="only those numbered below; `next` of the answer before")
    ]
    | None
)
RangeName = Annotated[Literal["hour", "day", "week"], Meta(description="how far back")]
Scalar = str | int | float | bool | None
Point = list[float | None]
"""Unix seconds and a value; None where there is none"""


class Answer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An answer, or a part of one, with exactly these fields."""


def told(form: type[T], values: Any) -> T:
    """Convert a report to the type of an answer.

    :raises msgspec.ValidationError: the report does not fit the type.
    """
    return msgspec.convert(values, form)


# queries


class OfLastHour(msgspec.Struct, kw_only=True):
    """A span of time that ends now."""

    range: RangeName = "hour"


class OfLastDay(msgspec.Struct, kw_only=True):
    """A span of time that ends now."""

    range: RangeName = "day"


class DryRun(msgspec.Struct, kw_only=True):
    """Option to check only."""

    dry_run: Annotated[bool, Meta(description="1: only check")] = False


class OnlyNew(msgspec.Struct, kw_only=True):
    """Option to add only, and not to change what is there."""

    only_new: Annotated[bool, Meta(description="1: refuse (409) what is there already")] = False


Limit = Annotated[int, Meta(ge=1, le=1000, description="how many")]


class Newest50(msgspec.Struct, kw_only=True):
    """A part of a list, newest first."""

    limit: Limit = 50
    before: Before = None


class Newest100(msgspec.Struct, kw_only=True):
    """A part of a list, newest first."""

    limit: Limit = 100
    before: Before = None


# answers


class StationOutcome(Answer, omit_defaults=True):
    """One base station's outcome of a command."""

    state: str
    code: int | msgspec.UnsetType = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET


class SensorOutcome(Done):
    """Outcome of a command for one sensor, at each base station by its EUI."""

    sensor_eui: EuiText
    base_stations: dict[str, StationOutcome]
    partially_failed: bool
    """some of the connected base stations did not do it, and ``message`` says so"""
    message: str | msgspec.UnsetType = msgspec.UNSET


class SensorsOutcome(Done):
    """Outcomes of a command for many sensors: the number of each kind, also by base station."""

    sensors: int
    outcomes: dict[str, int]
    base_stations: dict[str, dict[str, int]]
    partially_failed: bool
    results: dict[str, dict[str, StationOutcome]] | msgspec.UnsetType = msgspec.UNSET
    """outcomes of each sensor, if there are not too many"""
    message: str | msgspec.UnsetType = msgspec.UNSET


class SensorRefused(RefusedAnswer):
    """No base station that was asked did it."""

    sensor_eui: EuiText | msgspec.UnsetType = msgspec.UNSET
    base_stations: dict[str, StationOutcome] | msgspec.UnsetType = msgspec.UNSET


class SensorsRefused(RefusedAnswer):
    """No base station that was asked did it for any of the sensors, or one of them is not configured."""

    unknown: list[EuiText] | msgspec.UnsetType = msgspec.UNSET
    """sensors of a selection that are not configured, 1000 at most: nothing was done"""
    sensors: int | msgspec.UnsetType = msgspec.UNSET
    outcomes: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    base_stations: dict[str, dict[str, int]] | msgspec.UnsetType = msgspec.UNSET
    results: dict[str, dict[str, StationOutcome]] | msgspec.UnsetType = msgspec.UNSET


class TrialAnswer(Done):
    """Findings of a trial, line by line."""

    ok: bool
    lines: list[TrialLine]


class TrialLine(Answer):
    """One finding of a trial."""

    ok: bool
    text: str


class EventPage(Answer):
    """Events, newest first; ``next`` is the ``before`` of the following part."""

    events: list[EventJson]
    next: int | None
