"""Standing of every sensor: the values by which the list of sensors is searched, filtered and sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Literal, TypeVar, get_args

import msgspec
from twisted.internet.defer import DeferredLock, ensureDeferred

from bssci.center.alarms.judging import ABOUT_TO_DETACH
from bssci.model import EUI, Sensor
from bssci.system.clock import Clock, in_slices, let_go, turn
from bssci.web.context import Context

Item = TypeVar("Item")

FRESH = 2.0
"""s for which the standings of all sensors are cached"""
SLICE = 1000
"""sensors that are looked at in one turn of the reactor"""
SORTED = 5000
"""sensors that are sorted in one turn of the reactor"""
SORTS = ("eui", "name", "last_seen_at", "uplinks", "status", "snr", "detach_at")
LOWEST, NEVER = float("-inf"), float("inf")
StatusName = Literal[
    "attached",
    "detached",
    "refused",
    "active",
    "registered",
    "warning",
    "never seen",
    "unheard",
    "auto-detach pending",
    "auto-detached",
]
"""status by which lists of sensors are filtered"""
STATUSES: tuple[StatusName, ...] = get_args(StatusName)


class ListedSensor(msgspec.Struct, frozen=True, gc=False):
    """One sensor of the list: the values that search, filters and sorting need."""

    sensor: Sensor
    text: str
    """text that is searched, in lower case"""
    state: str
    """state, one of :class:`bssci.center.silence.silence.SilenceWatch`"""
    attached: bool
    refused: bool
    last_seen_at: float
    uplinks: int
    snr: float
    """dB; minus infinity for sensors that were never heard"""
    seconds_until_detach: float
    """s in which a base station is connected, until it is detached because of its silence; infinite: never"""

    def has(self, status: str) -> bool:
        match status:
            case "attached":
                return self.attached
            case "detached":
                return not self.attached
            case "refused":
                return self.refused
            case "warning":
                return self.state in ABOUT_TO_DETACH
            case "unheard":
                return not self.last_seen_at
        return self.state == status


Configured = tuple[Sensor, ...]


class Standings:
    """The standings of all sensors, gathered without blocking the reactor."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center
        self._journal = context.journal
        self._lock = DeferredLock()
        self._standings: list[ListedSensor] = []
        self._gathered_at: float | None = None
        self._gathered_of: Configured = ()
        self._ordered: list[tuple[Sensor, str]] = []
        """sensors by EUI, each with the text that is searched"""
        self._counts: dict[str, int] = {}

    async def all(self) -> list[ListedSensor]:
        """Return all standings by EUI; they are at most 2 s old, and never older than the configuration."""
        return await self._lock.run(lambda: ensureDeferred(self._current()))

    def counts(self) -> dict[str, int]:
        """Return the number of sensors that :meth:`all` found, by status."""
        return self._counts

    def forget(self) -> None:
        """Discard the cache: sensors were attached or detached."""
        self._gathered_at = None

    def of(self, sensors: Iterable[Sensor], refused: Container[EUI]) -> Iterator[ListedSensor]:
        """Yield the current standings of some sensors.

        :param refused: the sensors that a base station refused.
        """
        return self._look_at(((sensor, _text(sensor)) for sensor in sensors), refused)

    async def _current(self) -> list[ListedSensor]:
        configured = self._center.sensors.all()
        now = self._context.clock.seconds()
        is_other = configured is not self._gathered_of
        if is_other:
            await self._order(configured)
        if is_other or self._gathered_at is None or now - self._gathered_at >= FRESH:
            self._gathered_at = now
            try:
                await self._gather()
            except BaseException:
                self._gathered_at = None
                raise
        return self._standings

    async def _order(self, configured: Configured) -> None:
        pairs: list[tuple[Sensor, str]] = []
        async for part in in_slices(self._context.clock, configured, SLICE):
            pairs += [(sensor, _text(sensor)) for sensor in part]
        before: list[object] = [*self._ordered, *self._gathered_of]
        self._ordered = await in_order_of(self._context.clock, pairs, _eui_of)
        self._gathered_of = configured
        await let_go(self._context.clock, before, SLICE)

    async def _gather(self) -> None:
        refused = await self._journal.sessions.sensors_with_refusals()
        standings: list[ListedSensor] = []
        counts = Counter[str]()
        async for part in in_slices(self._context.clock, self._ordered, SLICE):
            found = list(self._look_at(part, refused))
            _count(found, counts)
            standings += found
        before = list(self._standings)
        self._standings = standings
        await let_go(self._context.clock, before, SLICE)
        counts["detached"] = len(standings) - counts["attached"]
        counts["warning"] = sum(counts[state] for state in ABOUT_TO_DETACH)
        self._counts = {status: counts[status] for status in STATUSES}

    def _look_at(
        self, sensors: Iterable[tuple[Sensor, str]], refused: Container[EUI]
    ) -> Iterator[ListedSensor]:
        activity_of = self._center.activities.get
        is_attached = self._center.attachments.is_attached
        standing_of = self._center.silence.standing
        snr_of = self._center.paths.snr
        for sensor, text in sensors:
            eui = sensor.eui
            activity, snr, silence = activity_of(eui), snr_of(eui), standing_of(eui)
            left = silence.seconds_until_detach if silence else None
            yield ListedSensor(
                sensor,
                text,
                silence.state if silence else "",
                is_attached(eui),
                eui in refused,
                activity.last_seen_at if activity else 0.0,
                activity.uplink_count if activity else 0,
                LOWEST if snr is None else snr,
                NEVER if left is None else left,
            )


