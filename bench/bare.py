"""A bare Twisted TLS server that decodes and replies: what the service center is measured by.

``python -m bench.bare --certificates DIR`` prints the port that it listens on and runs until it is killed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, PrivateCertificate

from bssci.wire.codec import Codec, Encoding
from bssci.wire.frame import FrameDecoder
from bssci.wire.messages import Con, ConRsp, Message, Ping, PingRsp, UlData, UlDataRsp

CODEC = Codec(Encoding.MESSAGEPACK)


class BareConnection(Protocol):
    """Decodes every message to its type; the answers to what came together go out together."""

    transport: ITCPTransport

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._frames = FrameDecoder()

    def dataReceived(self, data: bytes) -> None:
        answers = [answer(CODEC.decode(payload)) for payload in self._frames.feed(data)]
        self.transport.write(b"".join(answers))


def answer(message: Message) -> bytes:
    """Return the frame that answers a message; empty for what needs none."""
    if type(message) is UlData:
        return CODEC.encode(UlDataRsp(opId=message.opId))
    if type(message) is Con:
        return CODEC.encode(ConRsp(opId=0, version="1.0.0", scEui=1, snResume=False, snScUuid=[0] * 16))
    if type(message) is Ping:
        return CODEC.encode(PingRsp(opId=message.opId))
    return b""


def main() -> None:
    """Listen on 127.0.0.1 with mutual TLS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--certificates",
        type=Path,
        required=True,
        help="folder of ca_cert.pem, service_center_cert.pem and service_center_key.pem",
    )
    options = parser.parse_args()
    key, certificate, authority = (
        (options.certificates / name).read_bytes()
        for name in ("service_center_key.pem", "service_center_cert.pem", "ca_cert.pem")
    )
    identity = PrivateCertificate.loadPEM(key + b"\n" + certificate)
    tls = identity.options(Certificate.loadPEM(authority))
    listening = cast(Any, reactor).listenSSL(
        options.port, Factory.forProtocol(BareConnection), tls, interface="127.0.0.1"
    )
    print(listening.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
