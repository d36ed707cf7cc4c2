"""A base station that remembers: its session, what it serves, what it holds, what is not answered yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import count

from cryptography import x509
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import connectionDone

from bssci.simulator.operations import Operations, completion_of
from bssci.stations.protocol import StationFactory, StationProtocol
from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ErrorCode
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import (
    Att,
    AttPrp,
    AttPrp11,
    AttPrpRsp,
    AttRsp,
    Con,
    ConCmp,
    ConRsp,
    Det,
    DetPrp,
    DetPrpRsp,
    DetRsp,
    DlDataQue,
    DlDataQueRsp,
    DlDataRev,
    DlDataRevRsp,
    DlRxStatQry,
    DlRxStatQryRsp,
    Error,
    ErrorAck,
    Message,
    Ping,
    PingRsp,
    Request,
    Response,
    Status,
    StatusRsp,
)
from tests.stations.certificates import certificate_of

CODEC = Codec(Encoding.MESSAGEPACK)
RESPONSES: dict[type[Request], type[Response]] = {
    Ping: PingRsp,
    Status: StatusRsp,
    AttPrp: AttPrpRsp,
    AttPrp11: AttPrpRsp,
    DetPrp: DetPrpRsp,
    DlDataQue: DlDataQueRsp,
    DlDataRev: DlDataRevRsp,
    DlRxStatQry: DlRxStatQryRsp,
}
PROPAGATED = (AttPrp, AttPrp11, DetPrp)
Served = tuple[bytes, int]
"""key and short address with which a station serves a sensor"""
_uuids = count(1)


@cache
def _certificate(eui: int, number: int) -> x509.Certificate:
    """Return a station's certificate; each but the first names it."""
    return x509.load_der_x509_certificate(certificate_of(f"{eui:016X}" if number else "base station"))


