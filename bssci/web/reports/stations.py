"""Base stations: the list, refused connections, and everything about one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from cryptography import x509

from bssci.certificates.reading import describe
from bssci.journal import StationEntry
from bssci.model import EUI, AnyEvent, StationState, StationStatus
from bssci.stations.faults import code_text
from bssci.stations.registry import MAX_STATIONS
from bssci.stations.station import ConnectionState, Station
from bssci.system.clock import in_slices
from bssci.web.context import Context
from bssci.web.http.errors import not_found
from bssci.web.live.event_json import event_dict
from bssci.web.reports.ranges import Range, thinned

MAX_STATUSES = 3000
"""newest status reports that charts are drawn from"""
SLICE = 200
"""base stations that are put into rows in one turn of the reactor: each certificate that is new is parsed"""
StationStateName = Literal["online", "connecting", "offline", "expected", "blocked"]
STATES: tuple[StationStateName, ...] = get_args(StationStateName)
"""states by which lists of base stations are filtered"""
CHARTED = ("cpu_load", "memory_load", "duty_cycle", "temperature", "uptime")

Rows = list[dict[str, Any]]


class StationViews:
    """Reports on base stations."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center
        self._journal = context.journal
        self._certificates: dict[bytes, dict[str, Any]] = {}

    def refused(self) -> Rows:
        """Return the connections that were refused, newest first."""
        return [
            {
                "address": each.address,
                "reason": each.reason,
                "remedy": each.remedy,
                "station": each.base_station_eui,
                "subject": each.subject,
                "issuer": each.issuer,
                "count": each.count,
                "first_at": each.first_at,
                "at": each.at,
            }
            for each in self._center.refused_stations.listed()
        ]

    async def entries(self, q: str = "", state: str = "") -> Rows:
        """Return the configured entries of base stations by EUI, in the form that an import takes.

        :param q: only those of stations that match, as in :func:`matches`.
        :param state: likewise.
        """
        entries = sorted(self._center.entries, key=lambda each: each.base_station_eui)
        if q or state:
            rows = (await self.list())["base_stations"]
            chosen = {row["eui"] for row in rows if matches(row, q, state)}
            entries = [each for each in entries if each.base_station_eui in chosen]
        return [{"eui": entry.base_station_eui, "name": entry.name} | _entered(entry) for entry in entries]

    async def list(self) -> dict[str, Any]:
        """Return every base station that ever connected or is expected, by EUI."""
        held = await self._journal.sessions.count_registrations()
        stations: Rows = []
        ordered = sorted(self._center.stations, key=lambda station: station.eui)
        async for few in in_slices(self._context.clock, ordered, SLICE):
            stations += [self._row(station, held.get(station.eui, {})) for station in few]
        counts = dict.fromkeys(STATES, 0)
        for row in stations:
            counts["blocked" if row["blocked"] else row["state"]] += 1
        return {
            "base_stations": stations,
            "total": len(stations),
            "counts": counts,
            "refused": self.refused(),
        }

    async def detail(self, eui: EUI) -> dict[str, Any]:
        """Return one base station, with its timeline (when it connected, resumed or disconnected, and why)
        and its protocol errors.
        """
        station = self._station(eui)
        held = await self._journal.sessions.count_registrations()
        events = await self._journal.history.events_of_station(
            eui, before=None, limit=50, kinds=("station-state", "station-problem")
        )
        session = station.session
        return self._row(station, held.get(eui, {})) | {
            "refused": [each for each in self.refused() if each["station"] == eui],
            "timeline": [event_dict(seq, event) for seq, event in _once(events)],
            "errors": [
                {"direction": direction, "code": code_text(code), "count": count}
                for (direction, code), count in sorted(station.faults.counts.items())
            ],
            "session": None
            if session is None
            else {"version": session.version, "open_operations": len(session.open_requests)},
        }

    async def history(self, eui: EUI, span: Range) -> dict[str, Any]:
        """Return a base station's status reports over time, and when it connected and disconnected."""
        self._station(eui)
        now = self._context.now()
        since = now - span.seconds
        events = await self._journal.history.events_of_station(
            eui, before=None, limit=MAX_STATUSES, kinds=("station-status", "station-state")
        )
        recent = [event for _, event in reversed(events) if event.at >= since]
        statuses = [event for event in recent if isinstance(event, StationStatus)]
        return {
            "start": since,
            "end": now,
            "series": {
                name: thinned(
                    [[each.at, value] for each in statuses if (value := getattr(each, name)) is not None]
                )
                for name in CHARTED
            },
            "states": [
                {"timestamp": each.at, "state": each.state, "reason": each.reason, "resumed": each.resumed}
                for each in {
                    (each.at, each.state): each for each in recent if isinstance(each, StationState)
                }.values()
            ],
        }

    def _station(self, eui: EUI) -> Station:
        station = self._center.stations.get(eui)
        if station is None:
            raise not_found(f"there is no base station {eui}")
        return station

    def _row(self, station: Station, held: dict[str, int]) -> dict[str, Any]:
        state, record, status = station.state, station.record, station.status
        place = list(status.geo_location or ()) if status else []
        connection = station.connection
        # A base station that disconnects before it was online causes no event; only its record shows it.
        since = state.at if connection is ConnectionState.ONLINE else record.last_seen_at
        entry = self._center.entries.get(station.eui)
        return {
            "eui": station.eui,
            "name": state.name,
            "reported_name": record.name,
            "state": connection.value if station.has_connected else "expected",
            **_entered(entry or StationEntry(base_station_eui=station.eui, entered_at=0.0)),
            "entered_at": entry.entered_at if entry else None,
            "blocked_at": entry.blocked_at if entry else None,
            "blocked_by": entry.blocked_by if entry else None,
            "since": since or None,
            "resumed": state.resumed,
            "reason": record.reason or "",
            "address": record.address,
            "vendor": state.vendor,
            "model": state.model,
            "version": state.software_version,
            "certificate": self._described(record.certificate) if record.certificate else None,
            "cpu": status.cpu_load if status else None,
            "memory": status.memory_load if status else None,
            "duty_cycle": status.duty_cycle if status else None,
            "temperature": status.temperature if status else None,
            "uptime": status.uptime if status else None,
            "status_at": status.at if status else None,
            "message": status.message if status else None,
            "latitude": place[0] if len(place) > 1 else None,
            "longitude": place[1] if len(place) > 1 else None,
            "altitude": place[2] if len(place) > 2 else None,
            "uplink_rate": self._context.figures.station_rate(station.eui) * 60,
            "uplinks": self._center.ingest.received_by[station.eui],
            "sensors_attached": held.get("attached", 0),
            "sensors_failed": held.get("refused", 0),
        }

    def _described(self, der: bytes) -> dict[str, Any] | None:
        """Return the description of a station's certificate; each certificate is parsed once.

        None if the stored certificate is damaged, which is to hide no station.
        """
        known = self._certificates.get(der)
        if known is None:
            if len(self._certificates) >= MAX_STATIONS:
                self._certificates.clear()
            try:
                certificate = x509.load_der_x509_certificate(der)
                description = describe(certificate)
            except ValueError:
                return None
            known = self._certificates[der] = {
                "subject": description.subject,
                "issuer": description.issuer,
                "names": list(description.names),
                "not_before": certificate.not_valid_before_utc.timestamp(),
                "not_after": description.not_after.timestamp(),
                "fingerprint": description.fingerprint,
            }
        return known | {"days_left": days_left(known["not_after"], self._context.now())}


