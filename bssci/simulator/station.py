"""A simulated base station, whose session with a service center outlasts lost connections."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from bssci.simulator.connection import StationConnection
from bssci.simulator.downlinks import DownlinkEnd
from bssci.simulator.operations import Operations, completion_of
from bssci.simulator.quirks import Quirks, Vendor
from bssci.simulator.requests import Behaviour, Rejection, RequestHandlers
from bssci.simulator.sensor import RadioTelegram, Signal
from bssci.simulator.storm import Storm
from bssci.simulator.telemetry import Telemetry
from bssci.simulator.windows import Windows
from bssci.system.clock import Ticker
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import (
    Completion,
    Con,
    ConRsp,
    DlDataRes,
    DlRxStat,
    Error,
    ErrorAck,
    Message,
    Ping,
    Request,
    Response,
    UlData,
    UlDataCmp,
)

BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0)
"""Seconds before the first, second, ... attempt to connect again; the last value repeats."""
PING_INTERVAL = 5.0
"""Seconds without any other traffic before a ping."""
MAX_OPEN = 10_000
"""Operations that may wait for an answer, at most."""
OLD_COUNTERS = (9187, -1659)
"""snBsOpId and snScOpId of a session that the service center forgot long ago."""


class OperationFailed(Exception):
    """The service center answered an operation with ``error``, or too many operations are open."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"error {code}: {message}")
        self.code = code
        self.message = message


class StationPhase(Enum):
    """Phase of a station's connection."""

    OFFLINE = "offline"  # no connection
    CONNECTING = "connecting"  # con was sent
    CONNECTED = "connected"  # conCmp was sent, operations run


