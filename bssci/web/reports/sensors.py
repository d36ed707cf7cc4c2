"""Sensors: the list with its filters, and everything about one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from bssci.center.alarms.judging import ABOUT_TO_DETACH
from bssci.journal import Registration
from bssci.model import EUI, Sensor, Uplink, sensor_to_json
from bssci.model.device_id import sensor_device
from bssci.model.sensor import SECRETS
from bssci.settings.rows import MASK
from bssci.system.clock import in_slices, turn
from bssci.web.context import Context
from bssci.web.http.errors import invalid, not_found
from bssci.web.live.event_json import downlink_dict, event_dict, uplink_dict
from bssci.web.live.names import names_in
from bssci.web.monitoring.losses import losses
from bssci.web.reports.decoders import counts_of_device
from bssci.web.reports.ranges import Range, thinned
from bssci.web.reports.standings import SORTS, ListedSensor, Standings, in_order

MAX_SIGNAL = 2000
"""newest uplinks that a chart of signals is drawn from"""
DESCRIBED = 100
"""events that are described in one turn of the reactor"""
SLICE = 500
"""sensors of a long list that are put into rows at a time"""
CHOSEN = 5000
"""sensors that are filtered in one turn of the reactor"""

Rows = list[dict[str, Any]]
Chosen = list[ListedSensor]
Choose = Callable[[Sequence[ListedSensor]], Chosen]
"""a filter of the list"""


class SensorViews:
    """Reports on sensors."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center
        self._journal = context.journal
        self._name_of = names_in(context.center)
        self._standings = Standings(context)

    # the list

    async def list(self, *, page: int = 1, per_page: int = 50, **asked: Any) -> dict[str, Any]:
        """Return one page of sensors.

        :param asked: as :meth:`_chosen` takes it.
        """
        chosen = await self._chosen(**asked)
        first = (page - 1) * per_page
        rows = await self._rows(chosen[first : first + per_page], asked.get("station"))
        return {"sensors": rows, **self._report(len(chosen), page, per_page)}

    async def chosen(self, **asked: Any) -> Sequence[Sensor]:
        """Return the configuration of the sensors that match, by EUI; without a selection that of all, in the
        order of the file.

        :param asked: as :meth:`_chosen` takes it.
        """
        if not any(asked.values()):
            return self._center.sensors.all()
        return [each.sensor for each in await self._chosen(**asked)]

    async def whole_list(self, **asked: Any) -> tuple[dict[str, Any], AsyncIterator[Rows]]:
        """Return the report of :meth:`list` for all sensors on one page, and the sensors, a slice at a time.

        :param asked: as :meth:`_chosen` takes it.
        """
        chosen = await self._chosen(**asked)
        slices = self._slices(chosen, asked.get("station"))
        return self._report(len(chosen), 1, max(1, len(chosen))), slices

    async def _slices(self, chosen: Sequence[ListedSensor], station: EUI | None) -> AsyncIterator[Rows]:
        for first in range(0, len(chosen), SLICE):
            yield await self._rows(chosen[first : first + SLICE], station)
            # Let other work have a turn of the reactor: 100 000 rows take some seconds.
            await turn(self._context.clock)

    async def _chosen(
        self,
        q: str = "",
        status: str = "",
        sort: str = "eui",
        tag: str = "",
        station: EUI | None = None,
    ) -> Sequence[ListedSensor]:
        """Return the sensors that match a query, sorted.

        :param q: part of EUI, name or tag.
        :param status: one of :data:`STATUSES`.
        :param sort: one of :data:`SORTS`, with ``-`` in front for descending; ties are in the order of EUIs.
        :param station: only those that this station hears.
        """
        if sort.removeprefix("-") not in SORTS:
            raise invalid("sort", f"must be one of {', '.join(SORTS)}, optionally with - in front")
        chosen: Sequence[ListedSensor] = await self._standings.all()
        if q:
            wanted = q.strip().lower()
            digits = wanted.replace("-", "").replace(":", "") or wanted
            chosen = await self._of(
                chosen, lambda some: [each for each in some if wanted in each.text or digits in each.text]
            )
        if status:
            chosen = await self._of(chosen, lambda some: [each for each in some if each.has(status)])
        if tag:
            chosen = await self._of(chosen, lambda some: [each for each in some if tag in each.sensor.tags])
        if station is not None:
            hears = self._center.paths.hears
            chosen = await self._of(
                chosen, lambda some: [each for each in some if hears(station, each.sensor.eui)]
            )
            if sort.removeprefix("-") == "snr":
                chosen = await self._of(
                    chosen, lambda some: [replace(each, snr=self._snr_at(station, each)) for each in some]
                )
        return await in_order(self._context.clock, chosen, sort)

    async def _of(self, standings: Sequence[ListedSensor], choose: Choose) -> Sequence[ListedSensor]:
        found: Chosen = []
        async for some in in_slices(self._context.clock, standings, CHOSEN):
            found += choose(some)
        return found

    def _snr_at(self, station: EUI, listed: ListedSensor) -> float:
        path = _path_of(self._center.paths.report(listed.sensor.eui), station)
        return listed.snr if path is None else float(path["snr"])

    async def _rows(self, shown: Sequence[ListedSensor], station: EUI | None = None) -> Rows:
        """Return rows of the list.

        :param station: its signal is reported instead of the best station's.
        """
        euis = [each.sensor.eui for each in shown]
        registrations = await self._journal.sessions.registration_states(euis)
        return [self._row(each, registrations.get(each.sensor.eui, {}), station) for each in shown]

    def _report(self, matching: int, page: int, per_page: int) -> dict[str, Any]:
        counts = self._standings.counts()
        return {
            "total": counts["attached"] + counts["detached"],
            "matching": matching,
            "page": page,
            "per_page": per_page,
            "pages": max(1, -(-matching // per_page)),
            "counts": counts,
        }

    def _row(
        self, standing: ListedSensor, registrations: Mapping[EUI, str], station: EUI | None = None
    ) -> dict[str, Any]:
        """Return a sensor as JSON.

        :param registrations: the state at each base station that was asked to attach or detach it.
        :param station: its signal is reported instead of the best station's.
        """
        sensor = standing.sensor
        attached_at = [station for station, state in registrations.items() if state == "attached"]
        eui = sensor.eui
        attachment = self._center.attachments.get(eui)
        activity = self._center.activities.get(eui)
        silence = self._center.silence.standing(eui)
        left = silence.seconds_until_detach if silence else None
        paths = self._center.paths.report(eui)
        best = paths[0] if paths else None
        shown = best if station is None else _path_of(paths, station)
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
            "warning": standing.state in ABOUT_TO_DETACH,
            "inactive_seconds": silence.inactive_seconds if silence else None,
            "seconds_until_detach": left,
            "detach_at": self._context.now() + left if left is not None and self._listens() else None,
            "last_seen_at": activity.last_seen_at if activity else None,
            "cnt": activity.packet_counter if activity else None,
            "uplinks": activity.uplink_count if activity else 0,
            "preferred_path": best["base_station_eui"] if best else None,
            "snr": shown["snr"] if shown else None,
            "rssi": shown["rssi"] if shown else None,
            "heard_by_station_at": shown["last_heard_at"] if shown and station is not None else None,
        }

    def _listens(self) -> bool:
        """Return whether a base station is connected: the time of silence passes only then."""
        return bool(self._center.stations.connected())

    def forget(self) -> None:
        """Discard the cached list: sensors were attached or detached."""
        self._standings.forget()

    # one sensor

    async def detail(self, eui: EUI) -> dict[str, Any]:
        """Return everything about one sensor, with its secrets masked."""
        sensor = self.sensor(eui)
        registrations = await self._journal.sessions.registrations_of(eui)
        states = {station: each.state for station, each in registrations.items()}
        refused = {eui} if "refused" in states.values() else set[EUI]()
        standing = next(self._standings.of([sensor], refused))
        attachment = self._center.attachments.get(eui)
        return self._row(standing, states) | {
            "configuration": masked(sensor),
            "registrations": [
                self._registration(station, registration) for station, registration in registrations.items()
            ],
            "paths": self._center.paths.report(eui),
            "silence_limit": self._center.silence.limits(sensor).detach,
            "warning_limit": self._center.silence.limits(sensor).warning,
            "attachment": {
                "state": "attached" if standing.attached else "detached",
                "reason": attachment.reason if attachment else "configured",
                "since": attachment.since if attachment else None,
                "attach_counter": attachment.attach_counter if attachment else None,
            },
            "decoding": counts_of_device(self._context, sensor_device(eui)),
        }

    def sensor(self, eui: EUI) -> Sensor:
        """Return a configured sensor.

        :raises ApiError: 404
        """
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
        """Return stored uplinks with readings, newest first; also of sensors that are not configured."""
        events = await self._journal.history.uplinks_of_sensor(eui, before=before, limit=limit)
        decoded = await self._context.outside.decode_stored([event for _, event in events])
        uplinks: list[dict[str, Any]] = []
        async for few in in_slices(self._context.clock, list(zip(events, decoded, strict=True)), DESCRIBED):
            uplinks += [
                {"seq": seq, "timestamp": event.at} | uplink_dict(event)
                for (seq, _), event in few
                if isinstance(event, Uplink)
            ]
        return {"uplinks": uplinks, "next": events[-1][0] if len(events) == limit else None}

    async def history(self, eui: EUI, limit: int = 100, before: int | None = None) -> dict[str, Any]:
        """Return a sensor's events except uplinks, newest first."""
        events = await self._journal.history.events_of_sensor(eui, before=before, limit=limit)
        described: list[dict[str, Any]] = []
        async for few in in_slices(self._context.clock, events, DESCRIBED):
            described += [event_dict(seq, event, self._name_of) for seq, event in few]
        return {
            "events": described,
            "next": events[-1][0] if len(events) == limit else None,
        }

    async def signal(self, eui: EUI, span: Range) -> dict[str, Any]:
        """Return SNR and RSSI by base station over time, and how many uplinks were lost.

        ``lost_before``: number of uplinks lost right before an uplink, by the latter's number; for
        the newest 2 000 uplinks.
        """
        since = self._context.now() - span.seconds
        events = await self._journal.history.uplinks_of_sensor(eui, before=None, limit=MAX_SIGNAL)
        events.reverse()
        missing = losses([uplink.packet_counter for _, uplink in events])
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
        """Return a sensor's newest downlinks, newest first."""
        downlinks = await self._center.downlinks.of(eui)
        return {"downlinks": [downlink_dict(each) for each in downlinks]}

    async def unknown(self, limit: int = 100) -> dict[str, Any]:
        """Return the newest of the sensors that are heard but not configured, most recently heard first."""
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

    def wrong(self, limit: int = 100) -> dict[str, Any]:
        """Return what is wrong in the file of sensors: the whole file (``trouble``), or single entries."""
        sensors = self._center.sensors
        return {
            "file": sensors.path.name,
            "trouble": sensors.trouble,
            "total": len(sensors.wrong),
            "entries": [
                {"entry": each.number, "eui": each.eui, "problem": each.problem, "used": each.eui in sensors}
                for each in sensors.wrong[:limit]
            ],
        }

    async def counts(self) -> dict[str, int]:
        """Return the number of sensors by status."""
        await self._standings.all()
        return self._standings.counts()


def _path_of(paths: Rows, station: EUI) -> dict[str, Any] | None:
    """Return the path through one base station, out of the paths of a sensor; None if there is none."""
    return next((path for path in paths if path["base_station_eui"] == station), None)


def masked(sensor: Sensor) -> dict[str, Any]:
    """Return a sensor's entry of endpoints.json without its secrets."""
    entry = sensor_to_json(sensor)
    return entry | {field: MASK for field in SECRETS if field in entry}
