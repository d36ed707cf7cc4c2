"""The guard of alarms, over a service center in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.defer import maybeDeferred

from bssci.center.alarms.guard import AlarmGuard, Watched
from tests.support.center import House


def watched_of(house: House, **more: Any) -> Watched:
    """What the guard checks in a house, as the service says it, and ``more`` of it."""
    center, current = house.center, house.configuration
    return Watched(
        journal=house.journal,
        storing=center.storing,
        stations=center.stations,
        entries=center.entries,
        refusals=center.refused_stations,
        sensors=center.sensors,
        silence=center.silence,
        deliveries=center.deliveries,
        started_at=center.started_at,
        settings=lambda: current.current,
        certificates=lambda: current.catalogue.certificate_files(current.current),
        **more,
    )


@contextmanager
def guard_of(house: House, **more: Any) -> Iterator[House]:
    """Have a house guarded."""
    guard = AlarmGuard(house.clock, house.center.alarms, watched_of(house, **more), house.now, maybeDeferred)
    guard.start()
    yield house
    guard.stop()
