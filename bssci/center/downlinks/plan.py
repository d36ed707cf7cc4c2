"""Routing of downlinks: decides, from a picture, which orders each station gets next.

The rules:

1.  A downlink is queued at one connected station at most: the preferred one of those that are connected, can
    send, have the sensor attached and have heard it.
2.  A downlink that may be queued at a connected station is revoked there before it goes to any station,
    including the same one. This applies to a better path, a new session, and a repeated attach, which makes
    some stations drop their queue. If the station says that it does not hold the downlink, a result may be
    on its way, and is waited for (RESULT_WAIT) before the downlink goes to any station.
3.  A station that is away keeps its downlinks for GRACE. After that they go to another station if there is
    one. When the first is back, they are revoked there before it gets any other order about them; if it has
    sent one meanwhile, its result counts, and the downlink is revoked at the other station. Thus only a
    downlink that was queued at a disconnected station can reach its sensor twice.
4.  A station that refused a downlink lately gets others only if no other station can take them. One that
    says that it does not know the sensor gets none of this sensor for a while. Downlinks that other stations
    hold stay there.
5.  One downlink at a time that may answer any uplink of its sensor is queued at a station, so that they are
    sent in order whatever the station does; in addition those that wait for certain uplinks, and one of a
    higher priority.
6.  Nothing depends on memory: an operation that should be open but is not is begun again, with the same
    queue id, after a restart as after a resume.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from itertools import takewhile

from msgspec.structs import replace
from twisted.logger import Logger

from bssci.center.downlinks.happenings import RESULT_WAIT, Turn
from bssci.center.uplinks.paths import Paths
from bssci.journal import Left, StoredDownlink
from bssci.model import EUI
from bssci.model.downlink import DownlinkOrder, OrderKind
from bssci.stations.downlinks import orders_at
from bssci.stations.station import Station

GRACE = 30.0
"""s that a station may be away before its downlinks go to another one"""
WATCH = 60.0
"""s until the planner checks whether an operation is still open"""
UNKNOWN_THERE_WAIT = 30.0
"""s until a station that did not know a sensor is tried again for it"""
PER_SENSOR = 4
"""downlinks of one sensor at a station, at most: bound ones and other ones each"""
LOWEST = float("-inf")
IN_FLIGHT = 64
"""downlink operations that are open at one station, at most"""
RESERVE = 128
"""operations of a session that are reserved for everything else"""


class Planner:
    """Plans one turn.

    :param station: returns a base station by its EUI; None if it is unknown.
    :param can_receive: returns whether a sensor is configured and bidirectional.
    :param counter: returns the highest packet counter received from a sensor; None if it was never heard.
    :param attached_at: Unix seconds since when a sensor is attached at a station, by (station, sensor).
    :param unable: stations that accept no downlinks.
    :param resting: busy stations that get no orders for now.
    :param refusing: stations that refused a downlink lately.
    :param unknown: (station, sensor) of sensors that a station does not know.
    :param away_since: returns the Unix seconds when a station disconnected.
    :param answered: orders whose answers the picture does not show yet, by station: kind and queue id.
    """

    log = Logger()

    def __init__(
        self,
        turn: Turn,
        *,
        station: Callable[[EUI], Station | None],
        paths: Paths,
        can_receive: Callable[[EUI], bool],
        counter: Callable[[EUI], int | None],
        attached_at: Mapping[tuple[EUI, EUI], float],
        unable: Iterable[EUI],
        resting: Iterable[EUI],
        refusing: Iterable[EUI],
        unknown: Iterable[tuple[EUI, EUI]],
        away_since: Callable[[Station | None], float],
        answered: Mapping[EUI, Set[tuple[OrderKind, int]]],
    ) -> None:
        self.orders: dict[Station, list[DownlinkOrder]] = {}
        self.blocked: set[tuple[EUI, EUI]] = set()
        """(station, sensor) of orders that wait until the station can take more"""
        self.unfinished: set[EUI] = set()
        """sensors that may have more downlinks than the picture shows"""
        self._turn = turn
        self._station = station
        self._paths = paths
        self._can_receive = can_receive
        self._counter = counter
        self._attached_at = attached_at
        self._unable = set(unable) | turn.unable
        self._resting = set(resting) | turn.resting
        self._refusing = set(refusing) | turn.resting
        self._unknown = set(unknown) | turn.unknown
        self._away_since = away_since
        self._answered = answered
        self._open: dict[EUI, set[tuple[OrderKind, int]]] = {}

    def plan(self, sensors: Iterable[EUI]) -> None:
        """Decide on the queued downlinks of sensors that are in the picture."""
        queued: dict[EUI, list[StoredDownlink]] = {eui: [] for eui in sensors}
        for stored in list(self._turn.rows.values()):
            of_sensor = queued.get(stored.downlink.request.end_point_eui)
            if of_sensor is not None and stored.downlink.state == "queued":
                of_sensor.append(stored)
        for eui, rows in queued.items():
            try:
                self._plan_sensor(eui, rows if self._can_receive(eui) else self._give_up(eui, rows))
            except Exception:  # one sensor's downlinks must not hold up those of others
                self.log.failure("planning of a sensor's downlinks failed {eui}", eui=eui)
        self._clear()

    def _plan_sensor(self, eui: EUI, rows: Sequence[StoredDownlink]) -> None:
        able = self._able(eui)
        for stored in rows:
            if stored.place:
                self._look_at_placed(stored, able)
        self._place([self._turn.rows[stored.downlink.queue_id] for stored in rows], self._choice(able))

    def _give_up(self, eui: EUI, rows: Iterable[StoredDownlink]) -> list[StoredDownlink]:
        """Mark for revocation the downlinks of a sensor that was removed or is no longer bidirectional."""
        given_up = [replace(stored, then="revoked") for stored in rows if not stored.then]
        if given_up:
            self.unfinished.add(eui)
        for stored in given_up:
            self._turn.put(stored)
        return [self._turn.rows[stored.downlink.queue_id] for stored in rows]

    def _clear(self) -> None:
        """Revoke downlinks that were left at stations that are connected now."""
        for left in sorted(self._turn.left - self._turn.not_left):
            station = self._connected(left.base_station_eui)
            if station is not None:
                self._revoke(station, left.queue_id, left.end_point_eui)

    # downlinks at a station

    def _look_at_placed(self, stored: StoredDownlink, able: Sequence[Station]) -> None:
        then = stored.then or ("expired" if self._is_expired(stored) else "")
        stored = replace(stored, then=then) if then != stored.then else stored
        assert stored.downlink.base_station_eui is not None
        station = self._connected(stored.downlink.base_station_eui)
        if station is None:
            self._look_at_unreachable(stored, able)
            return
        if stored.place == "revoking" or then or self._is_misplaced(stored, station, able):
            stored = replace(stored, place="revoking")
            self._revoke(station, stored.downlink.queue_id, stored.downlink.request.end_point_eui)
        elif stored.place == "asked" and not self._is_open(station, "queue", stored.downlink.queue_id):
            self._tell(station, stored)
        self._put(stored, watch=stored.place != "held")

    def _look_at_unreachable(self, stored: StoredDownlink, able: Sequence[Station]) -> None:
        assert stored.downlink.base_station_eui is not None
        downlink = stored.downlink
        station = stored.downlink.base_station_eui
        left = Left(station, downlink.queue_id, downlink.request.end_point_eui)
        moves_at = self._away_since(self._station(station)) + GRACE
        if stored.then:
            self._turn.left.add(left)
            self._turn.enter(stored, stored.then)
        elif able and self._turn.now >= moves_at:
            self._turn.left.add(left)
            self._turn.wait(stored)
        else:
            self._put(stored, look_at=moves_at)

    def _is_misplaced(self, stored: StoredDownlink, station: Station, able: Sequence[Station]) -> bool:
        # An attach in the future was before the clock was set back: it revokes nothing, or for hours all.
        attached_at = self._attached_at.get((station.eui, stored.downlink.request.end_point_eui))
        better = takewhile(lambda each: each is not station, able)
        return (
            stored.session != station.session_id
            or attached_at is None
            or stored.placed_at < attached_at <= self._turn.now
            or any(each.eui not in self._refusing for each in better)
        )

    # downlinks that wait here

    def _place(self, rows: Iterable[StoredDownlink], target: Station | None) -> None:
        rows = [stored for stored in rows if stored.downlink.state == "queued"]
        placed = [stored for stored in rows if stored.place]
        waiting = [stored for stored in rows if not stored.place]
        waiting.sort(key=lambda stored: (-stored.downlink.request.priority, stored.downlink.queue_id))
        count = Counter(stored.downlink.request.is_bound for stored in placed)
        urgency = max(map(_urgency, placed), default=LOWEST)
        for stored in waiting:
            if stored.then or self._is_expired(stored):
                self._turn.enter(stored, stored.then or "expired")
                continue
            request = stored.downlink.request
            fits = count[request.is_bound] < PER_SENSOR and (request.is_bound or request.priority > urgency)
            if fits and target is not None and self._may_go(stored, target) and self._tell(target, stored):
                self._ask(stored, target)
                count[request.is_bound] += 1
            else:
                self._put(stored, look_at=self._known_again_at(stored, target))
            urgency = max(urgency, _urgency(stored))

    def _may_go(self, stored: StoredDownlink, target: Station) -> bool:
        left = Left(target.eui, stored.downlink.queue_id, stored.downlink.request.end_point_eui)
        may_lie_there = left in self._turn.left and left not in self._turn.not_left
        return not self._is_ahead(stored.not_before, RESULT_WAIT) and not may_lie_there

    def _known_again_at(self, stored: StoredDownlink, target: Station | None) -> float | None:
        """Return when to try again, if the only possible station may be one that does not know the sensor."""
        eui = stored.downlink.request.end_point_eui
        if target is None and any(sensor == eui for _, sensor in self._unknown):
            return self._turn.now + UNKNOWN_THERE_WAIT
        return None

    def _ask(self, stored: StoredDownlink, station: Station) -> None:
        downlink = replace(stored.downlink, base_station_eui=station.eui, message=None)
        asked = replace(
            stored,
            downlink=downlink,
            place="asked",
            session=station.session_id,
            placed_at=self._turn.now,
            not_before=0.0,
        )
        self._put(asked, watch=True)

    # stations

    def _able(self, eui: EUI) -> list[Station]:
        """Return the stations that can take downlinks of a sensor, best first."""
        stations = map(self._station, self._paths.ranked(eui))
        return [
            station
            for station in stations
            if station is not None
            and station.can_send
            and station.eui not in self._unable
            and (station.eui, eui) in self._attached_at
            and (station.eui, eui) not in self._unknown
        ]

    def _choice(self, able: Sequence[Station]) -> Station | None:
        """Return the best station that did not refuse lately, or else the best; None if there is none."""
        willing = (station for station in able if station.eui not in self._refusing)
        return next(willing, able[0] if able else None)

    def _connected(self, eui: EUI) -> Station | None:
        station = self._station(eui)
        return station if station is not None and station.is_online else None

    def _revoke(self, station: Station, queue_id: int, eui: EUI) -> None:
        if not self._is_open(station, "revoke", queue_id) and self._has_room(station, eui):
            self._begin(station, DownlinkOrder(kind="revoke", queue_id=queue_id, end_point_eui=eui))

    def _tell(self, station: Station, stored: StoredDownlink) -> bool:
        request, queue_id = stored.downlink.request, stored.downlink.queue_id
        if not self._has_room(station, request.end_point_eui):
            return False
        eui = request.end_point_eui
        self._begin(
            station, DownlinkOrder(kind="queue", queue_id=queue_id, end_point_eui=eui, request=request)
        )
        return True

    def _begin(self, station: Station, order: DownlinkOrder) -> None:
        self.orders.setdefault(station, []).append(order)
        self._operations(station).add((order.kind, order.queue_id))

    def _is_open(self, station: Station, kind: OrderKind, queue_id: int) -> bool:
        return (kind, queue_id) in self._operations(station)

    def _has_room(self, station: Station, eui: EUI) -> bool:
        if (
            station.eui not in self._resting
            and len(self._operations(station)) < IN_FLIGHT
            and station.room - len(self.orders.get(station, ())) > RESERVE
        ):
            return True
        self.blocked.add((station.eui, eui))
        return False

    def _operations(self, station: Station) -> set[tuple[OrderKind, int]]:
        """Return the downlink operations that are open at a station, or whose answers the picture does not
        show: kind and queue id of each.
        """
        found = self._open.get(station.eui)
        if found is None:
            found = self._open[station.eui] = orders_at(station) | self._answered.get(station.eui, set())
        return found

    # rows

    def _is_ahead(self, at: float, longest: float) -> bool:
        """Return whether a time is to come, and no further ahead than it can have been put.

        One that is further ahead was stored before the clock was set back, and the service started anew.
        """
        return self._turn.now < at <= self._turn.now + longest

    def _is_expired(self, stored: StoredDownlink) -> bool:
        expires_at, request = stored.downlink.expires_at, stored.downlink.request
        if expires_at is not None and expires_at <= self._turn.now:
            return True
        if request.packet_counters is None:
            return False
        heard = self._counter(request.end_point_eui)
        return heard is not None and has_passed(max(request.packet_counters), heard)

    def _put(self, stored: StoredDownlink, *, watch: bool = False, look_at: float | None = None) -> None:
        """Store the downlink with the time when it is due next."""
        now = self._turn.now
        due = [at for at in (stored.downlink.expires_at, look_at) if at is not None and at > now]
        if self._is_ahead(stored.not_before, RESULT_WAIT):
            due.append(stored.not_before)
        if watch:
            # A due time in the future is kept, so that repeated planning does not postpone it.
            watched = stored.due_at
            if watched is None or not self._is_ahead(watched, WATCH):
                watched = now + WATCH
            due.append(watched)
        due_at = min(due, default=None)
        if due_at != stored.due_at:
            stored = replace(stored, due_at=due_at)
        if stored is not self._turn.rows.get(stored.downlink.queue_id):
            self._turn.put(stored)


def has_passed(counter: int, heard: int) -> bool:
    """Return whether the counter ``heard`` is after ``counter``, also if it has rolled over at 32 bits."""
    return 0 < heard - counter & 0xFFFF_FFFF < 1 << 31


def _urgency(stored: StoredDownlink) -> float:
    """Return the priority that another downlink for any uplink must exceed to be queued beside this one."""
    request = stored.downlink.request
    return LOWEST if request.is_bound else request.priority
