"""Standing of every sensor: the facts that the list of sensors is searched, filtered and sorted by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred

from bssci.model import EUI, Sensor
from bssci.web.context import Context

FRESH = 2.0
"""s for which what was gathered of all sensors is shown again"""
SLICE = 1000
"""sensors that one turn of the reactor looks at"""
SORTS = ("eui", "name", "last_seen_at", "uplinks", "status", "snr")
LOWEST = float("-inf")
STATUSES = (
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
)
SILENT = ("warning", "auto-detach pending")
"""states that the status ``warning`` stands for"""


class ListedSensor(NamedTuple):
    """One sensor in the list, as far as it is searched, filtered and sorted."""

    sensor: Sensor
    text: str
    """text that a search looks through, in lower case"""
    state: str
    """state, one of :class:`bssci.center.silence.silence.SilenceWatch`"""
    attached: bool
    refused: bool
    last_seen_at: float
    uplinks: int
    snr: float
    """dB; of what was never heard, as low as can be"""

    def has(self, status: str) -> bool:
        match status:
            case "attached":
                return self.attached
            case "detached":
                return not self.attached
            case "refused":
                return self.refused
            case "warning":
                return self.state in SILENT
            case "unheard":
                return not self.last_seen_at
        return self.state == status


Configured = list[Sensor]


class Standings:
    """The standings of all sensors, gathered without holding up the reactor."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center
        self._journal = context.journal
        self._lock = DeferredLock()
        self._standings: list[ListedSensor] = []
        self._gathered_at: float | None = None
        self._gathered_of: Configured = []
        self._counts: dict[str, int] = {}

    async def all(self) -> list[ListedSensor]:
        """Return all standings by EUI; gathered anew every 2 s, and when the configuration changed."""
        return await self._lock.run(lambda: ensureDeferred(self._current()))

    def counts(self) -> dict[str, int]:
        """Return how many sensors :meth:`all` found, by status."""
        return self._counts

    def forget(self) -> None:
        """Gather anew at the next look: sensors were attached or detached."""
        self._gathered_at = None

    def of(self, sensors: Iterable[Sensor], refused: Container[EUI]) -> Iterator[ListedSensor]:
        """Yield the standings of some sensors, right now.

        :param refused: those that a station refused.
        """
        texts = {id(each.sensor): each.text for each in self._standings}
        return self._look_at(sensors, refused, texts)

    async def _current(self) -> list[ListedSensor]:
        configured = list(self._center.sensors)
        now = self._context.clock.seconds()
        if (
            self._gathered_at is None
            or now - self._gathered_at >= FRESH
            or len(configured) != len(self._gathered_of)
            or any(map(_is_other, configured, self._gathered_of))
        ):
            self._gathered_at = now
            await self._gather(configured)
        return self._standings

    async def _gather(self, configured: Configured) -> None:
        refused = await self._journal.sessions.sensors_with_refusals()
        texts = {id(each.sensor): each.text for each in self._standings}
        ordered = sorted(configured, key=lambda sensor: sensor.eui)
        rest = iter(ordered)
        standings: list[ListedSensor] = []
        while part := list(islice(rest, SLICE)):
            standings += self._look_at(part, refused, texts)
            await self._turn()
        self._gathered_of = configured
        self._standings = standings
        self._counts = _counted(standings)

    def _look_at(
        self, sensors: Iterable[Sensor], refused: Container[EUI], texts: dict[int, str]
    ) -> Iterator[ListedSensor]:
        activity_of = self._center.activities.get
        is_attached = self._center.attachments.is_attached
        state_of = self._center.silence.state
        snr_of = self._center.paths.snr
        for sensor in sensors:
            eui = sensor.eui
            activity, snr = activity_of(eui), snr_of(eui)
            yield ListedSensor(
                sensor,
                texts.get(id(sensor)) or _text(sensor),
                state_of(eui) or "",
                is_attached(eui),
                eui in refused,
                activity.last_seen_at if activity else 0.0,
                activity.uplink_count if activity else 0,
                LOWEST if snr is None else snr,
            )

    def _turn(self) -> Deferred[None]:
        """Let others have the reactor."""
        turn: Deferred[None] = Deferred()
        self._context.clock.callLater(0, turn.callback, None)
        return turn


def in_order(standings: list[ListedSensor], sort: str) -> list[ListedSensor]:
    """Return sensors in an order.

    :param sort: one of :data:`SORTS`, with ``-`` in front for the other way; ties stay as they are.
    """
    name, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    if name == "eui":
        return standings[::-1] if is_reversed else standings
    return sorted(standings, key=_KEYS[name], reverse=is_reversed)


def _counted(standings: list[ListedSensor]) -> dict[str, int]:
    states = Counter(each.state for each in standings)
    attached = sum(each.attached for each in standings)
    return {status: states[status] for status in STATUSES} | {
        "attached": attached,
        "detached": len(standings) - attached,
        "refused": sum(each.refused for each in standings),
        "warning": sum(states[state] for state in SILENT),
        "unheard": sum(not each.last_seen_at for each in standings),
    }


def _is_other(one: Sensor, other: Sensor) -> bool:
    return one is not other


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


def _by_state(standing: ListedSensor) -> tuple[bool, str]:
    return (standing.attached, standing.state)


_KEYS: dict[str, Callable[[ListedSensor], Any]] = {
    "name": _by_name,
    "last_seen_at": _by_last_seen,
    "uplinks": _by_uplinks,
    "status": _by_state,
    "snr": _by_snr,
}
