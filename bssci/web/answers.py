"""What commands answer: the outcome at each base station."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from bssci.center.outcomes import Outcomes
from bssci.model import EUI

MAX_DETAILED = 1000
"""sensors of which the outcome per station is told; of more, sums only"""


def outcome_of(eui: EUI, outcomes: Outcomes) -> dict[str, Any]:
    """For one sensor: ``base_stations`` with state, code and message each."""
    stations = {}
    for station, outcome in outcomes.get(eui, {}).items():
        entry: dict[str, Any] = {"state": outcome.state}
        if outcome.code is not None:
            entry |= {"code": outcome.code, "message": outcome.message}
        stations[station] = entry
    return {"success": True, "sensor_eui": eui, "base_stations": stations}


def outcomes_of(euis: list[EUI], outcomes: Outcomes) -> dict[str, Any]:
    """For many sensors: how many outcomes of which kind, in all and at each base station; each sensor's if
    they are not too many.
    """
    counts = Counter[str]()
    by_station: defaultdict[EUI, Counter[str]] = defaultdict(Counter)
    for stations in outcomes.values():
        for station, outcome in stations.items():
            counts[outcome.state] += 1
            by_station[station][outcome.state] += 1
    answer: dict[str, Any] = {
        "success": True,
        "sensors": len(euis),
        "outcomes": counts,
        "base_stations": by_station,
    }
    if len(euis) <= MAX_DETAILED:
        answer["results"] = {eui: outcome_of(eui, outcomes)["base_stations"] for eui in euis}
    return answer
