"""Base stations on real TLS in memory: bytes in, messages out, while a clock is moved by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump, connect
from zope.interface import implementer

from bssci.certificates.checking import FilesVerdict, examine
from bssci.certificates.server import ServerTLS, StationFiles
from bssci.stations.admission import ConnectionLimits
from bssci.stations.protocol import StationFactory
from bssci.stations.tls import LimitedTLSFactory
from bssci.wire.codec import Codec, Encoding
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import AttPrp, AttPrpRsp, Con, ConCmp, ConRsp, Message, Status, StatusRsp
from tests.support.center import House
from tests.support.tls import TLSFiles
from tests.support.wire import connect as sample_con

Kind = TypeVar("Kind", bound=Message)

TCP_BUFFER = 65536
"""bytes after which a TCP transport tells its producer to pause"""


_verdicts: dict[tuple[bytes, ...], FilesVerdict] = {}


def _examine(certificate: Path, key: Path, authority: Path, now: datetime, _: Path | None) -> FilesVerdict:
    """Examine the same files once: that takes as long as all else before a test begins."""
    content = tuple(each.read_bytes() for each in (certificate, key, authority))
    if content not in _verdicts:
        _verdicts[content] = examine(certificate, key, authority, now)
    return _verdicts[content]


class StationRoom:
    """The station room before a :class:`House`, without a socket.

    :ivar now_in_thread: calls at once what would go to a thread.
    """

    def __init__(
        self,
        house: House,
        files: TLSFiles,
        *,
        identity: str = "lenient",
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.house = house
        self.files = files
        self.clients: list[Client] = []
        with patch("bssci.certificates.server.examine", _examine):
            own = StationFiles(files.certificate, files.key, files.ca)
            self.tls = ServerTLS(house.clock, own, maybeDeferred)
        self.factory = StationFactory(
            house.clock,
            house.center.registry,
            limits or ConnectionLimits(),
            identity,
            house.center.refused_stations,
        )
        self.listening = LimitedTLSFactory(self.tls, self.factory, house.clock)
        self.listening.doStart()

    @property
    def count(self) -> Any:
        return self.factory.count

    def station(
        self,
        eui: int | str = "localhost",
        *,
        bundle: Path | None = None,
        host: str = "192.0.2.1",
        version: int | None = None,
        protocols: list[bytes] | None = None,
    ) -> Client:
        """A base station with a certificate for ``eui``, connected as far as TLS goes.

        :param version: the highest version of TLS that it speaks.
        :param protocols: it offers by ALPN.
        """
        options = self._options(bundle or self.files.station_bundle(eui), version)
        if protocols is not None:
            options.getContext().set_alpn_protos(protocols)
        client = Client(self, options, host)
        self.clients.append(client)
        self.settle()
        return client

    def settle(self) -> None:
        """Carry bytes and messages until nothing moves."""
        for _ in range(50):
            moved = [client.move() for client in self.clients]
            self.house.settle()
            if not any(moved):
                return
        raise AssertionError("it does not come to rest")

    def advance(self, seconds: float, step: float = 0.5) -> None:
        end = self.house.clock.seconds() + seconds
        while self.house.clock.seconds() < end - 1e-9:
            self.house.clock.advance(min(step, end - self.house.clock.seconds()))
            self.settle()

    def _options(self, bundle: Path, version: int | None) -> Any:
        identity = PrivateCertificate.loadPEM(
            (bundle / "station_key.pem").read_bytes() + (bundle / "station_cert.pem").read_bytes()
        )
        authority = Certificate.loadPEM((bundle / "ca_cert.pem").read_bytes())
        options = CertificateOptions(
            privateKey=identity.privateKey.original, certificate=identity.original, trustRoot=authority
        )
        if version is not None:
            options.getContext().set_min_proto_version(version)
            options.getContext().set_max_proto_version(version)
        return options


@implementer(ITCPTransport)
class _Transport(FakeTransport):
    """With what a TCP transport has beyond a fake one.

    :ivar paused: the reading side asked for no more.
    """

    paused = False
    delays = True
    clock: Any = None
    reported = False

    def abortConnection(self) -> None:
        """As TCP does it: our own side knows at once, whatever the other one does."""
        self.stream.clear()
        super().abortConnection()
        self.clock.callLater(0, self.reportDisconnect)

    def reportDisconnect(self) -> None:
        if not self.reported:
            self.reported = True
            super().reportDisconnect()

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.delays = not enabled

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class Client(Protocol):
    """A base station's end of a connection.

    :param options: of its TLS; None for a peer that speaks none.

    :ivar messages: what came and was not taken.
    :ivar lost: why the connection ended; None while it lives.
    :ivar deaf: nothing is read from the service center any more.
    """

    def __init__(self, room: StationRoom, options: Any, host: str) -> None:
        self.room = room
        self.messages: list[Message] = []
        self.lost: Failure | None = None
        self.deaf = False
        self.refused = False
        self._frames = FrameDecoder()
        self._codec = Codec(Encoding.MESSAGEPACK)
        server = room.listening.buildProtocol(IPv4Address("TCP", host, 40000))
        if server is None:
            self.refused = True
            return
        clock = room.house.clock
        wrapped: Any = self
        if options is not None:
            wrapped = TLSMemoryBIOFactory(options, True, _Only(self), clock).buildProtocol(None)
        self.server_side = _Transport(server, True, peerAddress=IPv4Address("TCP", host, 40000))
        self.client_side = _Transport(wrapped, False)
        self.server_side.clock = self.client_side.clock = clock
        self._pump: IOPump = connect(server, self.server_side, wrapped, self.client_side, clock=clock)

    @property
    def unread(self) -> int:
        """Bytes that the service center has written and nobody has taken."""
        return sum(map(len, self.server_side.stream))

    def use(self, encoding: Encoding) -> None:
        self._codec = Codec(encoding)

    def move(self) -> bool:
        """Carry bytes to and fro."""
        if self.refused:
            return False
        if self.deaf:
            # As TCP does: what nobody takes fills a buffer, and then the writer is told.
            if self.unread > TCP_BUFFER and not self.server_side.paused:
                self.server_side.producer.pauseProducing()
            if not self.server_side.paused and (data := self.client_side.getOutBuffer()):
                self.server_side.bufferReceived(data)
                return True
            return False
        return bool(self._pump.flush())

    def dataReceived(self, data: bytes) -> None:
        self.messages += [self._codec.decode(payload) for payload in self._frames.feed(data)]

    def connectionLost(self, reason: Failure) -> None:
        self.lost = reason

    def write(self, *pieces: bytes) -> None:
        """Bytes as they are, then all that follows from them."""
        assert self.transport is not None
        for piece in pieces:
            self.transport.write(piece)
        self.room.settle()

    def say(self, *messages: Message) -> None:
        self.write(b"".join(self._codec.encode(message) for message in messages))

    def con(self, eui: int, **changes: Any) -> Con:
        return sample_con(bsEui=eui, **changes)

    def establish(self, eui: int, **changes: Any) -> ConRsp:
        """``con`` to ``conCmp``."""
        self.say(self.con(eui, **changes))
        [answer] = self.take(ConRsp)
        self.say(ConCmp(opId=0))
        return answer

    def take(self, kind: type[Kind]) -> list[Kind]:
        """Take messages of a kind out of what came."""
        taken = [message for message in self.messages if isinstance(message, kind)]
        self.messages = [message for message in self.messages if not isinstance(message, kind)]
        return taken

    def answer_everything(self) -> None:
        """Accept sensors, tell the status."""
        answers: Iterable[Message]
        while answers := [
            *(AttPrpRsp(opId=request.opId) for request in self.take(AttPrp)),
            *(StatusRsp(opId=request.opId, code=0) for request in self.take(Status)),
        ]:
            self.say(*answers)

    def vanish(self) -> None:
        """The peer is gone and nobody says so."""
        self.room.clients.remove(self)


class _Only:
    """A factory of one protocol."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def doStart(self) -> None: ...

    def doStop(self) -> None: ...

    def buildProtocol(self, address: object) -> Protocol:
        return self._protocol
