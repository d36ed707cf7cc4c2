"""Random sequences of all that may happen to a service: what must be true stays true, and nothing is left."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from random import Random, randrange
from shutil import rmtree

import hypothesis
import pytest
from twisted.python.failure import Failure

from bssci.model import eui_to_int
from tests.center.sequences.happenings import EUIS, Happenings, Step, draw, shortest
from tests.center.sequences.truths import check, check_peace, differences, report
from tests.center.sequences.world import World

LENGTH = 60
"""steps of a sequence"""
ATTEMPTS = 200
"""runs that find which steps of a sequence are needed for its fault, at most"""


def run(directory: Path, steps: Sequence[Step]) -> None:
    """Take steps, then make peace; all stations are connected before, and two of them heard every sensor."""
    world = World(directory)
    try:
        for station in world.stations:
            world.connect(station)
        for sensor in EUIS:
            world.send_uplink(world.stations[0], eui_to_int(sensor))
            world.hear(world.stations[1], world.heard[-1])
        world.advance(3.0)
        happenings = Happenings(world)
        for step in steps:
            happenings.do(step)
            check(world)
        _end(world)
    finally:
        world.service.close()


def _end(world: World) -> None:
    """Check that all comes to its end, that a restart changes nothing, and gives stations nothing to do."""
    world.make_peace()
    world.let_go_of_copies()
    check_peace(world)
    before = report(world)
    for station in world.stations:
        station.told = 0
        if station.online:
            world.connect(station)
    world.kill()
    lost = differences(before, report(world))
    world.make_peace()
    check_peace(world)
    lost += differences(before, report(world))
    assert not lost, lost
    told = [station.told for station in world.stations]
    assert not any(told), f"orders about sensors that nothing had changed, by station: {told}"


def fault(directory: Path, steps: Sequence[Step]) -> str:
    """Return what goes wrong in a sequence; empty: nothing."""
    place = directory / "sequence"
    place.mkdir()
    try:
        run(place, steps)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        # What is collected here must not be logged in the next run, and leaves its files.
        gc.collect()
        rmtree(place)
    return ""


@pytest.mark.service
@pytest.mark.timeout(3600)
def test_what_must_be_true_stays_true(tmp_path: Path, expected_errors: list[Failure]) -> None:
    """The same few sequences at each run; ``make thorough`` takes many others."""
    profile = hypothesis.settings()
    first = 0 if profile.derandomize else randrange(1 << 32)
    for seed in range(first, first + profile.max_examples):
        steps = draw(Random(seed), LENGTH)
        if fault(tmp_path, steps):
            steps = shortest(steps, lambda fewer: bool(fault(tmp_path, fewer)), ATTEMPTS)
            pytest.fail(f"seed {seed}: {fault(tmp_path, steps)}\n" + "\n".join(map(repr, steps)))
    # Each is a fault, but for what ends a process that is collected as garbage.
    expected_errors.clear()
