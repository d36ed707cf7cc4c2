"""The edge of the web server: limits on bodies, times and connections, and protective headers."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from ipaddress import IPv6Address, IPv6Network
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from twisted.internet.interfaces import IAddress, IProtocolFactory
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from bssci.system.clock import Timer
from bssci.web.http.proxies import TrustedProxies, Visit
from bssci.web.http.routing import MAX_BODY

MAX_CONNECTIONS = 500
MAX_OF_HOST = 100
"""connections of one address, or of one IPv6 network of 64 bits; a trusted proxy may use all of them"""
RESERVED = 50
"""further connections, for addresses that have none yet"""
IDLE_TIME = 60.0
"""s without a byte after which a connection that is between requests, or within one, is closed"""
MAX_DISCARDED = 1 << 26
"""bytes of a body that was refused which are read nevertheless, at most"""
REQUEST_TIME = 60.0
"""s that a request may take to arrive"""

_COMMON = {
    b"X-Content-Type-Options": b"nosniff",
    b"X-Frame-Options": b"DENY",
    b"Referrer-Policy": b"no-referrer",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"Permissions-Policy": b"camera=(), geolocation=(), microphone=()",
    b"Content-Security-Policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    b"Cache-Control": b"no-store",
}
_HSTS = b"max-age=31536000"
_FORMS = ("application/x-www-form-urlencoded", "multipart/")
"""begins of the types of forms"""
_TOO_LARGE = (
    b'{"success": false, "error": {"code": "too_large", "message": "body must have at most %d bytes%s", '
    b'"field": "body"}}'
)
_CLIENT_HELLO = b"\x16\x03"
"""begin of a connection with TLS"""
_NO_TLS = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 54\r\nConnection: close\r\n\r\n"
    b"There is no TLS on this port: its address is http://.\n"
)
"""makes clients say at once that this is no TLS, instead of waiting for the rest of a handshake"""
_FORM_HINT = b" if it is a form; send a file as the body itself"


class AdminRequest(Request):
    """A request that arrives within bounds, or is refused while it arrives."""

    def __init__(self, channel: Any, *args: Any, connection: Connection | None = None, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self._connection = connection
        self._limit = MAX_BODY
        self._is_form = False
        self._received = 0
        self._refused = False
        self.visit = Visit()
        site: AdminSite = channel.site
        self._proxies = site.proxies
        self._deadline: Timer | None = site.clock.callLater(REQUEST_TIME, self._too_late)

    def gotLength(self, length: int | None) -> None:
        self._make_headers_text()
        # The request gets its method and path only when its body is complete; its channel has them earlier.
        channel: Any = self.channel
        site: AdminSite = channel.site
        path = unquote_to_bytes(channel._path.partition(b"?")[0]).decode("utf-8", "replace")
        # Twisted reads all fields of a form in one turn, whatever the route makes of them.
        kinds = self.requestHeaders.getRawHeaders("content-type", [])
        self._is_form = any(kind.strip().lower().startswith(_FORMS) for kind in kinds)
        if not self._is_form:
            self._limit = site.max_body(self, channel._command.decode("latin-1"), path)
        if length is not None and length > self._limit:
            self.content = BytesIO()
            self._refuse()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._refused:
            if self._received > MAX_DISCARDED:
                self.channel.loseConnection()
        elif self._received > self._limit:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def process(self) -> None:
        self._stop_deadline()
        if self._refused:
            self.channel.loseConnection()
            return
        self.visit = self._proxies.visit(self)
        for name, value in _COMMON.items():
            self.responseHeaders.setRawHeaders(name, [value])
        # A path that is not UTF-8 belongs to no route, but must not cause a traceback in the log.
        self.path = quote(unquote_to_bytes(self.path).decode("utf-8", "replace")).encode()
        if self.isSecure():
            self.responseHeaders.setRawHeaders(b"Strict-Transport-Security", [_HSTS])
        site: AdminSite = self.channel.site  # type: ignore[attr-defined]
        take_over = site.upgrades.get(self.path)
        if take_over is not None:
            take_over(self)
        else:
            super().process()

    def become(self, head: bytes, protocol: Protocol) -> bool:
        """Answer with ``head`` and hand the connection to another protocol; return whether that was possible.

        What came after the request is lost: a client waits for the answer before it sends more.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return False
        channel: Any = self.channel
        channel.setTimeout(None)
        channel.transport.unregisterProducer()
        channel.transport.write(head)
        connection.become(protocol)
        return True

    def render(self, resrc: IResource) -> None:
        self.setHeader(b"Server", b"bssci")
        super().render(resrc)

    def connectionLost(self, reason: Any) -> None:
        self._stop_deadline()
        super().connectionLost(reason)

    def getRequestHostname(self) -> bytes:
        """Return the host of the header Host; ``invalid`` in place of what no host can be called.

        Klein asks for it and fails at such a name, although no route depends on it.
        """
        host: bytes = super().getRequestHostname()
        try:
            host.decode().encode("idna")
        except UnicodeError:
            return b"invalid"
        return host

    def _make_headers_text(self) -> None:
        """Replace what is not UTF-8 in headers, which whoever reads one as text would fail at."""
        for name, values in list(self.requestHeaders.getAllRawHeaders()):
            if not all(map(bytes.isascii, values)):
                texts = [value.decode("utf-8", "replace").encode() for value in values]
                self.requestHeaders.setRawHeaders(name, texts)

    def _refuse(self) -> None:
        """Answer without having read all of the body; the rest is discarded as it arrives, within bounds.

        Closed at once, the connection would be reset while a client still sends, which then never reads why.
        """
        self._refused = True
        body = _TOO_LARGE % (self._limit, _FORM_HINT if self._is_form else b"")
        channel: Any = self.channel
        channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def _too_late(self) -> None:
        self._deadline = None
        abort(self)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def abort(request: http.Request) -> None:
    """Close a request's connection, discarding what waits to be written."""
    transport: Any = request.channel.transport
    if transport is not None:
        transport.abortConnection()


