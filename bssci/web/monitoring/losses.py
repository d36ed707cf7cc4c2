"""Lost uplinks of a sensor, computed from the packet counters of those that arrived."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

LARGEST_GAP = 1000
"""largest step of the counter that counts as a loss"""


def losses(counters: Sequence[int]) -> list[int]:
    """Return how many counters are missing right before each counter.

    A smaller counter means either that the sensor restarted, or that a base station delivered a kept
    uplink late. As clocks of base stations differ, only the counters can tell: each counter belongs to
    the run that it follows most closely, unless it is closer to the beginning of another run above it;
    otherwise it begins a new run. Uplinks that arrived late therefore do not count as lost; around a
    restart, losses may be overlooked, but none are invented.

    :param counters: packet counters in the order of arrival.
    """
    # Runs, in which the sensor counted on: counters and their places.
    runs: list[dict[int, int]] = []
    # Each counter with the number of its run, sorted; and the lowest counter of each run, sorted.
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
