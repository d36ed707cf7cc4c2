"""Sensors: the list with its filters, and everything about one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred

from bssci.journal import Registration
from bssci.model import EUI, Sensor, Uplink, sensor_to_json
from bssci.settings import MASK
from bssci.web.context import Context
from bssci.web.errors import invalid, not_found
from bssci.web.event_json import downlink_dict, event_dict, uplink_dict
from bssci.web.losses import Heard, losses
from bssci.web.names import names_in
from bssci.web.views.ranges import Range, thinned

FRESH = 2.0
"""s for which what was gathered of all sensors is shown again"""
SLICE = 1000
"""sensors that one turn of the reactor looks at"""
SORTS = ("eui", "name", "last_seen_at", "uplinks", "status", "snr")
LOWEST = float("-inf")
MAX_SIGNAL = 2000
"""uplinks of which a chart is drawn"""
STATUSES = (
    "attached",
    "detached",
    "refused",
    "active",
    "registered",
    "warning",
    "never seen",
    "auto-detach pending",
    "auto-detached",
)
SILENT = ("warning", "auto-detach pending")
"""states that the status ``warning`` stands for"""


class Standing(NamedTuple):
    """One sensor in the list, as far as it is searched, filtered and sorted."""

    sensor: Sensor
    text: str
    """what a search looks through, in lower case"""
    state: str
    """of :class:`bssci.center.silence.Silence`"""
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
        return self.state == status


Standings = list[Standing]
Configured = list[Sensor]


class SensorViews:
    """Questions about sensors."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center
        self._journal = context.journal
        self._name_of = names_in(context.center)
        self._lock = DeferredLock()
        self._standings: Standings = []
        self._gathered_at: float | None = None
        self._gathered_of: Configured = []
        self._attached: Counter[bool] = Counter()
        self._states: Counter[str] = Counter()
        self._refused = 0

    # the list

    async def list(
        self,
        q: str = "",
        status: str = "",
        sort: str = "eui",
        page: int = 1,
        per_page: int = 50,
        tag: str = "",
        station: EUI | None = None,
    ) -> dict[str, Any]:
        """One page of sensors.

        :param q: part of EUI, name or tag.
        :param status: one of :data:`STATUSES`.
        :param sort: one of :data:`SORTS`, with ``-`` in front for the other way; ties go by EUI.
        :param station: only those that this station hears.
        """
        standings = await self.standings()
        chosen = standings
        if q:
            wanted = q.strip().lower()
            digits = wanted.replace("-", "").replace(":", "")
            chosen = [each for each in chosen if wanted in each.text or (digits and digits in each.text)]
        if status:
            chosen = [each for each in chosen if each.has(status)]
        if tag:
            chosen = [each for each in chosen if tag in each.sensor.tags]
        if station is not None:
            hears = self._center.paths.hears
            chosen = [each for each in chosen if hears(station, each.sensor.eui)]
        chosen = self._sorted(chosen, sort)
        first = (page - 1) * per_page
        shown = chosen[first : first + per_page]
        registrations = await self._journal.registration_states(each.sensor.eui for each in shown)
        return {
            "sensors": [self._row(each, registrations.get(each.sensor.eui, {})) for each in shown],
            "total": len(standings),
            "matching": len(chosen),
            "page": page,
            "per_page": per_page,
            "pages": max(1, -(-len(chosen) // per_page)),
            "counts": self._counts(),
        }

    def _sorted(self, standings: Standings, sort: str) -> Standings:
        name, reverse = sort.removeprefix("-"), sort.startswith("-")
        if name not in SORTS:
            raise invalid("sort", f"must be one of {', '.join(SORTS)}, perhaps with - in front")
        if name == "eui":
            return standings[::-1] if reverse else standings
        return sorted(standings, key=_KEYS[name], reverse=reverse)

    async def standings(self) -> Standings:
        """All sensors by EUI; gathered anew every 2 s, and when the configuration changed."""
        return await self._lock.run(lambda: ensureDeferred(self._current()))

    def forget(self) -> None:
        """What was gathered is over: sensors were attached or detached."""
        self._gathered_at = None

    async def _current(self) -> Standings:
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
        refused = await self._journal.sensors_with_refusals()
        texts = {id(each.sensor): each.text for each in self._standings}
        ordered = sorted(configured, key=lambda sensor: sensor.eui)
        rest = iter(ordered)
        standings: Standings = []
        while part := list(islice(rest, SLICE)):
            standings += self._look_at(part, refused, texts)
            await self._turn()
        self._gathered_of = configured
        self._standings = standings
        self._states = Counter(each.state for each in standings)
        self._attached = Counter(each.attached for each in standings)
        self._refused = sum(each.refused for each in standings)

    def _look_at(self, sensors: Configured, refused: set[EUI], texts: dict[int, str]) -> Iterator[Standing]:
        activity_of = self._center.activities.get
        is_attached = self._center.attachments.is_attached
        state_of = self._center.silence.state
        snr_of = self._center.paths.snr
        for sensor in sensors:
            eui = sensor.eui
            activity, snr = activity_of(eui), snr_of(eui)
            yield Standing(
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

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(STATUSES, 0) | {
            "attached": self._attached[True],
            "detached": self._attached[False],
            "refused": self._refused,
        }
        for state, count in self._states.items():
            if state != "detached":
                counts[state] = count
        counts["warning"] = sum(self._states[state] for state in SILENT)
        return counts

    def _row(self, standing: Standing, registrations: Mapping[EUI, str]) -> dict[str, Any]:
        """:param registrations: the state at each station that was told of it."""
        sensor = standing.sensor
        attached_at = [station for station, state in registrations.items() if state == "attached"]
        eui = sensor.eui
        attachment = self._center.attachments.get(eui)
        activity = self._center.activities.get(eui)
        silence = self._center.silence.standing(eui)
        paths = self._center.paths.report(eui)
        best = paths[0] if paths else None
        return {
            "eui": eui,
            "name": sensor.name,
            "shortAddr": f"{sensor.short_address:04X}",
            "bidi": sensor.bidirectional,
            "tags": list(sensor.tags),
            "registration": "attached" if self._center.attachments.is_attached(eui) else "detached",
            "over_the_air": attachment is not None and attachment.over_the_air,
            "reason": attachment.reason if attachment else "configured",
            "attached_at": len(attached_at),
            "attached_at_connected": sum(map(self._center.is_connected, attached_at)),
            "refused_by": sum(state == "refused" for state in registrations.values()),
            "status": standing.state,
            "warning": standing.state in SILENT,
            "inactive_seconds": silence.inactive_seconds if silence else None,
            "seconds_until_detach": silence.seconds_until_detach if silence else None,
            "last_seen_at": activity.last_seen_at if activity else None,
            "cnt": activity.packet_counter if activity else None,
            "uplinks": activity.uplink_count if activity else 0,
            "preferred_path": best["base_station_eui"] if best else None,
            "snr": best["snr"] if best else None,
            "rssi": best["rssi"] if best else None,
        }

    # one sensor

    async def detail(self, eui: EUI) -> dict[str, Any]:
        """Everything about one sensor; its key masked."""
        sensor = self.sensor(eui)
        registrations = await self._journal.registrations_of(eui)
        states = {station: each.state for station, each in registrations.items()}
        refused = {eui} if "refused" in states.values() else set[EUI]()
        standing = next(self._look_at([sensor], refused, {}))
        attachment = self._center.attachments.get(eui)
        return self._row(standing, states) | {
            "configuration": masked(sensor),
            "registrations": [
                self._registration(station, registration) for station, registration in registrations.items()
            ],
            "paths": self._center.paths.report(eui),
            "attachment": {
                "state": "attached" if standing.attached else "detached",
                "reason": attachment.reason if attachment else "configured",
                "since": attachment.since if attachment else None,
                "attach_counter": attachment.attach_counter if attachment else None,
            },
        }

    def sensor(self, eui: EUI) -> Sensor:
        """:raises ApiError: 404"""
        sensor = self._center.sensors.get(eui)
        if sensor is None:
            raise not_found(f"there is no sensor {eui}")
        return sensor

    def _registration(self, station: EUI, registration: Registration) -> dict[str, Any]:
        known = self._center.stations.get(station)
        return {
            "base_station_eui": station,
            "name": known.state.name if known else None,
            "connected": known is not None and known.state.state == "online",
            "state": registration.state,
            "code": registration.code,
            "message": registration.message,
            "timestamp": registration.at,
        }

    async def uplinks(self, eui: EUI, limit: int = 50, before: int | None = None) -> dict[str, Any]:
        """Stored uplinks, newest first; also of sensors that are not configured."""
        events = await self._journal.uplinks_of(eui, before=before, limit=limit)
        uplinks = [
            {"seq": seq, "timestamp": event.at} | uplink_dict(event)
            for seq, event in events
            if isinstance(event, Uplink)
        ]
        return {"uplinks": uplinks, "next": events[-1][0] if len(events) == limit else None}

    async def history(self, eui: EUI, limit: int = 100, before: int | None = None) -> dict[str, Any]:
        """What happened to it beside its uplinks: attached, detached, warned, downlinks; newest first."""
        events = await self._journal.events_of_sensor(eui, before=before, limit=limit)
        return {
            "events": [event_dict(seq, event, self._name_of) for seq, event in events],
            "next": events[-1][0] if len(events) == limit else None,
        }

    async def signal(self, eui: EUI, span: Range) -> dict[str, Any]:
        """SNR and RSSI by station over time, and how many counters were lost, from stored uplinks.

        ``lost_before``: right before which uplink, by its number; of the newest 2 000, however old.
        """
        since = self._context.now() - span.seconds
        events = await self._journal.uplinks_of(eui, before=None, limit=MAX_SIGNAL)
        events.reverse()
        missing = losses([Heard(uplink.packet_counter, uplink.best.rx_time) for _, uplink in events])
        lost_before = {seq: lost for (seq, _), lost in zip(events, missing, strict=True) if lost}
        recent = [(seq, uplink) for seq, uplink in events if uplink.at >= since]
        stations: dict[str, dict[str, list[list[float]]]] = {}
        for _, uplink in recent:
            for reception in uplink.receptions:
                series = stations.setdefault(reception.base_station_eui, {"snr": [], "rssi": []})
                series["snr"].append([uplink.at, reception.snr])
                series["rssi"].append([uplink.at, reception.rssi])
        return {
            "start": since,
            "end": self._context.now(),
            "uplinks": len(recent),
            "lost": sum(lost_before.get(seq, 0) for seq, _ in recent),
            "lost_before": lost_before,
            "stations": {
                station: {name: thinned(points) for name, points in series.items()}
                for station, series in stations.items()
            },
        }

    async def downlinks(self, eui: EUI) -> dict[str, Any]:
        """Its newest downlinks, newest first."""
        downlinks = await self._center.downlinks_of(eui)
        return {"downlinks": [downlink_dict(each) for each in downlinks]}

    async def unknown(self, limit: int = 100) -> dict[str, Any]:
        """Sensors that are heard and not configured, the one that was heard last first."""
        listed = self._center.unknown_sensors()
        return {
            "total": len(listed),
            "sensors": [
                {
                    "eui": each.end_point_eui,
                    "first_heard_at": each.first_heard_at,
                    "last_heard_at": each.last_heard_at,
                    "uplinks": each.uplinks,
                    "attach_requests": each.attach_requests,
                    "snr": each.last.snr,
                    "rssi": each.last.rssi,
                    "base_station_eui": each.last.base_station_eui,
                    "stations": len(each.by_station),
                }
                for each in listed[:limit]
            ],
        }


def masked(sensor: Sensor) -> dict[str, Any]:
    """Its entry of endpoints.json without the key."""
    return sensor_to_json(sensor) | {"nwKey": MASK}


def _is_other(one: Sensor, other: Sensor) -> bool:
    return one is not other


def _text(sensor: Sensor) -> str:
    return f"{sensor.eui}\n{sensor.name}\n{' '.join(sensor.tags)}".lower()


def _by_name(standing: Standing) -> tuple[bool, str]:
    """Without a name last."""
    return (not standing.sensor.name, standing.sensor.name.casefold())


def _by_last_seen(standing: Standing) -> float:
    return standing.last_seen_at


def _by_uplinks(standing: Standing) -> int:
    return standing.uplinks


def _by_snr(standing: Standing) -> float:
    return standing.snr


def _by_state(standing: Standing) -> tuple[bool, str]:
    return (standing.attached, standing.state)


_KEYS: dict[str, Callable[[Standing], Any]] = {
    "name": _by_name,
    "last_seen_at": _by_last_seen,
    "uplinks": _by_uplinks,
    "status": _by_state,
    "snr": _by_snr,
}