class Connection(Protocol):
    """A connection that begins with HTTP and may continue with another protocol.

    :param inner: the protocol that handles it now.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._has_begun = False

    def connectionMade(self) -> None:
        self._inner.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if not self._has_begun and data.startswith(_CLIENT_HELLO):
            assert self.transport is not None  # it brings data
            self.transport.write(_NO_TLS)
            self.transport.loseConnection()
            return
        self._has_begun = True
        self._inner.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._inner.connectionLost(reason)

    def become(self, inner: Protocol) -> None:
        """Continue with another protocol."""
        self._inner = inner
        assert self.transport is not None  # a request came through it
        inner.makeConnection(self.transport)


class AdminSite(Site):
    """The site on WEB_PORT.

    :param max_body: returns the largest body in bytes, for a request with its headers, method and path.
    :param proxies: those whose headers about the client are used.
    :param upgrades: by path, the function that answers requests which may change to another protocol.
    """

    requestFactory = AdminRequest
    displayTracebacks = False
    noisy = False

    def __init__(
        self,
        reactor: Any,
        resource: IResource,
        max_body: Callable[[Request, str, str], int],
        proxies: TrustedProxies,
        upgrades: Mapping[bytes, Callable[[AdminRequest], None]] | None = None,
    ) -> None:
        super().__init__(resource, timeout=IDLE_TIME, parsePOSTFormSubmission=False, reactor=reactor)
        self.clock = reactor
        self.max_body = max_body
        self.proxies = proxies
        self.upgrades = upgrades or {}

    def buildProtocol(self, addr: IAddress | None) -> Any:
        inner: Any = super().buildProtocol(addr)
        connection = Connection(inner)
        inner.requestFactory = partial(AdminRequest, connection=connection)
        return connection

    def log(self, request: Any) -> None:
        """Do nothing, instead of writing a line for each request."""


class _Limited(ProtocolWrapper):
    """A connection that counts towards its address.

    :ivar counts: true as long as it does; false once another limit applies to it.
    """

    host = ""
    counts = True


class LimitedFactory(WrappingFactory):
    """Limits connections, in all and of each address; further ones are closed before TLS begins.

    :ivar refused: connections closed at a limit since the start.
    """

    log = Logger()
    noisy = False
    protocol = _Limited

    def __init__(self, factory: IProtocolFactory, proxies: TrustedProxies) -> None:
        super().__init__(factory)
        self._proxies = proxies
        self._of_hosts: Counter[str] = Counter()
        self.refused = 0

    def buildProtocol(self, addr: IAddress | None) -> Any:
        host = network_of(addr)
        if not self._has_room(host, addr):
            self._refuse(host)
            return None
        protocol: Any = super().buildProtocol(addr)
        protocol.host = host
        return protocol

    def _has_room(self, host: str, addr: IAddress | None) -> bool:
        own = self._of_hosts[host]
        if len(self.protocols) >= (MAX_CONNECTIONS if own else MAX_CONNECTIONS + RESERVED):
            return False
        return own < MAX_OF_HOST or self._proxies.trusts(addr)

    def _refuse(self, host: str) -> None:
        self.refused += 1
        if self.refused == 1 or self.refused % 1000 == 0:
            self.log.warn(
                "web admin connection refused, too many are open {address} {connections} {all} {refused}",
                address=host or "Unix socket",
                connections=self._of_hosts[host],
                all=len(self.protocols),
                refused=self.refused,
            )

    def registerProtocol(self, p: ProtocolWrapper) -> None:
        super().registerProtocol(p)
        self._of_hosts[p.host] += 1

    def unregisterProtocol(self, p: ProtocolWrapper) -> None:
        if not p.counts:
            return
        super().unregisterProtocol(p)
        self._of_hosts[p.host] -= 1
        if not self._of_hosts[p.host]:
            del self._of_hosts[p.host]

    def release(self, p: _Limited) -> None:
        """Stop counting a connection: from now on another limit applies to it."""
        self.unregisterProtocol(p)
        p.counts = False


def release(transport: Any, send_buffer: int) -> None:
    """Stop counting the connection below a protocol towards the web admin's limits.

    :param send_buffer: bytes that the system may buffer for a client that does not read.
    """
    while transport is not None and not isinstance(transport, _Limited):
        transport = getattr(transport, "transport", None)
    if transport is not None:
        transport.factory.release(transport)
        below: Any = transport.transport
        below.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)


def network_of(address: IAddress | None) -> str:
    """Return the name under which an address is counted; one machine may have 64 bits of IPv6 addresses."""
    host = str(getattr(address, "host", None) or "")
    try:
        version6 = IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(version6.ipv4_mapped or IPv6Network((int(version6) >> 64 << 64, 64)))
