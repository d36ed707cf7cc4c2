"""Downlinks from the request to the acknowledgement: commands, stations' messages, timeouts (§5.12-5.16).

Each becomes a happening, which the worker processes in turn:

    queue, revoke, dlDataRes, dlAck ... --> worker --> happenings: what changes
                                                   --> plan: which orders stations get
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.devices.sensors import Sensors
from bssci.center.downlinks.happenings import Acknowledged, Due, Happening, Queued, Revoked, Turn
from bssci.center.downlinks.plan import GRACE, has_passed
from bssci.center.downlinks.reports import StationReports, own_queue_id
from bssci.center.downlinks.request import can_receive, check_request, check_sensor
from bssci.center.downlinks.worker import DownlinkWorker
from bssci.center.uplinks.paths import Paths
from bssci.journal import Change, Journal, Loaded, StorageError, StorageLines, StoredDownlink
from bssci.model import EUI, Downlink, DownlinkRequest, StationState, Uplink
from bssci.model.commands import CommandError
from bssci.stations.asking import Questions
from bssci.stations.questions import ReceptionQueries
from bssci.stations.station import Station
from bssci.system.clock import Clock, SteadyTime, Ticker

MAX_QUEUED = 250_000
"""queued downlinks of all sensors, at most"""
MAX_QUEUED_OF_SENSOR = 1000
MAX_WAITING = 10_000
"""waiting happenings beyond which commands are refused"""
TICK = 1.0
"""s between two checks for due downlinks"""
SLICE = 256
"""downlinks that are processed in one check or search"""
REVOKE_TIME = 10.0
"""s that a revocation waits for the station's answer"""
RECENT = 86400.0
"""s since a downlink was sent in which its acknowledgement is searched for that may have been missed"""
SEARCH_AGAIN = 10.0
"""s after which a search in the journal that failed is repeated"""
NOT_KNOWN = -1
"""stands for a counter that is determined at the next uplink"""
SHOWN = 200
"""downlinks of a sensor that are listed"""


