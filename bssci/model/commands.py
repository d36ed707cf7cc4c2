"""Results of a command: the reason for its refusal, or each base station's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bssci.model.eui import EUI


@dataclass(frozen=True, slots=True)
class Actor:
    """The person or program that gives a command."""

    name: str
    """an account, a token, or the part of the service that it came by: ``mqtt``"""
    source: str
    """the way it came: ``web``, ``mqtt``, ``signal``"""
    address: str = ""
    """network address of the actor, if there is one"""


class CommandError(Exception):
    """Tells whoever commanded what is wrong; nothing was stored or sent, or the message says what was.

    :ivar code: ``invalid``, ``unknown_sensor``, ``unknown_station``, ``unknown_downlink``,
        ``not_bidirectional``, ``not_allowed``, ``conflict``, ``busy``, ``failed`` or ``unavailable``.
    :ivar message: one line: what is allowed, or what to do.
    :ivar field: of the request that is wrong, if one is.
    :ivar result: what was done all the same, if it failed in part.
    """

    def __init__(
        self, code: str, message: str, field: str | None = None, result: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.result = result


@dataclass(frozen=True, slots=True)
class Outcome:
    """One station's result of a command for one sensor."""

    state: Literal["done", "failed", "away", "unanswered"]
    """``away``: not connected, it is told when it is back; ``unanswered``: not in time, it may still come"""
    code: int | None = None
    """the station's error code, if it failed"""
    message: str | None = None


Outcomes = dict[EUI, dict[EUI, Outcome]]
"""outcomes by sensor, then by base station"""

DONE = Outcome("done")
AWAY = Outcome("away")
UNANSWERED = Outcome("unanswered")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Failure of a command at one or more of the base stations that were asked."""

    failed: int
    asked: int

    @property
    def code(self) -> Literal["failed", "partially_failed"]:
        return "failed" if self.failed == self.asked else "partially_failed"


def shortfall(outcomes: Iterable[Outcome]) -> Shortfall | None:
    """Return the failures among the stations' outcomes, or None. A station that is away is told later,
    which is no failure.
    """
    return shortfall_in(Counter(outcome.state for outcome in outcomes))


def shortfall_in(counts: Mapping[str, int]) -> Shortfall | None:
    """Return the failures among outcomes that are counted by their state, or None."""
    asked = sum(count for state, count in counts.items() if state != "away")
    failed = asked - counts.get("done", 0)
    return Shortfall(failed, asked) if failed else None
