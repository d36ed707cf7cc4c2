"""Propagation of sensors to one base station (§5.8, §5.9).

A fresh session knows nothing: every sensor is propagated. In a resumed session only what has changed since is
propagated: an ``attPrp`` for a sensor that the station already serves makes some stations discard the
downlinks that they have queued for it.

    pending --(at most WINDOW in flight)--> issued --answered--> registration stored
       ^                                                 |
       +------- station busy (11), after BUSY_WAIT ------+
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar

from bssci.journal import Registration
from bssci.model import EUI, Sensor, SensorStatus, eui_from_int, eui_to_int
from bssci.model.commands import AWAY, DONE, Outcome
from bssci.model.sensor import attachment_fingerprint, fingerprint_of
from bssci.model.states import AttachmentState
from bssci.system.clock import Clock
from bssci.wire.errors import ErrorCode, TooManyOperations
from bssci.wire.messages import AttPrp, AttPrp11, DetPrp
from bssci.wire.version import is_1_1

WINDOW = 128
"""attach and detach operations in flight at one station"""
BUSY_WAIT = 5.0
"""s until an operation is retried that a station refused as busy, or that could not be stored"""
BUSY_TRIES = 10
"""retries of the operation for one sensor at a busy station"""
SLICE = 2000
"""sensors that are examined in one turn of the reactor when a station has connected"""

Item = TypeVar("Item")
Propagated = AttPrp | AttPrp11 | DetPrp
PROPAGATED = (AttPrp, AttPrp11, DetPrp)


class ExpectedSensors(Protocol):
    """The sensors that stations should hold, with their keys."""

    def wanted(self, eui: EUI) -> Sensor | None:
        """Return the sensor with the key that it uses at present; None if no station should serve it."""

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        """Yield every sensor that stations should serve, with the fingerprint of its registration."""

    def last_counter(self, eui: EUI) -> int:
        """Return the highest packet counter that was received from a sensor; 0 if it was never heard."""


class Answers(Protocol):
    """Receiver of stations' answers about sensors."""

    def answered(self, station: EUI, sensor: EUI, outcome: Outcome) -> None:
        """Record a station's answer, or that it disconnected before it answered."""