async def in_order(clock: Clock, standings: Sequence[ListedSensor], sort: str) -> Sequence[ListedSensor]:
    """Return standings sorted; other work has turns of the reactor in between.

    :param sort: one of :data:`SORTS`, with ``-`` in front for descending; ties keep their order.
    """
    name, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    if name == "eui":
        return standings[::-1] if is_reversed else standings
    return await in_order_of(clock, standings, _KEYS[name], is_reversed)


async def in_order_of(
    clock: Clock, items: Sequence[Item], key: Callable[[Item], Any], is_reversed: bool = False
) -> list[Item]:
    """Return items as ``sorted`` would, but without blocking the reactor meanwhile."""
    runs: list[list[tuple[Any, int, Item]]] = []
    async for part in in_slices(clock, items, SORTED):
        first = len(runs) * SORTED
        # The number keeps ties in their order.
        numbers = range(-first, -first - len(part), -1) if is_reversed else range(first, first + len(part))
        runs.append(sorted(zip(map(key, part), numbers, part, strict=True), reverse=is_reversed))
    merged = iter(runs[0] if len(runs) == 1 else merge(*runs, reverse=is_reversed))
    ordered: list[Item] = []
    while some := [item for _, _, item in islice(merged, SLICE)]:
        ordered += some
        if len(some) == SLICE:
            await turn(clock)
    return ordered


def _count(standings: Iterable[ListedSensor], counts: Counter[str]) -> None:
    for each in standings:
        counts[each.state] += 1
        counts["attached"] += each.attached
        counts["refused"] += each.refused
        counts["unheard"] += not each.last_seen_at


def _eui_of(pair: tuple[Sensor, str]) -> EUI:
    return pair[0].eui


def _text(sensor: Sensor) -> str:
    return f"{sensor.eui}\n{sensor.name}\n{' '.join(sensor.tags)}".lower()


def _by_name(standing: ListedSensor) -> tuple[bool, str]:
    """Return a key that puts sensors without a name last."""
    return (not standing.sensor.name, standing.sensor.name.casefold())


def _by_last_seen(standing: ListedSensor) -> float:
    return standing.last_seen_at


def _by_uplinks(standing: ListedSensor) -> int:
    return standing.uplinks


def _by_snr(standing: ListedSensor) -> float:
    return standing.snr


def _by_detach(standing: ListedSensor) -> float:
    return standing.seconds_until_detach


def _by_state(standing: ListedSensor) -> tuple[bool, str]:
    return (standing.attached, standing.state)


_KEYS: dict[str, Callable[[ListedSensor], Any]] = {
    "name": _by_name,
    "last_seen_at": _by_last_seen,
    "uplinks": _by_uplinks,
    "status": _by_state,
    "snr": _by_snr,
    "detach_at": _by_detach,
}
