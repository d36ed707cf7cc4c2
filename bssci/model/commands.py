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
    """an account, a token, or the part of the service that passed the command on: ``mqtt``"""
    source: str
    """channel of the command: ``web``, ``mqtt``, ``signal``"""
    address: str = ""
    """network address of the actor; empty if there is none"""


class CommandError(Exception):
    """A command was refused or has failed. Unless the message says otherwise, nothing was stored or sent.

    :ivar code: stable, for programs: ``invalid``, ``unknown_sensor``, ``unknown_station``,
        ``unknown_downlink``, ``not_bidirectional``, ``not_allowed``, ``conflict``, ``busy``, ``failed``,
        ``unavailable`` and others.
    :ivar message: one line for people: what is allowed, or what to do.
    :ivar field: field of the request that is at fault; None if the fault is not in one field.
    :ivar result: the part that was done, if the command failed in part.
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
    """``away``: not connected, it gets the command when it is back; ``unanswered``: no answer in time, though
    one may still come"""
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
    """Return the failures among the stations' outcomes; None if there are none.

    A station that is away counts as neither: it gets the command when it is back.
    """
    return shortfall_in(Counter(outcome.state for outcome in outcomes))


def shortfall_in(counts: Mapping[str, int]) -> Shortfall | None:
    """Return the failures, given the number of outcomes in each state; None if there are none."""
    asked = sum(count for state, count in counts.items() if state != "away")
    failed = asked - counts.get("done", 0)
    return Shortfall(failed, asked) if failed else None
