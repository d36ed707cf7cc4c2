"""Results of a command: the reason for its refusal, or each base station's answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    :ivar faults: what is wrong with each field of the request, if that is known of all.
    """

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        result: dict[str, Any] | None = None,
        faults: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.result = result
        self.faults = faults or {}


def wrong_fields(faults: Mapping[str, str]) -> CommandError:
    """Return the error for a request of which fields are wrong.

    :param faults: what is allowed in each, in words that follow the field's name; at least one.
    """
    message = "; ".join(f"{field} {text}" for field, text in faults.items())
    return CommandError("invalid", message, next(iter(faults)), faults=faults)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One station's result of a command for one sensor."""

    state: Literal["done", "failed", "away", "unanswered"]
    """``away``: not connected, it gets the command when it is back; ``unanswered``: no answer in time, though
    one may still come"""
    code: int | None = None
    """the station's error code, if it failed"""
    message: str | None = None


DONE = Outcome("done")
AWAY = Outcome("away")
UNANSWERED = Outcome("unanswered")


@dataclass
class Outcomes:
    """Outcomes of a command for sensors."""

    asked: dict[EUI, dict[EUI, Outcome]] = field(default_factory=dict)
    """by sensor, then by base station, of the stations that were connected; every sensor of the command is in
    it"""
    away: list[EUI] = field(default_factory=list)
    """base stations that were away, once for all sensors: there may be thousands of both"""

    def __len__(self) -> int:
        """Return the number of sensors."""
        return len(self.asked)

    def of(self, sensor: EUI) -> dict[EUI, Outcome]:
        """Return the outcomes for a sensor by base station; none if the command was not about it."""
        if sensor not in self.asked:
            return {}
        return self.asked[sensor] | dict.fromkeys(self.away, AWAY)

    def count(self) -> Counter[str]:
        """Return how many outcomes there are in each state."""
        counts = Counter[str]()
        for stations in self.asked.values():
            counts.update(outcome.state for outcome in stations.values())
        if self.away and self.asked:
            counts["away"] += len(self.away) * len(self.asked)
        return counts


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
