"""Missing uplinks of a sensor, by the counters of those that came."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

LARGEST_GAP = 1000
"""counters; a larger step does not count as a loss"""


def losses(counters: Sequence[int]) -> list[int]:
    """Return how many counters are missing right before each.

    A sensor that begins anew counts from below; a base station sends again, late, what it kept. Clocks of
    base stations differ, so which of both it is, is told by the counters alone: each belongs to what it
    follows most closely, or begins anew, also if it is closer before where another part began. So what
    came late is not missing; around a new beginning a loss is rather missed than made up.

    :param counters: in the order in which they came.
    """
    # Parts in which the sensor counted on: their counters, and the places of those.
    runs: list[dict[int, int]] = []
    # Each counter and the number of its run, and the first of each run, which is its lowest; sorted.
    placed: list[tuple[int, int]] = []
    lowest: list[int] = []
    for place, counter in enumerate(counters):
        above = lowest[bisect_right(lowest, counter) :]
        reach = min(above[0] - counter, LARGEST_GAP) if above else LARGEST_GAP
        near = placed[bisect_left(placed, (counter - reach, 0)) : bisect_left(placed, (counter, 0))]
        run = next((run for _, run in reversed(near) if counter not in runs[run]), len(runs))
        if run == len(runs):
            runs.append({})
            insort(lowest, counter)
        runs[run][counter] = place
        insort(placed, (counter, run))
    missing = [0] * len(counters)
    for places in runs:
        for older, newer in pairwise(sorted(places)):
            missing[places[newer]] = newer - older - 1
    return missing
