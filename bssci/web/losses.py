"""Which uplinks of a sensor are missing, by the counters of those that came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

LARGEST_GAP = 1000
"""counters; a step that is larger is no loss"""


class Heard(NamedTuple):
    """Of one uplink."""

    counter: int
    at: float
    """when the base station received it, in any unit; it may have been told of it much later"""


def losses(heard: Sequence[Heard]) -> list[int]:
    """How many counters are missing right before each.

    Those that came late, as a base station sends again what it kept, are not missing.

    :param heard: in the order in which they came.
    """
    missing = [0] * len(heard)
    for run in _runs(heard):
        for older, newer in pairwise(sorted(run)):
            missing[run[newer]] = newer - older - 1
    return missing


def _runs(heard: Sequence[Heard]) -> Iterator[dict[int, int]]:
    """Parts in which the sensor counted on without beginning anew: counters, and their places."""
    run: dict[int, int] = {}
    low = high = 0
    for place, (counter, at) in enumerate(heard):
        is_far = not low - LARGEST_GAP < counter < high + LARGEST_GAP
        # A sensor that began anew counts from below, too, but it was received later.
        if run and (counter in run or is_far or (counter < low and at >= heard[run[low]].at)):
            yield run
            run = {}
        low, high = (min(low, counter), max(high, counter)) if run else (counter, counter)
        run[counter] = place
    yield run
