from __future__ import annotations

from typing import NamedTuple

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.testing import StringTransport

from bssci.certificates.server import ServerTLS, WebFiles
from bssci.web.http.secure import SecureFactory
from tests.support.web import WebHouse


class Connection(NamedTuple):
    """The server's side of a connection to a port with TLS."""

    protocol: IProtocol
    transport: StringTransport


@pytest.fixture
def connection(web: WebHouse) -> Connection:
    certs = web.directory / "certs"
    tls = ServerTLS(web.clock, WebFiles(certs / "server.pem", certs / "server_key.pem"), maybeDeferred)
    transport = StringTransport()
    protocol = SecureFactory(tls, False, ServerFactory.forProtocol(Protocol), web.clock).buildProtocol(None)
    assert protocol is not None
    protocol.makeConnection(transport)
    return Connection(protocol, transport)


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1\r\n", b"P", b"get /"])
def test_a_request_without_tls_is_answered_in_plain_text(connection: Connection, request_line: bytes) -> None:
    connection.protocol.dataReceived(request_line)
    head, _, body = connection.transport.value().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and f"Content-Length: {len(body)}\r\n".encode() in head
    assert body == b"There is TLS on this port: its address is https://.\n"
    assert connection.transport.disconnecting


def test_a_handshake_in_pieces_is_none(connection: Connection) -> None:
    for each in (b"\x16", b"\x03\x01\x02", b"GET /"):
        connection.protocol.dataReceived(each)
        assert connection.transport.value() == b"" and not connection.transport.disconnecting
