"""Connections of base stations, admitted within limits, from the TLS handshake to their end.

    HANDSHAKE --certificate--> AWAITING_CONNECT --con--> DECIDING --conRsp--> AWAITING_COMPLETE
                                                                                    |
        CLOSED <--lost, closed, timed out-- (any)       ESTABLISHED <----conCmp-----+

Before ESTABLISHED only the connect operation may run (§5.3). Some stations send ``con`` twice, and each is
answered. From then on messages are passed to the station, in one batch for each read of the socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IHandshakeListener, IPushProducer, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.certificates.reading import euis_of
from bssci.journal import StorageError
from bssci.model import EUI, eui_from_int
from bssci.model.events import Direction
from bssci.stations import causes
from bssci.stations.admission import ConnectionCount, ConnectionLimits, check_identity
from bssci.stations.causes import Cause
from bssci.stations.faults import MAX_MESSAGE
from bssci.stations.read_order import ReadOrder
from bssci.stations.refusals import Refusals
from bssci.stations.registry import Registry
from bssci.stations.station import Station
from bssci.system.clock import Clock, Ticker, Timer, pause
from bssci.system.line_limit import LineLimit, telling
from bssci.wire.codec import Codec
from bssci.wire.errors import ErrorCode, FramingError, ProtocolError
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import Con, ConCmp, ConRsp, Error, ErrorAck, Message

IDLE_TICK = 1.0
"""s between two checks for silent stations"""
MAX_REPEATED = 16
"""repetitions of ``con`` that are answered together; an answer takes some 150 bytes"""


class Phase(Enum):
    """Phase of a connection."""

    HANDSHAKE = auto()
    """TLS is being negotiated"""
    AWAITING_CONNECT = auto()
    """the certificate was accepted; ``con`` has not come"""
    DECIDING = auto()
    """``con`` came; it is being decided, and stored, whether the session is resumed"""
    AWAITING_COMPLETE = auto()
    """``conRsp`` was sent; ``conCmp`` has not come"""
    ESTABLISHED = auto()
    """operations may run"""
    CLOSED = auto()
    """the connection is closed or being closed"""


_SILENT = {Phase.AWAITING_CONNECT: causes.NO_CON, Phase.AWAITING_COMPLETE: causes.NO_CON_CMP}
"""causes for the end of a connection for which the station gave no reason"""


@implementer(IHandshakeListener, IPushProducer)
class StationProtocol(Protocol):
    """A :class:`bssci.stations.link.Link` over a transport."""

    log = Logger()
    factory: StationFactory
    transport: Any

    def __init__(self, factory: StationFactory, host: str) -> None:
        self.factory = factory
        self.host = host
        self.peer = host
        self.certificate = b""
        """certificate of the station as DER, from the end of the handshake on"""
        self.signers: Sequence[bytes] = ()
        """certificates (DER) of the authorities that vouch for it, ours first"""
        self.phase = Phase.HANDSHAKE
        self.heard_at = 0.0
        """reactor seconds when the last bytes came, or when a ping could not be stored"""
        self._decoder = FrameDecoder(factory.limits.frame_size)
        self._unread: list[bytes] = []
        self._held = False
        """nothing more is read until what came is processed"""
        self._deaf = False
        """nothing more is read until the station reads what was sent"""
        self._codec: Codec | None = None
        self._named: set[EUI] = set()
        self._shown: x509.Certificate | None = None
        """certificate of the station, or the one of its chain that was refused; dropped at the end of the
        handshake, as the object takes 7 KB
        """
        self._cause: Cause | None = None
        """cause for the refusal of a certificate, or for the end of the connection before ``conCmp``"""
        self._station: Station | None = None
        self._con: Con | None = None
        self._repeated = 0
        """repetitions of ``con`` that came before it could be answered"""
        self._answer: ConRsp | None = None
        self._timer: Timer | None = None
        self._reason = ""

    # the connection

    def connectionMade(self) -> None:
        self.factory.connections.add(self)
        self.heard_at = self.factory.clock.seconds()
        peer = self.transport.getPeer()
        self.peer = f"{self.host}:{getattr(peer, 'port', '')}"
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._wait(self.factory.limits.handshake_time, "TLS handshake took too long")

    def judge(self, certificate: x509.Certificate, depth: int, error: int) -> bool:
        """See :class:`bssci.certificates.contexts.Gatekeeper`: a blocked station is refused here."""
        if depth == 0 or error:
            self._shown = certificate
        if depth == 0:
            self._named = euis_of(certificate)
        else:
            self.signers = [*self.signers, certificate.public_bytes(Encoding.DER)]
        if error:
            self._cause = causes.of_certificate(certificate, depth, error)
        elif depth == 0 and self._named and all(map(self.factory.registry.is_blocked, self._named)):
            self._cause = causes.BLOCKED
        return self._cause is None

    def handshakeCompleted(self) -> None:
        """See ``IHandshakeListener``."""
        certificate = self.transport.getPeerCertificate().to_cryptography()
        self.certificate = certificate.public_bytes(Encoding.DER)
        self._named = euis_of(certificate)
        self._shown = None
        self.phase = Phase.AWAITING_CONNECT
        self._wait(self.factory.limits.connect_time, "no con and conCmp in time")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.read()
        self.factory.connections.discard(self)
        self.factory.count.leave(self.host)
        self._stop_waiting()
        if self.phase is Phase.HANDSHAKE:
            self._no_handshake(self._reason or _why(reason))
        elif (cause := self._cause or _SILENT.get(self.phase)) is not None:
            self._note_refusal(cause)
        self.phase = Phase.CLOSED
        station, self._station = self._station, None
        if station is not None:
            self.factory.registry.lost(self, station, self._reason or _why(reason))

    def _no_handshake(self, error: str) -> None:
        if not self._reason and not getattr(self.transport, "was_spoken_to", True):
            # Typical of a load balancer's health check, which connects and closes.
            self.log.debug("connection closed before a byte came {peer}", peer=self.peer)
            return
        self.factory.count.failed_handshakes += 1
        cause = self._cause or causes.of_failure(error)
        if (left_out := self.factory.lines.admit()) is not None:
            text = telling("connection refused {peer}: {reason}", left_out)
            self.log.info(text, peer=self.peer, reason=cause.reason, error=error, left_out=left_out)
        self._note_refusal(cause)

    def _note_refusal(self, cause: Cause) -> None:
        """Record that the station did not get in, with all that it showed."""
        station = next(iter(self._named)) if len(self._named) == 1 else None
        if self._con is not None:
            station = eui_from_int(self._con.bsEui)
        shown = x509.load_der_x509_certificate(self.certificate) if self.certificate else self._shown
        self.factory.refusals.add(self.host, cause, station, shown)

    def disconnect(self, reason: str) -> None:
        """Close once everything has been written; abort if that takes longer than ``close_time``."""
        if self.phase is not Phase.CLOSED:
            self._reason = self._reason or reason
            self.phase = Phase.CLOSED
            self._wait(self.factory.limits.close_time, reason)
            # Twisted's TLS does not close while a producer is registered.
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self, reason: str) -> None:
        """Close at once."""
        self._reason = self._reason or reason
        self._stop_waiting()
        if self.phase is not Phase.HANDSHAKE:
            text = "connection aborted {peer} {reason}"
            if self.phase is Phase.ESTABLISHED:
                self.log.info(text, peer=self.peer, reason=self._reason)
            else:
                self._tell(self.log.info, text, reason=self._reason)
            self.phase = Phase.CLOSED
        self.transport.abortConnection()

    def not_asked(self) -> None:
        """See :class:`bssci.stations.link.Link`."""
        self.heard_at = self.factory.clock.seconds()

    def check_idle(self, now: float) -> None:
        """Ping a silent station; close the connection of one that stays silent."""
        silence = now - self.heard_at
        if self.phase is Phase.ESTABLISHED and silence >= self.factory.limits.ping_after:
            if silence >= self.factory.limits.close_after:
                self._time_is_up(f"silent for {silence:.0f} s")
            elif self._station is not None:
                self._station.ping()

    def _wait(self, seconds: float, reason: str) -> None:
        self._stop_waiting()
        self._timer = self.factory.clock.callLater(seconds, self._time_is_up, reason)

    def _time_is_up(self, reason: str) -> None:
        # A failed handshake is counted when its connection is lost; a connection in the phase CLOSED has been
        # counted already.
        if self.phase not in (Phase.HANDSHAKE, Phase.CLOSED):
            self.factory.count.timed_out += 1
            self._cause = self._cause or _SILENT.get(self.phase)
        self.abort(reason)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # flow control: a station that does not read is not read from, nor is one whose bytes wait to be processed

    def pauseProducing(self) -> None:
        self._deaf = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self._deaf = False
        if not self._held:
            self.transport.resumeProducing()

    def hold(self) -> None:
        """See :class:`bssci.stations.read_order.Recipient`."""
        if not self._held and self.phase is not Phase.CLOSED:
            self._held = True
            self.transport.pauseProducing()

    def stopProducing(self) -> None:
        """Do nothing: the transport is gone, and connectionLost follows."""

    # bytes in

    def dataReceived(self, data: bytes) -> None:
        """Collect bytes until the end of the reactor's turn, see :mod:`bssci.stations.read_order`."""
        self.heard_at = self.factory.clock.seconds()
        if not self._unread:
            self.factory.order.add(self)
        self._unread.append(data)

    def read(self) -> None:
        """Process the collected bytes. Never raises: an internal error closes this connection only."""
        data = b"".join(self._unread)
        self._unread.clear()
        if self._held:
            self._held = False
            if not self._deaf:
                self.transport.resumeProducing()
        if self.phase is Phase.CLOSED or not data:
            return
        try:
            self._read(data)
        except Exception:
            self.log.failure("connection failed {peer}", peer=self.peer)
            self.disconnect("internal error")

    def _read(self, data: bytes) -> None:
        try:
            payloads = self._decoder.feed(data)
        except FramingError as error:
            self._messages(error.completed)
            self._framing_lost(error)
        else:
            self._messages(payloads)

    def _messages(self, payloads: Sequence[bytes]) -> None:
        for number, payload in enumerate(payloads):
            if self.phase is Phase.ESTABLISHED:
                self._operate(payloads[number:])
                return
            if self.phase is Phase.CLOSED:
                return
            try:
                if self._codec is None:
                    self._codec = Codec.detect(payload)
                self._connect(self._codec.decode(payload))
            except FramingError as error:
                self._framing_lost(error)
                return
            except ProtocolError as error:
                # Any message but con (§5.3: opId 0) comes too early: that is reported even if it is invalid.
                is_other = error.code == ErrorCode.ENOTSUP or error.op_id
                code = ErrorCode.EPROTO if is_other else error.code
                self._refuse_message(code, error)

    def _refuse_message(self, code: int, error: ProtocolError) -> None:
        """Answer with an error to a message that came before operations may run."""
        self._note("sent", code, error.message)
        self._cause = causes.of_message(error.message[:MAX_MESSAGE])
        self.send([Error(opId=error.op_id or 0, code=code, message=error.message)])

    def _note(self, direction: Direction, code: int, message: str) -> None:
        """Record an error of the connect operation, with the station once it is known."""
        if self._station is not None:
            self._station.note(direction, code, message)
            return
        text = "protocol error {direction} {peer} {code} {error}"
        self._tell(self.log.warn, text, direction=direction, code=int(code), error=message[:MAX_MESSAGE])

    def _tell(self, log: Callable[..., None], text: str, **fields: Any) -> None:
        """Log what any number of connections may do, without end, that got past TLS."""
        if (left_out := self.factory.lines_past_tls.admit()) is not None:
            log(telling(text, left_out), peer=self.peer, left_out=left_out, **fields)

    def _operate(self, payloads: Sequence[bytes]) -> None:
        assert self._station is not None and self._codec is not None
        decode = self._codec.decode
        messages: list[Message | ProtocolError] = []
        fault: FramingError | None = None
        for payload in payloads:
            try:
                messages.append(decode(payload))
            except FramingError as error:
                error.let_go()
                fault = error
                break
            except ProtocolError as error:
                error.let_go()
                messages.append(error)
        self._station.receive(messages)
        if fault is not None:
            self._framing_lost(fault)

    def _framing_lost(self, error: FramingError) -> None:
        if self.phase is not Phase.CLOSED:
            if self.phase is not Phase.ESTABLISHED:
                self._cause = causes.of_framing(error.message[:MAX_MESSAGE])
            self.factory.count.closed_for_framing += 1
            self._tell(self.log.warn, "framing lost, closed {peer} {error}", error=error.message)
            self.disconnect(f"framing lost: {error.message}")

    # the connect operation

    def _connect(self, message: Message) -> None:
        if isinstance(message, Con):
            self._con_came(message)
        elif isinstance(message, ConCmp) and self.phase is Phase.AWAITING_COMPLETE:
            self._stop_waiting()
            self._cause = None
            self.phase = Phase.ESTABLISHED
            assert self._station is not None
            established = ensureDeferred(self.factory.registry.established(self, self._station))
            established.addErrback(self._failed)
        elif isinstance(message, Error):
            self._note("received", message.code, message.message or "")
            self._cause = causes.of_answer(message.code, (message.message or "")[:MAX_MESSAGE])
            self.send([ErrorAck(opId=message.opId)])
            self.disconnect(f"the station refused conRsp: {message.code} {message.message}")
        elif not isinstance(message, ErrorAck):
            raise ProtocolError(ErrorCode.EPROTO, "nothing but con may run before conCmp", message.opId)

    def _con_came(self, con: Con) -> None:
        if self._con is None:
            self._con = con
            self.phase = Phase.DECIDING
            ensureDeferred(self._decide(con)).addErrback(self._failed)
        elif con != self._con:
            raise ProtocolError(ErrorCode.EPROTO, "a different con on the same connection", con.opId)
        elif self._answer is not None:
            self.send([self._answer])
        elif self._repeated >= MAX_REPEATED:
            raise ProtocolError(ErrorCode.EAGAIN, "con is being decided on, wait", con.opId)
        else:
            self._repeated += 1

    async def _decide(self, con: Con) -> None:
        eui = eui_from_int(con.bsEui)
        try:
            check_identity(self.factory.identity_policy, eui, self._named)
            while (wait := self.factory.registry.claim(con, self)) > 0:
                await pause(self.factory.clock, wait)
                if self.phase is Phase.CLOSED:
                    return
            station, answer = await self.factory.registry.admit(con, self)
        except ProtocolError as error:
            if self.phase is Phase.CLOSED:
                return  # it was lost or replaced meanwhile, not refused
            text = "station refused {bs_eui} {peer} {code} {error}"
            self._tell(self.log.warn, text, bs_eui=eui, code=error.code, error=error.message)
            self._cause = None
            self._note_refusal(causes.of_refusal(error.message))
            self.send([Error(opId=0, code=error.code, message=error.message)])
            self.disconnect(f"refused: {error.message}")
            return
        if self.phase is Phase.CLOSED:
            self.factory.registry.lost(self, station, self._reason or "closed while connecting")
            return
        self._station = station
        self._answer = answer
        self.phase = Phase.AWAITING_COMPLETE
        self.send([answer] * (1 + self._repeated))

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, StorageError):
            error = failure.getErrorMessage()
            self.log.warn(
                "connection closed, as the journal cannot be read {peer} {error}", peer=self.peer, error=error
            )
            self.disconnect(f"journal cannot be read: {error}")
            return
        self.log.failure("connection failed {peer}", failure, peer=self.peer)
        self.disconnect("internal error")

    # messages out

    def send(self, messages: Sequence[Message]) -> None:
        """See :class:`bssci.stations.link.Link`."""
        if self._codec is not None and self.transport is not None:
            encode = self._codec.encode
            self.transport.write(b"".join([encode(message) for message in messages]))