def matches(row: dict[str, Any], q: str, state: str) -> bool:
    """Return whether a row of the list of base stations matches a search and a state.

    :param q: part of EUI, name or tag.
    :param state: one of :data:`STATES`; empty: any.
    """
    if state and state != ("blocked" if row["blocked"] else row["state"]):
        return False
    wanted = q.strip().lower()
    digits = wanted.replace("-", "").replace(":", "") or wanted
    text = f"{row['eui']} {row['name'] or ''} {' '.join(row['tags'])}".lower()
    return wanted in text or digits in text


def _entered(entry: StationEntry) -> dict[str, Any]:
    """Return the configured entry of a base station without EUI and name."""
    return {
        "location": dict(entry.location) if entry.location is not None else None,
        "tags": list(entry.tags),
        "note": entry.note,
        "blocked": entry.blocked_at is not None,
    }


def _once(events: Iterable[tuple[int, AnyEvent]]) -> Iterator[tuple[int, AnyEvent]]:
    """Yield events, but of those that tell of one state the newest, which tells most.

    :param events: the newest first.
    """
    known = set()
    for seq, event in events:
        if isinstance(event, StationState):
            state = (event.at, event.state)
            if state in known:
                continue
            known.add(state)
        yield seq, event


def days_left(not_after: float, now: float) -> int:
    """Return the whole days until a time; negative if it has passed."""
    left = datetime.fromtimestamp(not_after, UTC) - datetime.fromtimestamp(now, UTC)
    return left.days
