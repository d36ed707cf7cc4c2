"""Hour, day and week: the span of time that a chart shows, and its resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A span of time and its steps, both in seconds."""

    seconds: float
    step: float


RANGES = {
    "hour": Range(3600.0, 60.0),
    "day": Range(86400.0, 300.0),
    "week": Range(7 * 86400.0, 1800.0),
}
MAX_POINTS = 400


def thinned(points: Sequence[list[float]]) -> list[list[float]]:
    """Return at most 400 of the points; the last one is always among them."""
    step = -(-len(points) // MAX_POINTS)
    return list(points[::-1][:: max(1, step)][::-1])
