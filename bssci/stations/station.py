"""One base station as the service center knows it: its session, its connection, its open operations.

The handlers of messages are in other modules (``bssci.stations.uplinks`` and its neighbours): objects with
methods ``handle_<command>(station, message, batch)`` for a request of the station,
``finish_<command>(station, request, answer, batch)`` for the answer to a request of ours, and
``complete_<command>(station, end_point_eui)`` for the completion of an operation of the station that we
answered or refused, and ``cancel_<command>(station, end_point_eui)`` for its cancellation by the station.

    one read --> messages --> session --> handle_..., finish_... --> ReadBatch --commit--> answers

Messages arrive in batches, one for each read of the socket. What must be stored of a batch is stored by one
commit, and answered after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Change, Journal, Registration, StationRecord, StorageLines
from bssci.model import EUI, Reception, StationState, StationStatus, eui_from_int
from bssci.model.events import Direction
from bssci.stations.comings import Comings
from bssci.stations.faults import Faults
from bssci.stations.link import Link
from bssci.stations.propagation import PROPAGATED, ExpectedSensors, Propagation
from bssci.stations.read_batch import ReadBatch
from bssci.stations.unstored import Unstored
from bssci.system.clock import Clock
from bssci.wire.errors import ErrorCode, ProtocolError, TooManyOperations
from bssci.wire.messages import Att, Det, Error, Message, Ping, PingRsp, Request, Status, command_of
from bssci.wire.outcomes import Answered, Cancelled, Completed, Refused, Rejected, Requested, WireOutcome
from bssci.wire.session import Session, encode_operation

EVERYDAY = frozenset({ErrorCode.ENOENT, ErrorCode.EAGAIN})
"""codes that belong to normal service and are only counted: unknown end point or downlink, and busy"""


class ConnectionState(Enum):
    """State of a base station's connection."""

    OFFLINE = "offline"
    """no connection"""
    CONNECTING = "connecting"
    """``con`` is being decided on or was accepted; ``conCmp`` has not come"""
    ONLINE = "online"
    """operations may run"""


MessageHandler = Callable[["Station", Any, ReadBatch], None]
"""handles a request of the station: station, request, batch; may raise :class:`ProtocolError`"""
Finisher = Callable[["Station", Any, Any, ReadBatch], None]
"""handles the answer to a request of ours: station, our request, response or ``error``, batch"""
Completer = Callable[["Station", int], None]
"""handles the end of an operation of the station: station, ``epEui`` of its request"""


class Ingest(Protocol):
    """Receiver of receptions."""

    def receptions(self, receptions: list[Reception], mark: Change) -> Deferred[None]:
        """Take receptions; the Deferred fires when they are on disk, and fails if they cannot be stored.

        :param mark: the station's last opId with these receptions, stored in the same commit.
        """


@dataclass(frozen=True)
class Services:
    """Services that all stations share."""

    clock: Clock
    now: Callable[[], float]
    """Unix seconds"""
    journal: Journal
    wanted: ExpectedSensors
    """the sensors that stations should hold"""
    ingest: Ingest
    """receiver of receptions"""
    refused: Callable[[Failure], None]
    """called when data from a station could not be stored"""
    handlers: Mapping[type[Request], MessageHandler]
    finishers: Mapping[type[Request], Finisher]
    completers: Mapping[type[Request], Completer]
    cancellers: Mapping[type[Request], Completer] = field(default_factory=dict)
    registered: Callable[[EUI], None] = lambda eui: None
    """called for every sensor about which a station has answered, in the turn in which that is stored"""
    completed: Callable[[EUI, EUI], None] = lambda sensor, station: None
    """called with a sensor and a station whose request over the air is refused although it was decided on"""
    told: Callable[[StationState], None] = lambda state: None
    """called when all sensors have been propagated to a station"""
    served: set[EUI] = field(default_factory=set)
    """sensors that at least one station serves, or served when it was last connected"""