class StationFactory(Factory):
    """Creates a :class:`StationProtocol` for each connection.

    :param identity_policy: value of STATION_IDENTITY.
    :param refusals: collects the refused connections.
    """

    noisy = False

    def __init__(
        self,
        clock: Clock,
        registry: Registry,
        limits: ConnectionLimits,
        identity_policy: str,
        refusals: Refusals,
    ) -> None:
        self.clock = clock
        self.registry = registry
        self.limits = limits
        self.identity_policy = identity_policy
        self.count = ConnectionCount(limits)
        self.connections: set[StationProtocol] = set()
        self.refusals = refusals
        self.lines = LineLimit(clock.seconds)
        """limit on the lines about refused connections, which cost whoever makes them nothing"""
        self.lines_past_tls = LineLimit(clock.seconds)
        """the same for those who have a certificate, so that strangers do not hide them"""
        self.order = ReadOrder(clock)
        self._ticker = Ticker(clock, IDLE_TICK, self._check_idle)

    def startFactory(self) -> None:
        self._ticker.start()

    def stopFactory(self) -> None:
        self._ticker.stop()

    def buildProtocol(self, addr: IAddress | None) -> StationProtocol:  # type: ignore[override]
        return StationProtocol(self, host_of(addr))

    def _check_idle(self) -> None:
        now = self.clock.seconds()
        for connection in list(self.connections):
            connection.check_idle(now)


def host_of(address: IAddress | None) -> str:
    """Return the address of a connection's other side as text; empty if it has none."""
    return str(getattr(address, "host", "") or "")


def _why(reason: Failure) -> str:
    error = reason.value
    if isinstance(error, ConnectionDone):
        return "closed by the station"
    if isinstance(error, ConnectionLost):
        return "connection lost"
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        return ", ".join(words for *_, words in error.args[0])
    return reason.getErrorMessage()