class DownlinkDesk:
    """Commands on downlinks, and everything else that affects them.

    :param station: returns a base station by its EUI; None if it is unknown.
    :param counter: returns the highest packet counter received from a sensor; None if it was never heard.
    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        loaded: Loaded,
        sensors: Sensors,
        paths: Paths,
        queries: ReceptionQueries,
        *,
        station: Callable[[EUI], Station | None],
        counter: Callable[[EUI], int | None],
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._sensors = sensors
        self._paths = paths
        self._station = station
        self._now = SteadyTime(clock, now)
        counts = loaded.downlinks
        self.queued = sum(counts.queued.values())
        """number of queued downlinks"""
        self.ended: dict[str, int] = {}
        """number of downlinks that reached each other state since the start"""
        self._queued = dict(counts.queued)
        self._sent = set(counts.sent)
        """sensors that have a sent downlink to acknowledge"""
        self._passes = dict.fromkeys(counts.bound, NOT_KNOWN)
        """by sensor, the counter beyond which a queued downlink for certain uplinks is too late"""
        self._last_queue_id = counts.last_queue_id
        self._away = dict.fromkeys(counts.stations, self._now() + GRACE)
        """by disconnected station, Unix seconds until which its downlinks wait for its return"""
        self._revoking = Questions[int, Downlink | None](clock, REVOKE_TIME, lambda _: None)
        """revocations that wait for a station's answer, by queue id"""
        self._searches = 0
        self._missed_stations: set[EUI] = set()
        """stations whose downlinks could not be searched for"""
        self._missed_acknowledgements = True
        """true if acknowledgements may have been published that were not searched for, or not stored"""
        self._search_again_at = 0.0
        """reactor seconds until which no search that failed is repeated"""
        self._stopped = False
        self._idle: list[Deferred[None]] = []
        self._queries = queries
        self._lines = StorageLines(self.log, clock.seconds)
        self._ticker = Ticker(clock, TICK, self._tick)
        self._worker = DownlinkWorker(
            clock,
            journal,
            paths,
            station=station,
            can_receive=lambda eui: can_receive(sensors, eui),
            counter=counter,
            now=self._now,
            stored=self._stored,
            shifted=self._shifted,
            idle=self._check_idle,
        )
        self.reports = StationReports(journal, self._worker)
        """handler of the stations' reports about downlinks"""
        paths.watch(self._look_if_queued)

    def start(self) -> None:
        """Start, and search for acknowledgements that an earlier run missed.

        Downlinks are revoked whose sensor was removed, or made one-way, while the service was down.
        """
        self._ticker.start()
        self._search_missed()
        self._worker.look([eui for eui in self._queued if not can_receive(self._sensors, eui)])

    def stop(self) -> Deferred[None]:
        """Stop; fires when work under way is over and the journal may be closed."""
        self._ticker.stop()
        self._stopped = True
        self._worker.pause()
        return self.settled()

    def settled(self) -> Deferred[None]:
        """Fire when there is no work left at present."""
        settled: Deferred[None] = Deferred()
        self._idle.append(settled)
        self._check_idle()
        return settled

    # commands

    def new_queue_id(self, request: DownlinkRequest) -> int:
        """Return an unused queue id, for a request that :meth:`queue` would take now.

        :raises CommandError: as the Deferred of :meth:`queue`.
        """
        self._checked(request)
        self._last_queue_id += 1
        return self._last_queue_id

    def queue(
        self, request: DownlinkRequest, queue_id: int | None = None, beside: Sequence[Change] = ()
    ) -> Deferred[Downlink]:
        """Queue a downlink; fires with it, and its queue id, once it is stored.

        :param queue_id: from :meth:`new_queue_id`; None: a new one.
        :param beside: further changes for the same commit.
        :raises CommandError: in the Deferred: ``unknown_sensor``, ``not_bidirectional``, ``invalid``,
            ``busy`` or ``unavailable``; nothing is stored then.
        """
        try:
            if queue_id is None:
                queue_id = self.new_queue_id(request)
            request = self._checked(request)
        except CommandError as error:
            return fail(error)
        now = self._now()
        downlink = Downlink(
            queue_id=queue_id, request=request, state="queued", created_at=now, changed_at=now
        )
        stored = StoredDownlink(downlink=downlink)
        return self._command(Queued(end_point_eui=request.end_point_eui, stored=stored, beside=beside))

    def revoke(self, end_point_eui: EUI, queue_id: int) -> Deferred[Downlink]:
        """Revoke a downlink; fires with its new state.

        If a station holds it and does not answer within 10 s, the Deferred fires with a downlink that is
        still queued; it is revoked as soon as the station answers.

        :raises CommandError: in the Deferred: ``unknown_downlink``, ``conflict``: it has ended, or
            ``unavailable``.
        """
        revoked = Revoked(end_point_eui=end_point_eui, queue_id=own_queue_id(queue_id))
        return self._command(revoked).addCallback(self._wait_until_revoked)

    def of(self, end_point_eui: EUI) -> Deferred[list[Downlink]]:
        """Fire with the newest 200 downlinks of a sensor, newest first."""
        return self._journal.downlinks.of_sensor(end_point_eui, SHOWN)

    def query_reception(self, end_point_eui: EUI) -> Deferred[EUI]:
        """Query how well a sensor receives downlinks (§5.16); fires with the station that will ask it.

        The sensor's report is published as :class:`bssci.model.DownlinkReception`.

        :raises CommandError: in the Deferred.
        """
        try:
            check_sensor(self._sensors, end_point_eui)
            hearing = map(self._station, self._paths.ranked(end_point_eui))
            sending = (station for station in hearing if station is not None and station.can_send)
            return self._queries.ask(next(sending, None), end_point_eui)
        except CommandError as error:
            return fail(error)

    def statistics(self) -> dict[str, int]:
        """Return how many downlinks are queued now, and how many reached each other state since the start."""
        return {"queued": self.queued, **self.ended}

    def _checked(self, request: DownlinkRequest) -> DownlinkRequest:
        check_sensor(self._sensors, request.end_point_eui)
        request = check_request(request)
        self._check_room(request.end_point_eui)
        return request

    def _check_room(self, eui: EUI) -> None:
        if self._queued.get(eui, 0) >= MAX_QUEUED_OF_SENSOR:
            raise CommandError("busy", f"{MAX_QUEUED_OF_SENSOR} downlinks of {eui} are queued already")
        if self.queued >= MAX_QUEUED or self._worker.waiting >= MAX_WAITING:
            raise CommandError("busy", "too many downlinks are queued already: try again later")

    def _command(self, happening: Happening) -> Deferred[Any]:
        if self._stopped:
            return fail(CommandError("unavailable", "the service stops"))
        return self._worker.happen(happening).addErrback(_unavailable)

    def _wait_until_revoked(self, downlink: Downlink) -> Downlink | Deferred[Downlink]:
        if downlink.state != "queued":
            return downlink
        # The turn that stored the revocation has already ordered the station to revoke it.
        answer = self._revoking.ask(downlink.queue_id, lambda: None)
        return answer.addCallback(lambda revoked: revoked or downlink)

    # what else happens

    def heard(self, uplinks: Sequence[Uplink]) -> None:
        """Take published uplinks."""
        for uplink in uplinks:
            best = uplink.receptions[0]
            eui = best.end_point_eui
            if best.downlink_acknowledged and eui in self._sent:
                self._acknowledge(uplink)
            if eui in self._passes and has_passed(self._passes[eui], best.packet_counter):
                del self._passes[eui]
                self._worker.look([eui])

    def registered(self, end_point_eui: EUI) -> None:
        """Note that a sensor's registration at a station changed; stored in this turn of the reactor."""
        if end_point_eui in self._queued:
            self._clock.callLater(0, self._worker.look, [end_point_eui])

    def reconfigured(self, sensors: Iterable[EUI]) -> None:
        """Revoke the downlinks of those sensors that cannot receive any more since a change."""
        self._worker.look(filter(self._queued.__contains__, sensors))

    def station_changed(self, state: StationState) -> None:
        """Note that a station connected or disconnected."""
        eui = state.base_station_eui
        if state.state == "online":
            self._away.pop(eui, None)
            self._worker.connected(eui)
            self._worker.look([sensor for sensor in self._queued if self._paths.hears(eui, sensor)])
            self._search_at(eui)
        else:
            self._away[eui] = self._now() + GRACE
            self._worker.disconnected(eui)

    def _look_if_queued(self, eui: EUI) -> None:
        if eui in self._queued:
            self._worker.look([eui])

    def _acknowledge(self, uplink: Uplink) -> None:
        acknowledged = Acknowledged(
            end_point_eui=uplink.end_point_eui, counter=uplink.packet_counter - 1 & 0xFFFF_FFFF, at=uplink.at
        )
        self._worker.happen(acknowledged).addErrback(self._failed, self._miss_acknowledgements)

    async def _recover_acknowledgements(self) -> None:
        """Search for acknowledgements that an earlier run missed, or that could not be stored."""
        recent = await self._journal.downlinks.unacknowledged(self._now() - RECENT, MAX_WAITING)
        for start in range(0, len(recent), SLICE):
            await self._find_acknowledgements(recent[start : start + SLICE])

    async def _find_acknowledgements(self, sent: Iterable[Downlink]) -> None:
        """Search for acknowledgements that came before the station's report that the downlink was sent."""
        keys = [
            (downlink.request.end_point_eui, downlink.packet_counter + 1 & 0xFFFF_FFFF)
            for downlink in sent
            if downlink.packet_counter is not None
        ]
        for _, uplink in await self._journal.events.find_uplinks(keys):
            if uplink.best.downlink_acknowledged:
                self._acknowledge(uplink)

    async def _look_at_station(self, eui: EUI) -> None:
        self._worker.look(await self._journal.downlinks.sensors_at(eui))

    async def _look_at_due(self) -> None:
        for queue_id, eui in await self._journal.downlinks.due(self._now(), SLICE):
            self._worker.happen(Due(end_point_eui=eui, queue_id=queue_id)).addErrback(_stays_due)

    def _tick(self) -> None:
        self._worker.wake()
        jump = self._now.jump()
        if jump:
            self._worker.shift(jump)
            return
        now = self._now()
        for station in [station for station, until in self._away.items() if until <= now]:
            del self._away[station]
            self._search_at(station)
        if self._clock.seconds() >= self._search_again_at:
            self._search_missed()
        if self._queued and not self._searches:
            self._search(self._look_at_due())

    def _shifted(self, seconds: float) -> None:
        self._away = {station: until + seconds for station, until in self._away.items()}
        # A repeated attach since the clock was set forward seemed to be in the future.
        self._worker.look(self._queued)

    def _search_missed(self) -> None:
        """Make the searches that failed before."""
        if self._missed_acknowledgements:
            self._missed_acknowledgements = False
            self._search_acknowledgements(self._recover_acknowledgements())
        stations, self._missed_stations = self._missed_stations, set()
        for eui in stations:
            self._search_at(eui)

    def _search_at(self, station: EUI) -> None:
        self._search(self._look_at_station(station), lambda: self._missed_stations.add(station))

    def _search_acknowledgements(self, search: Coroutine[Deferred[Any], Any, None]) -> None:
        self._search(search, self._miss_acknowledgements)

    def _miss_acknowledgements(self) -> None:
        self._missed_acknowledgements = True

    def _search(
        self, search: Coroutine[Deferred[Any], Any, None], miss: Callable[[], None] = lambda: None
    ) -> None:
        """Search in the journal.

        :param miss: called if the journal fails, to have the search repeated.
        """
        self._searches += 1
        ensureDeferred(search).addErrback(self._failed, miss).addCallback(self._searched)

    def _failed(self, failure: Failure, miss: Callable[[], None]) -> None:
        self._log_failure(failure)
        if isinstance(failure.value, StorageError):
            miss()
            self._search_again_at = self._clock.seconds() + SEARCH_AGAIN

    def _searched(self, _: None) -> None:
        self._searches -= 1
        self._check_idle()

    def _check_idle(self) -> None:
        if not self._searches and not self._worker.working:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)

    # what a turn stored

    def _stored(self, turn: Turn) -> None:
        sent = []
        for stored in turn.rows.values():
            self._note_counters(stored)
        for stored in turn.changed():
            downlink = stored.downlink
            before = turn.before.get(downlink.queue_id)
            if before is not None and before.downlink.state == downlink.state:
                continue
            self._count(downlink, was_queued=before is not None and before.downlink.state == "queued")
            if downlink.state == "sent":
                sent.append(downlink)
            if downlink.state != "queued":
                self._revoking.answer(downlink.queue_id, downlink)
        if sent:
            self._search_acknowledgements(self._find_acknowledgements(sent))

    def _note_counters(self, stored: StoredDownlink) -> None:
        request = stored.downlink.request
        is_open = stored.downlink.state == "queued" and not stored.then
        if is_open and request.packet_counters is not None:
            last = max(request.packet_counters)
            known = self._passes.get(request.end_point_eui, last)
            self._passes[request.end_point_eui] = min(last, known)

    def _count(self, downlink: Downlink, *, was_queued: bool) -> None:
        eui = downlink.request.end_point_eui
        step = (downlink.state == "queued") - was_queued
        self.queued += step
        self._queued[eui] = self._queued.get(eui, 0) + step
        if not self._queued[eui]:
            del self._queued[eui]
        if downlink.state != "queued":
            self.ended[downlink.state] = self.ended.get(downlink.state, 0) + 1
        if downlink.state == "sent":
            self._sent.add(eui)

    def _log_failure(self, failure: Failure) -> None:
        self._lines.note(failure, "downlinks not found or stored")


def _unavailable(failure: Failure) -> Failure:
    if isinstance(failure.value, StorageError):
        raise CommandError("unavailable", "cannot store now, try again") from failure.value
    return failure


def _stays_due(failure: Failure) -> None:
    """Leave a downlink to the next tick; the worker has logged the error."""