class SimulatedStation(Factory):
    """A base station. It is the factory of its own connections, so it can also be connected in memory.

    :param eui: 0..2**64-1.
    :param clock: clock for pings, new attempts to connect, and downlink windows.
    :param random: source of session ids and telemetry.
    :param identity: vendor, model and software for ``con``.
    :param now_ns: the station's own clock, ns since 1970 UTC.
    """

    noisy = False

    def __init__(
        self,
        eui: int,
        *,
        clock: IReactorTime,
        random: Random | None = None,
        quirks: Quirks | None = None,
        behaviour: Behaviour | None = None,
        identity: Vendor | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.eui = eui
        self.quirks = quirks or Quirks()
        self.identity = identity or Vendor("bssci", "simulator", "1.0")
        self.state = StationPhase.OFFLINE
        self.resumed = False
        self.connections = 0
        """Number of connections that were completed with ``conCmp``."""
        self.sent = 0
        self.acknowledged = 0
        self.refused: Counter[int] = Counter()
        """Number of uplinks that were answered with ``error``, by code."""
        self.last_error: BaseException | None = None
        """Reason why the last attempt to connect failed or the last connection ended."""
        self.received: deque[Message | ProtocolError] = deque(maxlen=1000)
        """The newest messages of the service center, oldest first."""
        self.on_downlink: Callable[[int, int, bytes], None] = lambda _eui, _counter, _payload: None
        """Called when a downlink is sent by radio, with EUI, counter of the uplink, and payload."""
        self._clock = clock
        self._random = random or Random(eui)
        self.now_ns = now_ns
        self._telemetry = Telemetry(self._random)
        self._behaviour = behaviour or Behaviour()
        self._connection: StationConnection | None = None
        self._service: ClientService | None = None
        self._waiting: list[Deferred[SimulatedStation]] = []
        self._failures = 0
        self._completions_held: list[Message] = []
        self._last_traffic = clock.seconds()
        self._ping_ticker = Ticker(clock, 1, self._ping_if_silent)
        self._windows = Windows(clock, self._use_window)
        self._storm: Storm | None = None
        self._boot()

    def _boot(self) -> None:
        self._booted_at = self._clock.seconds()
        self.session_id = self._random.randbytes(16)
        self._was_connected = False
        self.operations = Operations()
        self.requests = RequestHandlers(
            self._behaviour,
            self.quirks,
            self._telemetry,
            now_ns=self.now_ns,
            uptime=lambda: self._clock.seconds() - self._booted_at,
            report=self._report,
        )

    def send_downlinks_to(self, listener: Callable[[int, int, bytes], None]) -> None:
        """Set the callback for downlinks that are sent by radio: EUI, counter of the uplink, payload."""
        self.on_downlink = listener

    # Connecting

    def buildProtocol(self, address: IAddress | None) -> StationConnection:
        self.last_error = None
        self._connection = StationConnection(self)
        self.state = StationPhase.CONNECTING
        return self._connection

    def start(self, endpoint: IStreamClientEndpoint) -> None:
        """Connect, and connect again whenever the connection is lost, until :meth:`stop`."""
        self._service = ClientService(endpoint, self, retryPolicy=self._next_delay, clock=self._clock)
        if "storm" in self.quirks:
            self._storm = Storm(self.quirks, self.build_con, endpoint, self._clock)
            self._storm.begin(self._service.startService)
        else:
            self._service.startService()
        self._service.whenConnected(failAfterFailures=1).addErrback(self._remember_failure)

    def stop(self) -> Deferred[None]:
        """Close the connection and do not connect again; fires when it is closed, after 2 s at most."""
        self._windows.clear()
        if self._storm is not None:
            self._storm.end()
        if self._service is None or not self._service.running:
            return succeed(None)
        deadline = self._clock.callLater(2, self.abort)
        stopped: Deferred[None] = self._service.stopService()
        return stopped.addBoth(lambda _: deadline.cancel() if deadline.active() else None)

    def when_connected(self) -> Deferred[SimulatedStation]:
        """Return a Deferred that fires when the station is connected, perhaps at once."""
        if self.state is StationPhase.CONNECTED:
            return succeed(self)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def disconnect(self) -> None:
        """Close the connection cleanly; :meth:`start` makes the station connect again."""
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection, as a power failure would."""
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.abortConnection()

    def restart(self) -> None:
        """Cut the connection and forget everything: session, sensors, downlinks, open operations."""
        self.abort()
        self._windows.clear()
        self._boot()

    def build_con(self) -> Con:
        """Return the ``con`` that this station sends next (§5.3.1)."""
        bs_op_id: int | None = None
        sc_op_id: int | None = None
        if self._was_connected:
            bs_op_id = self.operations.last_answered
            sc_op_id = self.operations.last_heard
        elif "old-counters" in self.quirks:
            bs_op_id, sc_op_id = OLD_COUNTERS
        return Con(
            opId=0,
            version="1.1.0" if "version-1.1" in self.quirks else "1.0.0",
            bsEui=self.eui,
            vendor=self.identity.vendor,
            model=self.identity.model,
            name=f"simulated {self.eui:016X}",
            swVersion=self.identity.software_version,
            bidi=True,
            geoLocation=self._telemetry.position,
            snBsUuid=list(self.session_id),
            snBsOpId=bs_op_id,
            snScOpId=sc_op_id,
        )

    def established(self, answer: ConRsp) -> None:
        """Continue the session, or begin a new one, after ``conCmp`` was sent."""
        self.state = StationPhase.CONNECTED
        self.resumed = answer.snResume
        self.connections += 1
        self._failures = 0
        again = self.operations.unfinished() if answer.snResume else self.operations.start_over()
        self._was_connected = True
        for message in again:
            self._send(message)
        self._ping_ticker.start()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(self)

    def refused_connection(self, error: Error) -> None:
        """Record that the service center refused this station."""
        self.last_error = OperationFailed(error.code, error.message)

    def lost(self, connection: StationConnection, reason: Failure) -> None:
        """Record that a connection ended, unless a newer one has replaced it."""
        if connection is not self._connection:
            return
        if self.last_error is None:
            self.last_error = reason.value
        self.state = StationPhase.OFFLINE
        self._connection = None
        self._completions_held.clear()
        self._ping_ticker.stop()

    def _remember_failure(self, failure: Failure) -> None:
        self.last_error = failure.value

    def _next_delay(self, _attempt: int) -> float:
        delay = BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1
        return delay

    # From the station

    @property
    def has_room(self) -> bool:
        """Return whether one more operation may wait for an answer."""
        return len(self.operations) < MAX_OPEN

    def send_uplink(self, telegram: RadioTelegram, signal: Signal) -> Deferred[None]:
        """Deliver an uplink of a sensor (§5.10), as soon as there is a connection.

        :return: fires when ``ulDataRsp`` has arrived; fails with :class:`OperationFailed`.
        """
        if not self.has_room:
            return fail(OperationFailed(ErrorCode.EAGAIN, f"{MAX_OPEN} operations are open"))
        rx_time = self.now_ns()
        self.sent += 1
        acknowledged = self.send(
            UlData(
                opId=0,
                epEui=telegram.end_point_eui,
                rxTime=rx_time,
                packetCnt=telegram.packet_counter,
                snr=signal.snr,
                rssi=signal.rssi,
                profile="eu1",
                mode="ulp",
                userData=list(telegram.payload),
                format=telegram.format,
                dlOpen=telegram.downlink_open,
                responseExp=telegram.response_expected,
                dlAck=telegram.downlink_acknowledged,
            )
        )
        self._flush_completions()
        self._report_reception(telegram, signal, rx_time)
        if telegram.downlink_open:
            self._windows.open_after(telegram)
        return acknowledged.addCallbacks(self._count_acknowledged, self._count_refused)

    def send(self, message: Message) -> Deferred[Response]:
        """Begin an operation with the next opId; fires with the response, fails with
        :class:`OperationFailed`.
        """
        ended: Deferred[Response] = Deferred()

        def concluded(answer: Response | Error) -> None:
            if isinstance(answer, Error):
                ended.errback(OperationFailed(answer.code, answer.message))
            else:
                ended.callback(answer)

        numbered = self.operations.issue(message, concluded)
        if self.state is StationPhase.CONNECTED:
            self._send(numbered)
        return ended

    @property
    def attached(self) -> dict[int, Any]:
        """Sensors that this station serves: ``attPrp`` by EUI."""
        return self.requests.attached

    def _send(self, message: Message) -> None:
        self._last_traffic = self._clock.seconds()
        if self._connection is not None:
            self._connection.send(message)

    def _ping_if_silent(self) -> None:
        self._flush_completions()
        if self._clock.seconds() - self._last_traffic >= PING_INTERVAL:
            self.send(Ping(opId=0)).addErrback(_ignore_refusal)

    def _count_acknowledged(self, _: Response) -> None:
        self.acknowledged += 1

    def _count_refused(self, failure: Failure) -> Failure:
        self.refused[code_of(failure)] += 1
        return failure

    # From the service center

    def received_message(self, message: Message) -> None:
        """Handle a message after ``conCmp``: a response, an error, a request or a completion."""
        self._last_traffic = self._clock.seconds()
        self.received.append(message)
        if isinstance(message, Error):
            self._send(ErrorAck(opId=message.opId))
            self._conclude(message)
        elif isinstance(message, Response):
            self._complete(completion_of(message))
            self._conclude(message)
        elif not isinstance(message, ErrorAck):
            self._answer(message)

    def received_garbage(self, error: ProtocolError) -> None:
        """Record, and answer if possible, that the service center sent bytes that are not a valid message."""
        self.received.append(error)
        if error.op_id is not None:
            self._send(Error(opId=error.op_id, code=error.code, message=error.message))

    def _conclude(self, answer: Response | Error) -> None:
        operation = self.operations.conclude(answer.opId)
        if operation is not None:
            operation.concluded(answer)

    def _complete(self, completion: Completion) -> None:
        if isinstance(completion, UlDataCmp) and "overlapping-uplinks" in self.quirks:
            self._completions_held.append(completion)
        else:
            self._send(completion)

    def _flush_completions(self) -> None:
        held, self._completions_held = self._completions_held, []
        for completion in held:
            self._send(completion)

    def _answer(self, message: Message) -> None:
        if isinstance(message, Request):
            self.operations.hear(message.opId)
        try:
            answer = self.requests.answer(message)
        except Rejection as refusal:
            self._send(Error(opId=message.opId, code=refusal.code, message=refusal.message))
        else:
            if answer is not None:
                self._send(answer)

    # Downlinks

    def _use_window(self, telegram: RadioTelegram) -> None:
        for outcome in self.requests.downlinks.window(
            telegram.end_point_eui, telegram.packet_counter, telegram.response_expected
        ):
            self._report(outcome, telegram.packet_counter)

    def _report(self, outcome: DownlinkEnd, packet_counter: int | None = None) -> None:
        sent = outcome.payload is not None
        eui = outcome.downlink.end_point_eui
        result = DlDataRes(
            opId=0,
            epEui=eui,
            queId=outcome.downlink.queue_id,
            result=outcome.result,
            txTime=self.now_ns() if sent else None,
            packetCnt=packet_counter if sent else None,
        )
        self.send(result).addErrback(_ignore_refusal)
        if outcome.payload is not None and packet_counter is not None:
            self.on_downlink(eui, packet_counter, outcome.payload)

    def _report_reception(self, telegram: RadioTelegram, signal: Signal, rx_time: int) -> None:
        """Answer a reception query as soon as the sensor has acknowledged a downlink (§5.15)."""
        queries = self.requests.reception_queries
        if telegram.downlink_acknowledged and telegram.end_point_eui in queries:
            queries.discard(telegram.end_point_eui)
            status = DlRxStat(
                opId=0,
                epEui=telegram.end_point_eui,
                rxTime=rx_time,
                packetCnt=telegram.packet_counter,
                dlRxSnr=signal.snr,
                dlRxRssi=signal.rssi,
            )
            self.send(status).addErrback(_ignore_refusal)


def code_of(failure: Failure) -> int:
    """Return the error code of an operation that failed; raise other failures."""
    failure.trap(OperationFailed)
    assert isinstance(failure.value, OperationFailed)
    return failure.value.code


def _ignore_refusal(failure: Failure) -> None:
    """Ignore that an operation was refused, which :attr:`SimulatedStation.received` shows; raise other
    failures.
    """
    failure.trap(OperationFailed)
