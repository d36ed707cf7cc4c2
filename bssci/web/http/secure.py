"""TLS around the web server's connections, which says so to clients that speak HTTP without it."""

from __future__ import annotations

from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory

_TLS_WANTED = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 52\r\nConnection: close\r\n\r\n"
    b"There is TLS on this port: its address is https://.\n"
)


class _Transport(BufferingTLSTransport):
    """The TLS layer of one connection. Its first byte tells a request's method from a handshake."""

    _has_begun = False

    def dataReceived(self, data: bytes) -> None:
        if not self._has_begun and data[:1].isalpha():
            assert self.transport is not None  # it brings data
            self.transport.write(_TLS_WANTED)
            self.transport.loseConnection()
            return
        self._has_begun = True
        super().dataReceived(data)


class SecureFactory(TLSMemoryBIOFactory):
    """TLS around the site, with an answer in plain text to a request without TLS."""

    protocol = _Transport