class Station:
    """A base station, connected or not."""

    log = Logger()

    def __init__(
        self,
        eui: EUI,
        services: Services,
        *,
        state: StationState | None = None,
        record: StationRecord | None = None,
        status: StationStatus | None = None,
    ) -> None:
        self.eui = eui
        self.connection = ConnectionState.OFFLINE
        self.link: Link | None = None
        self.session: Session | None = None
        self.replacements = 0
        """fresh sessions on their way to the disk, which will replace the present one"""
        self.bidirectional = False
        """true if the station can send downlinks, according to its last ``con``"""
        self.state = state or StationState(at=0.0, base_station_eui=eui, state="offline")
        self.record = record or StationRecord(base_station_eui=eui, first_seen_at=0.0, last_seen_at=0.0)
        """description and times of the station, kept while it is away"""
        self.status = status
        self.status_due_at = 0.0
        self.faults = Faults(eui)
        self.comings = Comings()
        """times when the station came online"""
        self.unstored = Unstored()
        self._lines = StorageLines(self.log, services.clock.seconds)
        self.worked = status is not None
        """true once the station has done more than connect"""
        self._services = services
        self.propagation = Propagation(
            services.clock, eui, services.wanted, self.issue, services.served, self._nothing_to_tell
        )

    @property
    def has_connected(self) -> bool:
        """Return whether the station has ever connected; if not, people have only registered it."""
        return self.record.last_seen_at > 0

    @property
    def is_online(self) -> bool:
        """Return whether the station is connected and operations run with it."""
        return self.connection is ConnectionState.ONLINE and self.session is not None

    @property
    def session_id(self) -> bytes:
        """Return the unique identifier of the station's session, 16 bytes; empty if it has none."""
        return self.session.sn_sc_uuid if self.session is not None else b""

    @property
    def room(self) -> int:
        """Number of further operations that may be begun now."""
        return self.session.max_open - len(self.session.open_requests) if self.session is not None else 0

    def open_requests(self) -> Iterable[Request]:
        """Return our requests that the station has not answered."""
        return self.session.open_requests.values() if self.session is not None else ()

    @property
    def can_send(self) -> bool:
        """Return whether operations run with the station, and it can send downlinks."""
        return self.is_online and self.bidirectional

    # state

    def change_state(self, **changes: Any) -> StationState:
        """Change fields of the station's state; return the new one."""
        self.state = msgspec.structs.replace(self.state, **changes)
        return self.state

    def remember(self, record: StationRecord) -> None:
        """Replace the station's record."""
        self.record = record

    def reported(self, status: StationStatus) -> None:
        """Keep the station's latest status report."""
        self.status = status

    def keep(self, session: Session) -> None:
        """Use a session from now on, a new one or one restored from an earlier run."""
        self.session = session
        self.unstored = Unstored()
        self.worked = self.worked or session.last_bs_op_id > 0

    # the life of a connection

    def connecting(self, link: Link, bidirectional: bool) -> Link | None:
        """Take a connection whose ``con`` is being decided on; return the one that it replaces.

        :param bidirectional: true if the station can send downlinks.
        """
        older, self.link = self.link, link
        self.connection = ConnectionState.CONNECTING
        self.bidirectional = bidirectional
        self.propagation.pause()
        return older

    def online(self, session: Session, registrations: Sequence[Registration], resumed: bool) -> None:
        """Let operations run after ``conCmp``.

        :param registrations: what was propagated in this session before; empty in a fresh one.
        :param resumed: repeat our open operations.
        """
        self.connection = ConnectionState.ONLINE
        self.comings.add(self._services.now(), self._services.clock.seconds())
        self.status_due_at = 0.0
        if resumed and self.link is not None:
            self.link.send(session.reissue())
        self.propagation.start(session.version, session.open_requests.values(), registrations)

    def told_all(self) -> StationState | None:
        """Return the new state, with the number of sensors served, once all were propagated; else None."""
        attached = self.propagation.report()
        if attached is None:
            return None
        state = self.change_state(attached=attached)
        self._services.told(state)
        return state

    def _nothing_to_tell(self) -> None:
        state = self.told_all()
        if state is not None:
            self._services.journal.events.append([state]).addErrback(self._log_failure)

    def offline(self) -> None:
        self.connection = ConnectionState.OFFLINE
        self.link = None
        self.propagation.pause()
        if self.session is not None and self.unstored and not self.replacements:
            self._store_answers(self.session, ReadBatch()).addErrback(lambda failure: None)  # they are kept

    # operations of ours

    def issue(self, requests: Sequence[Any]) -> None:
        """Begin operations: store them, then send them. They survive the connection and the process.

        Without effect while operations do not run with the station: before ``conCmp``, the session may yet be
        replaced by a fresh one, and none may be sent (§5.3).

        :raises bssci.wire.errors.TooManyOperations: too many are open; none of these was begun.
        """
        session, link = self.session, self.link
        if session is None or link is None or self.connection is not ConnectionState.ONLINE:
            return
        issued: list[Any] = []
        try:
            for request in requests:
                issued.append(session.issue(request))
        except TooManyOperations:
            session.abandon([request.opId for request in issued])
            raise
        stored = self._services.journal.sessions.open_operations(
            self.eui, session.last_sc_op_id, [(request.opId, encode_operation(request)) for request in issued]
        )
        stored.addCallbacks(
            lambda _: self._send(session, link, issued),
            lambda failure: self._not_issued(session, link, issued, failure),
        )
        stored.addErrback(self._log_failure)

    def ask_status(self) -> None:
        """Begin a status operation, unless one is open (§5.5)."""
        self._issue_single(Status(opId=0))

    def ask_status_if_due(self, now: float, interval: float) -> None:
        """Begin a status operation if the last one was begun ``interval`` s ago.

        :param now: reactor seconds.
        """
        if now >= self.status_due_at:
            self.status_due_at = now + interval
            self.ask_status()

    def ping(self) -> None:
        """Begin a ping, unless one is open (§5.4)."""
        self._issue_single(Ping(opId=0))

    def _issue_single(self, request: Request) -> None:
        if not any(type(each) is type(request) for each in self.open_requests()):
            # A station that answers nothing may have too many open; the next attempt comes by itself.
            with suppress(TooManyOperations):
                self.issue([request])

    def _send(self, session: Session, link: Link, messages: Sequence[Message]) -> None:
        if self.session is session and self.link is link and messages:
            link.send(messages)

    def _not_issued(self, session: Session, link: Link, issued: Sequence[Any], failure: Failure) -> None:
        text = "operations not begun, as they could not be stored {bs_eui} {operations}"
        self._lines.note(failure, text, bs_eui=self.eui, operations=len(issued))
        session.abandon([request.opId for request in issued])
        if self.session is session:
            self.propagation.not_sent([request for request in issued if isinstance(request, PROPAGATED)])
            if any(isinstance(request, Ping) for request in issued):
                link.not_asked()

    # messages

    def receive(self, messages: Sequence[Message | ProtocolError]) -> None:
        """Process the messages of one read of the socket, in order.

        A :class:`ProtocolError` stands for a message that could not be decoded.
        """
        session, link = self.session, self.link
        if session is None or link is None:
            return
        last_before = session.last_bs_op_id
        batch = ReadBatch(generation=session.generation)
        for message in messages:
            if isinstance(message, ProtocolError):
                # Not raised again: the traceback would keep the bytes read alive until garbage collection.
                self._reject(session, message, batch)
                continue
            try:
                outcome = session.receive(message)
                if isinstance(outcome, Requested):
                    self._begin(outcome, batch)
                elif isinstance(outcome, Completed):
                    self._over(outcome, self._services.completers)
                else:
                    if isinstance(message, Error):
                        # Also one that names no operation that we know of: the station is in trouble.
                        self._note("received", message.code, message.message, batch)
                    if isinstance(outcome, Cancelled):
                        self._over(outcome, self._services.cancellers)
                    self._end(outcome, batch)
            except ProtocolError as error:
                self._reject(session, error, batch)
            except Exception:  # a message that fails must not affect the others
                self.log.failure("message failed {bs_eui} {command}", bs_eui=self.eui, command=type(message))
                self._reject(session, ProtocolError(ErrorCode.EIO, "internal error", message.opId), batch)
        self.worked = self.worked or bool(batch.answers or batch.closed)
        if batch.at_once:
            link.send(batch.at_once)
        self._store(session, link, batch, last_before)

    def _reject(self, session: Session, error: ProtocolError, batch: ReadBatch) -> None:
        self._note("sent", error.code, error.message, batch)
        self._end(session.reject(error), batch)

    def _note(self, direction: Direction, code: int, message: str, batch: ReadBatch) -> None:
        if code in EVERYDAY:
            self.faults.count(direction, int(code))
            return
        problem = self.faults.note(direction, int(code), message, self._services.now())
        if problem is not None:
            batch.events.append(problem)

    def note(self, direction: Direction, code: int, message: str) -> None:
        """Record an error outside operations: count it, log it, and emit an event."""
        problem = self.faults.note(direction, int(code), message, self._services.now())
        if problem is not None:
            self._services.journal.events.append([problem]).addErrback(self._log_failure)

    def _begin(self, outcome: Requested, batch: ReadBatch) -> None:
        message = outcome.message
        handler = self._services.handlers.get(type(message))
        if handler is None:
            text = f"{command_of(type(message))} is not supported"
            raise ProtocolError(ErrorCode.ENOTSUP, text, message.opId)
        try:
            handler(self, message, batch)
        except ProtocolError:
            if outcome.again and isinstance(message, Att | Det) and self.unstored.may_doubt():
                # It may have been accepted before, and the answer lost: the station has not carried it out.
                self._doubt(eui_from_int(message.epEui))
            raise

    def doubt(self, eui: EUI) -> None:
        """Have the station told a sensor's state, now or when it is back, whatever the journal says of it.

        To be called while a read is processed; what that says of the sensor goes to the disk before.
        """
        self._services.clock.callLater(0, self._doubt, eui)

    def _doubt(self, eui: EUI) -> None:
        self.propagation.change([eui])
        if self.session is not None:
            self.unstored.doubt(self.session.last_bs_op_id, eui, self._services.now())

    def _end(self, outcome: WireOutcome | Rejected, batch: ReadBatch) -> None:
        if isinstance(outcome, (Answered, Refused)):
            request = outcome.request
            answer = outcome.response if isinstance(outcome, Answered) else outcome.error
            batch.closed.append(request.opId)
            batch.completions.append(outcome.completion)
            finisher = self._services.finishers[type(request)]
            self._follow_up(type(request), finisher, self, request, answer, batch)
        elif outcome.completion is not None:
            batch.at_once.append(outcome.completion)

    def _over(self, outcome: Completed | Cancelled, work: Mapping[type[Request], Completer]) -> None:
        """Do the work for an operation of the station that is over."""
        of_kind = work.get(outcome.kind)
        if of_kind is not None and outcome.epEui is not None:
            self._follow_up(outcome.kind, of_kind, self, outcome.epEui)

    def _follow_up(self, kind: type[Request], work: Callable[..., None], *arguments: object) -> None:
        """Do a part's work for an operation that is over. If it fails, there is nothing left to refuse."""
        try:
            work(*arguments)
        except Exception:
            self.log.failure("end of an operation failed {bs_eui} {command}", bs_eui=self.eui, command=kind)

    # storing, then answering

    def _store(self, session: Session, link: Link, batch: ReadBatch, last_before: int) -> None:
        journal = self._services.journal
        waits = batch.stored
        if batch.receptions:
            mark = journal.sessions.mark(self.eui, session.last_bs_op_id)
            # The batch does not keep them: if they are refused, it may yet wait for what else it stores.
            receptions, batch.receptions = batch.receptions, []
            waits.append(self._services.ingest.receptions(receptions, mark))
        elif session.last_bs_op_id != last_before or batch.answers:
            # A request that is repeated after a resume may still be in the middle of being stored: its answer
            # waits for that.
            waits.append(journal.sessions.advance(self.eui, session.last_bs_op_id))
        if batch.closed or batch.events or (waits and self.unstored):
            waits.append(self._store_answers(session, batch))
        if batch.registrations:
            stored = journal.sessions.store_registrations(self.eui, batch.registrations)
            self.unstored.follow(batch.registrations, stored)
            waits.append(stored)
        if waits:
            done: Deferred[Any] = waits[0] if len(waits) == 1 else gatherResults(waits, consumeErrors=True)
            done.addCallbacks(
                lambda _: self._answer(session, link, batch),
                lambda failure: self._not_stored(session, link, batch, failure),
            )
            if batch.closed:
                done.addCallback(lambda _: self.propagation.fill())
            done.addErrback(self._log_failure)

    def _store_answers(self, session: Session, batch: ReadBatch) -> Deferred[Any]:
        """Store what the station has answered, and events, in one commit.

        What could not be stored before joins the batch; what cannot be stored now is kept for the next one.
        """
        journal = self._services.journal
        last_op_id = self.unstored.join(batch)
        changes = [journal.sessions.closing(self.eui, batch.closed, batch.answered)]
        if last_op_id:
            changes.append(journal.sessions.mark(self.eui, last_op_id))
        stored = journal.events.append([*batch.events, *batch.news], beside=changes)
        for each in batch.answered:
            self._services.registered(each.end_point_eui)
        self.unstored.follow(batch.answered, stored)
        return stored.addErrback(self._keep, session, batch)

    def _keep(self, failure: Failure, session: Session, batch: ReadBatch) -> Failure:
        if self.session is session:
            self.unstored.put_back(session.last_bs_op_id, batch)
        return failure

    def _answer(self, session: Session, link: Link, batch: ReadBatch) -> None:
        due = [answer for answer in batch.answers if session.answer(answer, batch.generation)]
        self._end_batch(session, link, batch, due)

    def _not_stored(self, session: Session, link: Link, batch: ReadBatch, failure: Failure) -> None:
        """Refuse what could not be stored, so that the station keeps it; answer what needed no write."""
        if self.session is session:
            self.unstored.note(session.last_bs_op_id)
        messages: list[Message] = []
        text, generation = "cannot store now, try again", batch.generation
        for answer in batch.answers:
            if isinstance(answer, PingRsp):
                if session.answer(answer, generation):
                    messages.append(answer)
            elif refusal := session.refuse(answer.opId, ErrorCode.EAGAIN, text, generation):
                messages.append(refusal)
        self._end_batch(session, link, batch, messages)
        for each in batch.registrations:
            self._services.completed(each.end_point_eui, self.eui)
            if self.session is session:
                self._doubt(each.end_point_eui)
        self._services.refused(failure)

    def _end_batch(self, session: Session, link: Link, batch: ReadBatch, answers: Sequence[Message]) -> None:
        """Send answers and completions; then orders about sensors whose requests are answered may go."""
        self._send(session, link, [*answers, *batch.completions])
        if self.session is session and batch.generation == session.generation:
            for each in batch.registrations:
                self.propagation.told(each)

    def _log_failure(self, failure: Failure) -> None:
        self._lines.note(failure, "work for a base station failed {bs_eui}", bs_eui=self.eui)