class _Transport:
    """The service center's end of a connection without TLS, whose handshake is over.

    :ivar deserted: the station is gone from it, and the service center does not know.
    """

    def __init__(self, station: BaseStation) -> None:
        self.station = station
        self.decoder = FrameDecoder()
        self.closed = self.deserted = False
        self.protocol: StationProtocol | None = None

    def write(self, data: bytes) -> None:
        if not self.closed and not self.deserted:
            self.station.inbox += [CODEC.decode(payload) for payload in self.decoder.feed(data)]

    def loseConnection(self) -> None:
        if self.closed:
            return
        self.closed = True
        if not self.deserted:
            self.station.closed(self)
        elif self.protocol is not None:
            self.protocol.connectionLost(connectionDone)

    abortConnection = loseConnection

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 40000)

    def getPeerCertificate(self) -> _Transport:
        return self

    def to_cryptography(self) -> x509.Certificate:
        return self.station.certificate

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Nothing is held up here."""

    unregisterProducer = pauseProducing = resumeProducing = lambda self: None


class BaseStation:
    """One base station.

    :param ordered: called with each order to queue a downlink.
    :ivar served: what it serves, by EUI.
    :ivar refused: sensors about which its last answer was a refusal.
    :ivar held: the downlinks that it has queued, by queue id.
    :ivar asked: requests of the service center that it has not answered.
    :ivar completes: whether it completes its operations.
    """

    def __init__(self, eui: int, version: str, ordered: Callable[[BaseStation, DlDataQue], None]) -> None:
        self.eui, self.version = eui, version
        self._ordered = ordered
        self._uuid = next(_uuids)
        self.operations = Operations()
        self.served: dict[int, Served] = {}
        self.refused: set[int] = set()
        self.held: dict[int, DlDataQue] = {}
        self.kept_away: set[int] = set()
        """those with which it has been away, so that another station may have got them"""
        self.asked: deque[Request] = deque()
        self.told = 0
        """orders about sensors that it has got in the present session"""
        self._answered: dict[int, Message] = {}
        """answers in the present session, which are the same if a resume repeats the request"""
        self.inbox: list[Message] = []
        self.online = False
        self.completes = True
        self.established = False
        """whether a connection ever was, so that a session may be resumed"""
        self._cancelled: set[int] = set()
        """opIds of operations that it has cancelled, whose answer may have been on its way"""
        self._certificates = 0
        """certificates that it has had before the present one"""
        self._protocol: StationProtocol | None = None
        self._transport: _Transport | None = None

    # connections

    def connect(self, factory: StationFactory) -> None:
        """Open a connection and say ``con``."""
        self.lose()
        self._transport = _Transport(self)
        protocol = factory.buildProtocol(self._transport.getPeer())
        self._transport.protocol = protocol
        protocol.makeConnection(self._transport)  # type: ignore[arg-type]
        protocol.handshakeCompleted()
        self._protocol = protocol
        operations = self.operations
        self.send(
            Con(
                opId=0,
                version=self.version,
                bsEui=self.eui,
                bidi=True,
                snBsUuid=list(self._uuid.to_bytes(16, "big")),
                snBsOpId=operations.last_answered if self.established else None,
                snScOpId=operations.last_heard if self.established else None,
            )
        )

    @property
    def connected(self) -> bool:
        return self._protocol is not None

    def desert(self) -> None:
        """Leave the connection, which the service center takes for a living one."""
        self._protocol = None
        if self._transport is not None:
            self._transport.deserted = True
        self.lose()

    def lose(self) -> None:
        """Lose the connection, and what has not been read of it."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None and self._transport is not None:
            self._transport.closed = True
            protocol.connectionLost(connectionDone)
        self.online = False
        self.kept_away.update(self.held)
        self.inbox.clear()
        self.asked.clear()

    def closed(self, transport: _Transport) -> None:
        """Note that the service center has closed the connection."""
        if transport is self._transport and self._protocol is not None:
            self.read()
            self.lose()

    def cut(self) -> None:
        """Note that the service was killed."""
        self._protocol = None
        self.lose()

    @property
    def certificate(self) -> x509.Certificate:
        return _certificate(self.eui, self._certificates)

    def renew_certificate(self) -> None:
        self._certificates += 1

    def boot(self) -> None:
        """Start anew: without a session, sensors and downlinks."""
        self.lose()
        self._uuid = next(_uuids)
        self.established = False
        self.operations.start_over()
        self._forget()

    def _forget(self) -> None:
        self._answered.clear()
        self.served.clear()
        self.refused.clear()
        self.held.clear()

    def send(self, *messages: Message) -> None:
        if self._protocol is not None:
            self._protocol.dataReceived(b"".join(map(CODEC.encode, messages)))

    # operations

    def begin(self, message: Request, concluded: Callable[[Message], None] = lambda answer: None) -> None:
        """Begin an operation, once the station is connected; it is repeated until it is answered."""
        numbered = self.operations.issue(message, concluded)
        if self.online:
            self.send(numbered)

    def cancel(self) -> None:
        """Cancel the newest operation that is not answered, if there is one."""
        waiting = self.operations.unfinished()
        if waiting and self.online:
            self.operations.conclude(waiting[-1].opId)
            self._cancelled.add(waiting[-1].opId)
            self.send(Error(opId=waiting[-1].opId, code=ErrorCode.EIO, message="cancelled"))

    def read(self) -> None:
        """Take what came, and do what needs no decision."""
        inbox, self.inbox = self.inbox, []
        for message in inbox:
            self._take(message)

    def _take(self, message: Message) -> None:
        if isinstance(message, ConRsp):
            self._welcome(message)
        elif isinstance(message, Request):
            self.operations.hear(message.opId)
            self.told += isinstance(message, PROPAGATED)
            if isinstance(message, DlDataQue):
                self._ordered(self, message)
            self.asked.append(message)
        elif isinstance(message, Response | Error) and message.opId > 0:
            operation = self.operations.conclude(message.opId)
            assert operation is not None or message.opId in self._cancelled, f"answered twice: {message}"
            if operation is not None:
                if isinstance(message, Response):
                    self._carried_out(operation.message, message)
                operation.concluded(message)
            done = ErrorAck(opId=message.opId) if isinstance(message, Error) else completion_of(message)
            if self.completes:
                self.send(done)

    def _welcome(self, answer: ConRsp) -> None:
        if not answer.snResume:
            self._forget()
            self.told = 0
        again = self.operations.unfinished() if answer.snResume else self.operations.start_over()
        self.online = self.established = True
        self.send(ConCmp(opId=0), *again)

    def _carried_out(self, request: Message, answer: Response) -> None:
        if isinstance(request, Att) and isinstance(answer, AttRsp):
            address = answer.shAddr if request.shAddr is None else request.shAddr
            assert address is not None
            self.served[request.epEui] = (bytes(answer.nwkSnKey), address)
            self.refused.discard(request.epEui)
        elif isinstance(request, Det) and isinstance(answer, DetRsp):
            self.served.pop(request.epEui, None)
            self.refused.discard(request.epEui)

    # answers

    def answer(self, code: int = 0, *, reaches: bool = True) -> bool:
        """Answer the oldest request of the service center; return whether there was one.

        :param code: 0: do as it asks; else refuse with this code.
        :param reaches: whether the answer reaches the service center, else the connection breaks.
        """
        if not self.asked:
            return False
        request = self.asked.popleft()
        answer = self._answered.get(request.opId) or (
            self._refuse(request, code) if code else self._obey(request)
        )
        self._answered[request.opId] = answer
        if reaches:
            self.send(answer)
        else:
            self.lose()
        return True

    def _refuse(self, request: Request, code: int) -> Error:
        if isinstance(request, AttPrp | AttPrp11 | DetPrp) and code != ErrorCode.EAGAIN:
            self.refused.add(request.epEui)
        if isinstance(request, DlDataRev) and code not in (ErrorCode.EAGAIN, ErrorCode.EIO):
            self.held.pop(request.queId, None)
        return Error(opId=request.opId, code=code, message="no")

    def _obey(self, request: Request) -> Message:
        if isinstance(request, AttPrp | AttPrp11):
            self.served[request.epEui] = (bytes(request.nwkSnKey), request.shAddr)
            self.refused.discard(request.epEui)
        elif isinstance(request, DetPrp):
            self.refused.discard(request.epEui)
            if self.served.pop(request.epEui, None) is None:
                return Error(opId=request.opId, code=ErrorCode.ENOENT, message="not attached")
        elif isinstance(request, DlDataQue):
            if request.epEui not in self.served:
                return Error(opId=request.opId, code=ErrorCode.ENOENT, message="not attached")
            self.held[request.queId] = request
            self.kept_away.discard(request.queId)
        elif isinstance(request, DlDataRev) and self.held.pop(request.queId, None) is None:
            return Error(opId=request.opId, code=ErrorCode.ENOENT, message="not held")
        return RESPONSES[type(request)](opId=request.opId)

    def end_downlink(self) -> DlDataQue | None:
        """Return the oldest downlink that it holds, which it holds no longer; None if there is none."""
        return self.held.pop(next(iter(self.held))) if self.held else None