class Propagation:
    """Queue of the sensors that are still to be propagated to one station, and its processing.

    :param issue: sends operations to the station; may raise TooManyOperations.
    :param served: sensors that at least one station serves, or served when it was last connected; shared by
        all stations.
    :param nothing_to_tell: called, some turns after :meth:`start`, if nothing has to be propagated.
    """

    def __init__(
        self,
        clock: Clock,
        station: EUI,
        wanted: ExpectedSensors,
        issue: Callable[[Sequence[Propagated]], None],
        served: set[EUI],
        nothing_to_tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._station = station
        self._wanted = wanted
        self._issue = issue
        self._served = served
        self._nothing_to_tell = nothing_to_tell
        self._version = ""
        self.running = False
        """true while the station is connected"""
        self.served: set[EUI] = set()
        """sensors that the station has agreed to serve"""
        self._reported = False
        self._pending: dict[EUI, None] = {}
        """sensors whose present state is to be told, in their order"""
        self._catching_up: Iterator[None] | None = None
        """the computation of what has to be propagated, while it is under way"""
        self._settled: set[EUI] = set()
        """sensors whose state changed during that computation"""
        self._asked_for: set[EUI] = set()
        """sensors that a command is about, whose answer is news"""
        self._in_flight: set[EUI] = set()
        self._asking: Counter[EUI] = Counter()
        """requests of sensors over the air through this station that are decided on and not answered"""
        self._newest: dict[EUI, Registration] = {}
        """registrations by the last of these requests of each sensor"""
        self._early: dict[EUI, Registration] = {}
        """registrations by requests over the air between the connection and :meth:`start`"""
        self._put_off: set[EUI] = set()
        """sensors whose operation is retried after BUSY_WAIT"""
        self._busy: dict[EUI, int] = {}
        """retries so far of the operation for each sensor"""
        self._waiting: dict[EUI, list[Answers]] = {}

    @property
    def outstanding(self) -> int:
        """Number of sensors whose operation is still to be sent or answered; at :meth:`start` an estimate."""
        waiting = len(self._pending) + len(self._in_flight) + len(self._put_off)
        return waiting + (self._catching_up is not None)

    def start(self, version: str, open_requests: Iterable[object], known: Sequence[Registration]) -> None:
        """Bring the station up to date: at the start of a session, or at its resume.

        :param version: version of the session.
        :param open_requests: requests of the session that have no answer yet.
        :param known: what was propagated in this session so far; empty in a fresh one.
        """
        self._version = version
        asked = {
            eui_from_int(request.epEui): request_fingerprint(request)
            for request in open_requests
            if isinstance(request, PROPAGATED)
        }
        self._in_flight = set(asked)
        self._pending = {}
        self._put_off.clear()
        self._busy.clear()
        early, self._early = self._early, {}
        if early:  # newer than what was read meanwhile
            known = [each for each in known if each.end_point_eui not in early] + list(early.values())
        attached = {eui for eui, each in early.items() if each.state == "attached"}
        self.served = attached & self._asking.keys()
        self._settled.clear()
        self._settled.update(self._asking)
        self._reported = False
        self.running = True
        self._catching_up = self._catch_up(known, asked)
        if next(self._catching_up, True):
            self._caught_up()
        else:
            self._clock.callLater(0, self._go_on, self._catching_up)
        self.fill()

    def _go_on(self, steps: Iterator[None]) -> None:
        """Examine the next slice of sensors in a later turn of the reactor."""
        if self._catching_up is not steps:
            return
        if not next(steps, True):
            self._clock.callLater(0, self._go_on, steps)
        else:
            self._caught_up()
            if not self.outstanding:
                self._nothing_to_tell()
        self.fill()

    def _caught_up(self) -> None:
        self._catching_up = None
        self._settled.clear()

    def _catch_up(self, known: Sequence[Registration], asked: Mapping[EUI, bytes]) -> Iterator[None]:
        """Determine what has to be propagated, a slice at a time.

        A sensor that changes meanwhile (``_settled``) is left as it is.
        """
        settled, told = self._settled, dict[EUI, bytes]()
        for few in _slices(known):
            told.update({each.end_point_eui: each.fingerprint for each in few})
            self.served.update(
                each.end_point_eui
                for each in few
                if each.state == "attached" and each.end_point_eui not in settled
            )
            if len(few) == SLICE:
                yield
        told.update(asked)
        for pairs in _slices(self._wanted.fingerprints()):
            for eui, it in pairs:
                if told.pop(eui, b"") != it and eui not in settled:
                    self._pending.setdefault(eui)
            if len(pairs) == SLICE:
                yield
        for gone in _slices(told.items()):
            for eui, it in gone:
                if it and eui not in settled and self._wanted.wanted(eui) is None:
                    self._pending.setdefault(eui)
            if len(gone) == SLICE:
                yield

    def report(self) -> int | None:
        """Return the number of sensors that the station serves, once in each connection, when nothing is
        left to propagate; else None.
        """
        if self._reported or not self.running or self.outstanding:
            return None
        self._reported = True
        return len(self.served)

    def forget(self) -> None:
        """Forget the operations of a session that has ended while the station is away."""
        self._in_flight = set()

    def pause(self) -> None:
        """Stop when the connection is lost; :meth:`start` continues."""
        self.running = False
        self._catching_up = None
        self._pending = {}
        self._put_off.clear()
        self._asked_for.clear()
        self._asking.clear()
        self._newest.clear()
        self._early.clear()
        waiting, self._waiting = self._waiting, {}
        for eui, all_answers in waiting.items():
            for answers in all_answers:
                answers.answered(self._station, eui, AWAY)

    def change(self, euis: Iterable[EUI], answers: Answers | None = None) -> None:
        """Tell the station the present state of sensors.

        Without effect while the station is away, since :meth:`start` will.

        :param answers: receives the station's answer for each sensor, or its disconnection.
        """
        if not self.running:
            for eui in self._early.keys() & set(euis):
                del self._early[eui]
            return
        for eui in euis:
            self._settle(eui)
            self._pending.pop(eui, None)
            self._put_off.discard(eui)
            self._busy.pop(eui, None)
            self._pending[eui] = None
            self._asked_for.add(eui)
            if answers is not None:
                self._waiting.setdefault(eui, []).append(answers)
        self.fill()

    def _settle(self, eui: EUI) -> None:
        """Note that a sensor's state is newer than the one that :meth:`_catch_up` determines."""
        if self._catching_up is not None:
            self._settled.add(eui)

    def knows(self, registration: Registration) -> None:
        """Note that a sensor attached or detached over the air through this station, which so knows it.

        Orders about the sensor wait until :meth:`told`: else our answer, which comes after them, would undo
        them.
        """
        eui, state = registration.end_point_eui, registration.state
        self._settle(eui)
        self._asking[eui] += 1
        self._newest[eui] = registration
        if not self.running:
            self._early[eui] = registration
        for served in (self.served, self._served):
            if state == "attached":
                served.add(eui)
            else:
                served.discard(eui)
        waited = eui in self._pending or eui in self._put_off
        self._pending.pop(eui, None)
        self._put_off.discard(eui)
        self._busy.pop(eui, None)
        if waited and eui not in self._in_flight:
            self._tell(eui, DONE)

    def told(self, registration: Registration) -> None:
        """Note that the station has been sent our answer to a sensor's request, or will not get it."""
        eui = registration.end_point_eui
        self._asking[eui] -= 1
        if self._asking[eui] <= 0:
            del self._asking[eui]
        if (
            eui not in self._asking
            and self._newest.pop(eui, registration) is not registration
            and self.running
        ):
            # The answer to an older request came last, and undid what the newer one had changed.
            self._pending.setdefault(eui)
        self.fill()

    def fill(self) -> None:
        """Issue as many operations as fit into the window."""
        if not self.running or len(self._in_flight) > WINDOW // 2:
            return
        requests: list[Propagated] = []
        for eui in list(islice(self._pending, WINDOW)):
            if len(self._in_flight) >= WINDOW:
                break
            if eui in self._in_flight or eui in self._asking:
                continue
            del self._pending[eui]
            self._in_flight.add(eui)
            requests.append(self._request(eui))
        if requests:
            try:
                self._issue(requests)
            except TooManyOperations:
                self.not_sent(requests)

    def _request(self, eui: EUI) -> Propagated:
        sensor = self._wanted.wanted(eui)
        if sensor is None:
            return DetPrp(opId=0, epEui=eui_to_int(eui))
        return attach_request(sensor, self._wanted.last_counter(eui), self._version)

    def answered(self, request: Propagated, at: float) -> tuple[Registration, SensorStatus | None]:
        """Return the registration to store and the event to publish, if any, after a positive answer.

        There is an event if a command asked for the operation, or if this is the first station that serves
        the sensor; not if a station that connects anew is brought up to date.

        :param at: Unix seconds.
        """
        eui = self._finished(request)
        self._busy.pop(eui, None)
        self._settle(eui)
        is_news = eui in self._asked_for
        if isinstance(request, DetPrp):
            self.served.discard(eui)
            self._served.discard(eui)
        else:
            self.served.add(eui)
            is_news = is_news or eui not in self._served
            self._served.add(eui)
        if not self._overtaken(request):
            self._pending.pop(eui, None)  # requested again meanwhile; the station is up to date
        self._tell(eui, DONE)
        state: AttachmentState = "detached" if isinstance(request, DetPrp) else "attached"
        return (
            Registration(end_point_eui=eui, fingerprint=request_fingerprint(request), state=state, at=at),
            SensorStatus(at=at, action=state, end_point_eui=eui, base_station_eui=self._station)
            if is_news
            else None,
        )

    def refused_by_station(
        self, request: Propagated, code: int, message: str, at: float
    ) -> tuple[Registration, SensorStatus | None] | None:
        """Return the same as :meth:`answered` for a refusal; None if the station is busy and asked again."""
        detach = isinstance(request, DetPrp)
        if detach and code == ErrorCode.ENOENT:
            return self.answered(request, at)
        eui = self._finished(request)
        if code == ErrorCode.EAGAIN and self._busy.get(eui, 0) < BUSY_TRIES:
            self._busy[eui] = self._busy.get(eui, 0) + 1
            self._again_later(eui)
            return None
        self._busy.pop(eui, None)
        self._overtaken(request)
        self._tell(eui, Outcome("failed", code, message))
        return (
            Registration(
                end_point_eui=eui,
                fingerprint=request_fingerprint(request),
                state="refused",
                code=code,
                message=message,
                at=at,
            ),
            SensorStatus(
                at=at,
                action="detach_failed" if detach else "attach_failed",
                end_point_eui=eui,
                base_station_eui=self._station,
                code=code,
                message=message,
            ),
        )

    def _overtaken(self, request: Propagated) -> bool:
        """Return whether the sensor changed during an operation, so that the station is told once more."""
        eui = eui_from_int(request.epEui)
        wanted = self._wanted.wanted(eui)
        present = fingerprint_of(wanted) if wanted is not None else b""
        overtaken = eui in self._asking or request_fingerprint(request) != present
        if overtaken:
            self._pending.setdefault(eui)
        return overtaken

    def not_sent(self, requests: Iterable[Propagated]) -> None:
        """Retry operations later that were never sent, because they could not be begun or stored."""
        for request in requests:
            self._again_later(self._finished(request))

    def _tell(self, eui: EUI, outcome: Outcome) -> None:
        """Report the outcome for a sensor, unless another operation for it is pending."""
        if eui not in self._pending:
            self._asked_for.discard(eui)
            for answers in self._waiting.pop(eui, ()):
                answers.answered(self._station, eui, outcome)

    def _again_later(self, eui: EUI) -> None:
        if self.running:
            self._pending.pop(eui, None)
            self._put_off.add(eui)
            self._clock.callLater(BUSY_WAIT, self._again, eui)

    def _finished(self, request: Propagated) -> EUI:
        eui = eui_from_int(request.epEui)
        self._in_flight.discard(eui)
        return eui

    def _again(self, eui: EUI) -> None:
        if eui in self._put_off:
            self._put_off.discard(eui)
            self._pending.setdefault(eui)
            self.fill()


def _slices(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while few := list(islice(rest, SLICE)):
        yield few


def attach_request(sensor: Sensor, last_packet_counter: int, version: str) -> AttPrp | AttPrp11:
    """Return the request that attaches a sensor, in the dialect of a version; its opId is not set yet."""
    common: dict[str, Any] = {
        "opId": 0,
        "epEui": eui_to_int(sensor.eui),
        "nwkSnKey": list(sensor.network_key),
        "shAddr": sensor.short_address,
        "lastPacketCnt": last_packet_counter,
        "dualChan": sensor.dual_channel,
        "repetition": sensor.repetition,
        "wideCarrOff": sensor.wide_carrier_offset,
        "longBlkDist": sensor.long_block_distance,
    }
    if is_1_1(version):
        return AttPrp11(epClass="a" if sensor.bidirectional else "z", syncBurst=False, **common)
    return AttPrp(bidi=sensor.bidirectional, **common)


def request_fingerprint(request: Propagated) -> bytes:
    """Return the :func:`attachment_fingerprint` of the sensor in a request; empty for a detach."""
    if isinstance(request, DetPrp):
        return b""
    return attachment_fingerprint(
        bytes(request.nwkSnKey),
        request.shAddr,
        request.bidi if isinstance(request, AttPrp) else request.epClass != "z",
        request.dualChan,
        request.repetition,
        request.wideCarrOff,
        request.longBlkDist,
    )
