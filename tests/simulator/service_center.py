"""A service center in memory, as small as can be: it answers ``con``, uplinks, pings and downlink results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport, IOPump, connect

from bssci.simulator import SimulatedStation
from bssci.wire.codec import Codec
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import Completion, Con, ConCmp, ConRsp, Error, ErrorAck, Message, Request, Response

_COMPLETIONS = {kind.__name__.removesuffix("Cmp"): kind for kind in Completion.__subclasses__()}
_RESPONSES = {kind.__name__.removesuffix("Rsp"): kind for kind in Response.__subclasses__()}


class ServiceCenterDouble(Factory):
    """Keeps every message it gets in ``received`` and answers as told.

    :ivar resume: what ``conRsp.snResume`` says to a known snBsUuid.
    :ivar refuse: answer this command by that error code.
    :ivar silent: leave these commands unanswered.
    :ivar on_established: called with each connection after its ``conCmp``.
    """

    noisy = False

    def __init__(self) -> None:
        self.resume = True
        self.refuse: dict[str, int] = {}
        self.silent: set[str] = set()
        self.received: list[Message] = []
        self.connections: list[CenterConnection] = []
        self.on_established: Callable[[CenterConnection], None] = lambda _connection: None
        self._sessions: set[tuple[int, ...]] = set()

    def buildProtocol(self, address: object) -> CenterConnection:
        connection = CenterConnection(self)
        self.connections.append(connection)
        return connection

    def of(self, kind: type[Message]) -> list[Message]:
        """What was received of this kind, oldest first."""
        return [message for message in self.received if isinstance(message, kind)]

    def commands(self) -> Counter[str]:
        return Counter(command_of(message) for message in self.received)

    def send(self, *messages: Message) -> None:
        """Send messages over the newest connection."""
        for message in messages:
            self.connections[-1].send(message)

    def answer(self, message: Message) -> Message | None:
        command = command_of(message)
        if command in self.silent or isinstance(message, ErrorAck):
            return None
        if isinstance(message, Error):
            return ErrorAck(opId=message.opId)
        if command in self.refuse:
            return Error(opId=message.opId, code=self.refuse[command], message="refused")
        if isinstance(message, Con):
            return self._greet(message)
        if isinstance(message, Request):
            return _RESPONSES[type(message).__name__](opId=message.opId)
        if isinstance(message, Response):
            return _COMPLETIONS[type(message).__name__.removesuffix("Rsp")](opId=message.opId)
        return None

    def _greet(self, con: Con) -> ConRsp:
        known = tuple(con.snBsUuid) in self._sessions
        self._sessions.add(tuple(con.snBsUuid))
        return ConRsp(
            opId=0, version="1.0.0", scEui=1, snResume=known and self.resume, snScUuid=list(range(16))
        )


def command_of(message: Message) -> str:
    return str(type(message).__struct_config__.tag)


class CenterConnection(Protocol):
    """One connection of the double."""

    def __init__(self, center: ServiceCenterDouble) -> None:
        self._center = center
        self._frames = FrameDecoder()
        self._codec: Codec | None = None
        self.raw: list[bytes] = []
        self.is_established = False

    def dataReceived(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self.raw.append(payload)
            if self._codec is None:
                self._codec = Codec.detect(payload)
            message = self._codec.decode(payload)
            self._center.received.append(message)
            if isinstance(message, ConCmp):
                self.is_established = True
                self._center.on_established(self)
            answer = self._center.answer(message)
            if answer is not None:
                self.send(answer)

    def send(self, message: Message) -> None:
        assert self._codec is not None and self.transport is not None
        self.transport.write(self._codec.encode(message))


class Air:
    """A station and a service center in memory; ``flush`` carries their bytes."""

    def __init__(self, station: SimulatedStation, center: ServiceCenterDouble, clock: Clock) -> None:
        self.station = station
        self.center = center
        self.clock = clock
        self._pump: IOPump | None = None

    def connect(self) -> None:
        """Connect, or connect again after a loss, up to ``conCmp``."""
        server, client = self.center.buildProtocol(None), self.station.buildProtocol(None)
        self._pump = connect(
            server,
            _Transport(server, isServer=True),
            client,
            _Transport(client, isServer=False),
            clock=self.clock,
        )
        self._pump.flush()

    def flush(self) -> None:
        assert self._pump is not None
        self._pump.flush()

    def advance(self, seconds: float) -> None:
        """Let time pass and carry what it causes."""
        self.clock.advance(seconds)
        self.flush()

    def cut(self) -> None:
        """Lose the connection and everything that was under way."""
        assert self._pump is not None
        self._pump.clientIO.clearBuffer()
        self._pump.serverIO.clearBuffer()
        self._pump.clientIO.abortConnection()
        self._pump.flush()


class _Transport(FakeTransport):
    """With the method of a TCP transport that stations use."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is nothing to delay."""

    def clearBuffer(self) -> None:
        self.stream.clear()
