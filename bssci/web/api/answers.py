"""Answers to commands: the outcome at each base station."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bssci.model import EUI
from bssci.model.commands import Outcomes, shortfall_in
from bssci.model.counts import grouped
from bssci.system.clock import Clock, in_slices
from bssci.web.api.schemas.common import told
from bssci.web.http.errors import ApiError

T = TypeVar("T")
MAX_DETAILED = 1000
"""sensors up to which the outcome per station is answered; of more, only sums"""
MAX_OUTCOMES = 100_000
"""outcomes up to which each is answered, some megabytes of JSON; of more, only sums"""
SLICE = 1000
"""sensors whose outcomes one turn of the reactor counts"""
NONE_DID_IT = 409
"""status, if every base station that was asked refused"""


def outcome_of(eui: EUI, outcomes: Outcomes) -> dict[str, Any]:
    """Return, for one sensor, ``base_stations`` with state, code and message each."""
    stations = {}
    for station, outcome in outcomes.of(eui).items():
        entry: dict[str, Any] = {"state": outcome.state}
        if outcome.code is not None:
            entry |= {"code": outcome.code, "message": outcome.message}
        stations[station] = entry
    return {"sensor_eui": eui, "base_stations": stations}


async def outcomes_of(clock: Clock, euis: Sequence[EUI], outcomes: Outcomes) -> dict[str, Any]:
    """Return, for many sensors, how many outcomes of which kind there are, in all and at each base station;
    also each sensor's if they are not too many. Others have a turn of the reactor in between.
    """
    counts = Counter[str]()
    by_station: defaultdict[EUI, Counter[str]] = defaultdict(Counter)
    async for few in in_slices(clock, list(outcomes.asked.values()), SLICE):
        for stations in few:
            for station, outcome in stations.items():
                counts[outcome.state] += 1
                by_station[station][outcome.state] += 1
    if outcomes.asked:
        for station in outcomes.away:
            counts["away"] += len(outcomes)
            by_station[station]["away"] = len(outcomes)
    answer: dict[str, Any] = {
        "sensors": len(euis),
        "outcomes": counts,
        "base_stations": by_station,
    }
    if len(euis) <= MAX_DETAILED and sum(counts.values()) <= MAX_OUTCOMES:
        answer["results"] = {eui: outcome_of(eui, outcomes)["base_stations"] for eui in euis}
    return answer


def answer_one(form: type[T], report: dict[str, Any], outcomes: Outcomes, done: str = "") -> T:
    """Return the answer to a command for one sensor; see :func:`answer`."""
    return answer(form, report, outcomes.count(), done, is_one=True)


def answer(
    form: type[T], report: dict[str, Any], states: Mapping[str, int], done: str = "", *, is_one: bool = False
) -> T:
    """Return the answer to a command: a success, unless every base station that was asked refused or failed.

    :param form: type of the answer.
    :param report: members of the answer.
    :param states: number of outcomes by state.
    :param done: what was done regardless of stations, for the message; then the answer is at least a partial
        success.
    :raises ApiError: 409, with the report.
    """
    missing = shortfall_in(states)
    if missing is None:
        return told(form, {"partially_failed": False, **report})
    stations = "connected base stations did not do it"
    if not is_one:
        stations = "requests to connected base stations failed"
    message = f"{done}{grouped(missing.failed)} of {grouped(missing.asked)} {stations}"
    if done or missing.code == "partially_failed":
        return told(form, {"partially_failed": True, "message": message, **report})
    raise ApiError(NONE_DID_IT, missing.code, message, more=report)
