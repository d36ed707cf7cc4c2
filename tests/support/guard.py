"""The guard of alarms, over a service center in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from twisted.internet.defer import maybeDeferred

from bssci.center.alarms.guard import AlarmGuard, Watched
from bssci.center.watching import watched_parts
from tests.support.center import House


def watched_of(house: House, **changes: Any) -> Watched:
    """What the service has the guard watch, with ``changes``."""
    watched = watched_parts(
        house.center,
        listening=lambda: True,
        decoders=lambda: None,
        channels=lambda: [],
        used_certificates=lambda: [],
    )
    return replace(watched, **changes)


@contextmanager
def guard_of(house: House, **changes: Any) -> Iterator[House]:
    """Have a house guarded."""
    guard = AlarmGuard(
        house.clock, house.center.alarms, watched_of(house, **changes), house.now, maybeDeferred
    )
    guard.start()
    yield house
    guard.stop()
