"""Processes what happens to downlinks, in turns.

A turn reads a picture of the downlinks concerned from the journal, applies the happenings to it, plans the
orders to stations, and stores the result in one commit. Only then are operations begun and Deferreds fired.
Happenings that come meanwhile wait for the next turn. Thus memory holds no downlinks, and a crash between any
two steps leaves a state from which the next run continues.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.downlinks.happenings import Happening, QueueRefused, RevokeAnswered, Turn
from bssci.center.downlinks.plan import GRACE, IN_FLIGHT, UNKNOWN_THERE_WAIT, WATCH, Planner
from bssci.center.uplinks.paths import Paths
from bssci.journal import DownlinkPicture, Journal, JournalBusy, StorageError
from bssci.model import EUI, Downlink
from bssci.model.commands import CommandError
from bssci.model.downlink import DownlinkOrder, OrderKind
from bssci.stations.downlinks import give
from bssci.stations.station import Station
from bssci.system.clock import Clock, SteadyTime

TURN = 256
"""happenings that one turn processes, at most, and sensors likewise"""
MAX_WAITING_BYTES = 32 * 1024 * 1024
"""bytes of waiting happenings beyond which further ones are refused"""
LEFT_AT_STATION = 32
"""left downlinks that one turn revokes at each station"""
REST = 5.0
"""s for which a station that answered "busy" gets no orders"""
REFUSING = 60.0
"""s for which other stations are preferred to it"""


class DownlinkWorker:
    """Applies happenings to downlinks, and plans the orders for the sensors concerned.

    :param station: returns a base station by its EUI; None if it is unknown.
    :param can_receive: returns whether a sensor is configured and bidirectional.
    :param counter: returns the highest packet counter received from a sensor; None if it was never heard.
    :param now: returns Unix seconds.
    :param stored: called with each turn once it is on disk.
    :param shifted: called with the seconds by which the clock was set, once stored times have been moved.
    :param idle: called when there is no work left.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        paths: Paths,
        *,
        station: Callable[[EUI], Station | None],
        can_receive: Callable[[EUI], bool],
        counter: Callable[[EUI], int | None],
        now: SteadyTime,
        stored: Callable[[Turn], None],
        shifted: Callable[[float], None],
        idle: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._paths = paths
        self._station = station
        self._can_receive = can_receive
        self._counter = counter
        self._now = now
        self._stored = stored
        self._shifted = shifted
        self._jump = 0.0
        """s by which the clock was set, and what is stored is not moved yet"""
        self._gone_at: dict[EUI, float] = {}
        """Unix seconds when stations that are away disconnected"""
        self._idle = idle
        self._started_at = now()
        self._happenings: deque[Happening] = deque()
        self._waiting_bytes = 0
        self._sensors: dict[EUI, None] = {}
        self._stations: set[EUI] = set()
        self._clear_again: dict[EUI, float] = {}
        """reactor seconds when to look whether stations still have downlinks that were left at them"""
        self._blocked: dict[EUI, dict[EUI, None]] = {}
        """by station, sensors whose orders wait until it can take more"""
        self._resting: dict[EUI, float] = {}
        """reactor seconds until which a busy station gets no orders"""
        self._refusing: dict[EUI, float] = {}
        """reactor seconds until which other stations are preferred to one that was busy"""
        self._unknown: dict[tuple[EUI, EUI], float] = {}
        """reactor seconds until which a station counts as not knowing a sensor, by (station, sensor)"""
        self._unable: set[EUI] = set()
        """stations that accept no downlinks, until they connect again"""
        self.working = False
        self._paused = False

    @property
    def waiting(self) -> int:
        """Number of happenings that wait for their turn."""
        return len(self._happenings)

    def happen(self, happening: Happening) -> Deferred[Any]:
        """Queue a happening; the Deferred fires when its consequences are on disk.

        :raises JournalBusy: in the Deferred: too many are waiting already.
        """
        size = happening.size
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            return fail(JournalBusy(f"{self._waiting_bytes} bytes of downlinks wait for the disk already"))
        self._waiting_bytes += size
        self._happenings.append(happening)
        self._kick()
        return happening.done

    def look(self, sensors: Iterable[EUI]) -> None:
        """Plan the queued downlinks of sensors."""
        self._sensors.update(dict.fromkeys(sensors))
        self._kick()

    def clear(self, station: EUI) -> None:
        """Revoke downlinks that were left at a station, if it is connected."""
        self._stations.add(station)
        self._kick()

    def can_be_told(self, station: EUI, sensors: int = 2) -> None:
        """Plan orders that wait for a station, since one of its operations is over."""
        blocked = self._blocked.get(station)
        if blocked and station not in self._resting:
            free = list(islice(blocked, sensors))
            for eui in free:
                del blocked[eui]
            self.look(free)

    def connected(self, station: EUI) -> None:
        """Note that a station is connected again; its earlier refusals no longer count."""
        self._gone_at.pop(station, None)
        self._resting.pop(station, None)
        self._refusing.pop(station, None)
        self._unable.discard(station)
        self.clear(station)
        self.can_be_told(station, IN_FLIGHT)

    def disconnected(self, station: EUI) -> None:
        """Note when a station disconnected; what waited until it can take more may go to another one."""
        self._clear_again.pop(station, None)
        self._gone_at[station] = self._now()
        self.look(self._blocked.pop(station, ()))

    def shift(self, seconds: float) -> None:
        """Move all stored times by the seconds by which the clock was set, before the next decision."""
        if not self._jump:
            self._jump = seconds
            self._kick()

    def wake(self) -> None:
        """Continue after a failure, and with stations whose pause is over."""
        self._paused = False
        now = self._clock.seconds()
        for station in [station for station, until in self._resting.items() if until <= now]:
            del self._resting[station]
            self.can_be_told(station, IN_FLIGHT)
        for station in [station for station, at in self._clear_again.items() if at <= now]:
            del self._clear_again[station]
            self.clear(station)
        self._refusing = {station: until for station, until in self._refusing.items() if until > now}
        self._unknown = {pair: until for pair, until in self._unknown.items() if until > now}
        if self._gone_at:
            # Of stations that went earlier it is enough that they did: their time to come back is over.
            lately = self._now() - 2 * GRACE
            self._gone_at = {station: at for station, at in self._gone_at.items() if at > lately}
        self._kick()

    def pause(self) -> None:
        """Begin no further turn until :meth:`wake`."""
        self._paused = True

    # turns

    def _kick(self) -> None:
        if not self.working and self._has_work():
            self.working = True
            ensureDeferred(self._work()).addErrback(self._log_failure)

    def _has_work(self) -> bool:
        return not self._paused and bool(self._jump or self._happenings or self._sensors or self._stations)

    async def _work(self) -> None:
        try:
            while self._has_work():
                if self._jump:
                    await self._shift(self._jump)
                else:
                    await self._turn()
        finally:
            self.working = False
            self._idle()

    async def _shift(self, seconds: float) -> None:
        try:
            await self._journal.downlinks.shift(seconds)
        except StorageError:
            self._paused = True  # the next wake-up tries again
            return
        self._jump = 0.0
        self._now.follow(seconds)
        self._started_at += seconds
        self._gone_at = {station: at + seconds for station, at in self._gone_at.items()}
        self._shifted(seconds)

    async def _turn(self) -> None:
        happenings = [self._happenings.popleft() for _ in range(min(TURN, len(self._happenings)))]
        self._waiting_bytes -= sum(happening.size for happening in happenings)
        sensors = dict.fromkeys(islice(self._sensors, TURN))
        for eui in sensors:
            del self._sensors[eui]
        sensors.update(dict.fromkeys(happening.end_point_eui for happening in happenings))
        stations, self._stations = self._stations, set()
        try:
            picture = await self._picture(happenings, sensors, stations)
            turn, results = self._apply(picture, happenings)
            planner = self._plan(turn, picture, sensors)
            await self._store(turn, picture)
        except Exception as error:
            self._failed(error, happenings, sensors, stations)
            return
        self._carry_out(turn, planner)
        for happening, result in zip(happenings, results, strict=True):
            if isinstance(result, Exception):
                happening.done.errback(result)
            elif isinstance(result, Downlink):
                happening.done.callback(turn.rows[result.queue_id].downlink)
            else:
                happening.done.callback(result)

    def _carry_out(self, turn: Turn, planner: Planner) -> None:
        """Do what follows from a turn that is on disk. A step that fails keeps no other from being done."""
        steps = [partial(self._stored, turn)]
        steps += [partial(self._introduce, eui, sensor) for eui, sensor in turn.unknown]
        steps += [partial(self._give, station, orders) for station, orders in planner.orders.items()]
        for step in steps:
            try:
                step()
            except Exception:
                self.log.failure("follow-up of a change of downlinks failed")

    def _picture(
        self, happenings: Sequence[Happening], sensors: Iterable[EUI], stations: Iterable[EUI]
    ) -> Deferred[DownlinkPicture]:
        return self._journal.downlinks.picture(
            queue_ids={queue_id for happening in happenings for queue_id in happening.queue_ids()},
            answered={
                (happening.end_point_eui, counter)
                for happening in happenings
                for counter in happening.counters()
            },
            sensors=list(sensors),
            stations=list(stations),
            limit=LEFT_AT_STATION,
        )

    def _apply(self, picture: DownlinkPicture, happenings: Sequence[Happening]) -> tuple[Turn, list[object]]:
        turn = Turn.of(picture, self._now())
        results: list[object] = []
        for happening in happenings:
            try:
                results.append(happening.apply(turn))
            except CommandError as error:
                results.append(error)
            except Exception as error:
                self.log.failure("change of a downlink lost {happening}", happening=happening)
                results.append(error)
        self._unable |= turn.unable
        now = self._clock.seconds()
        for station in turn.resting:
            self._resting[station] = now + REST
            self._refusing[station] = now + REFUSING
        self._unknown.update(dict.fromkeys(turn.unknown, now + UNKNOWN_THERE_WAIT))
        return turn, results

    def _plan(self, turn: Turn, picture: DownlinkPicture, sensors: Iterable[EUI]) -> Planner:
        planner = Planner(
            turn,
            station=self._station,
            paths=self._paths,
            can_receive=self._can_receive,
            counter=self._counter,
            attached_at=picture.attached_at,
            unable=self._unable,
            resting=self._resting,
            refusing=self._refusing,
            unknown=self._unknown,
            away_since=self._away_since,
            answered=self._answered(),
        )
        # Sensors that changed while the picture was read are planned in the next turn.
        planner.plan([eui for eui in sensors if eui not in self._sensors])
        for eui in {left.base_station_eui for left in turn.left - turn.not_left}:
            station = self._station(eui)
            if station is not None and station.is_online:
                # The order to revoke it may not have been begun, as on a full disk.
                self._clear_again.setdefault(eui, self._clock.seconds() + WATCH)
        for blocked, eui in planner.blocked:
            self._blocked.setdefault(blocked, {})[eui] = None
        self._sensors.update(dict.fromkeys(planner.unfinished))
        return planner

    def _answered(self) -> dict[EUI, set[tuple[OrderKind, int]]]:
        """Return the orders whose answers came while the picture was read, by station."""
        answered: dict[EUI, set[tuple[OrderKind, int]]] = {}
        for each in self._happenings:
            if isinstance(each, QueueRefused | RevokeAnswered):
                answered.setdefault(each.station, set()).add((each.answers, each.queue_id))
        return answered

    def _away_since(self, station: Station | None) -> float:
        return self._started_at if station is None else self._gone_at.get(station.eui, self._started_at)

    async def _store(self, turn: Turn, picture: DownlinkPicture) -> None:
        changed = turn.changed()
        left = sorted(turn.left - turn.not_left - set(picture.left))
        if changed or turn.events or left or turn.not_left:
            await self._journal.downlinks.store(
                changed, turn.events, left=left, not_left=turn.not_left, beside=turn.beside
            )

    def _failed(
        self,
        error: Exception,
        happenings: Sequence[Happening],
        sensors: Iterable[EUI],
        stations: Iterable[EUI],
    ) -> None:
        """Fail the happenings of a turn that was not stored, and pause until the next :meth:`wake`."""
        if not isinstance(error, StorageError):
            self.log.failure("processing of downlinks failed")
        self._paused = True
        self._sensors.update(dict.fromkeys(sensors))
        self._stations.update(stations)
        for happening in happenings:
            happening.done.errback(error)

    def _introduce(self, eui: EUI, sensor: EUI) -> None:
        """Propagate a sensor again to a station that should know it but does not."""
        station = self._station(eui)
        if station is not None:
            station.propagation.change([sensor])

    def _give(self, station: Station, orders: list[DownlinkOrder]) -> None:
        if not give(station, orders):
            # Downlinks that were asked for without an open operation are planned again when due.
            self.log.warn("too many operations are open {bs_eui}", bs_eui=station.eui)

    def _log_failure(self, failure: Failure) -> None:
        self.log.failure("processing of downlinks failed", failure)
