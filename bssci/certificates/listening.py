"""Listening on Twisted's endpoints, including ``mtls:``, with errors that name the setting and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import (
    SSL4ServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    serverFromString,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.internet.threads import deferToThread
from twisted.plugin import IPlugin
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from bssci.certificates.reading import CertificateError
from bssci.certificates.server import ServerTLS, StationFiles

BACKLOG = 512
"""connections that the operating system queues until the service accepts them"""


class ListenError(ValueError):
    """The service cannot listen at a place: one line with the setting and what to do."""


@implementer(IStreamServerEndpoint)
@dataclass(frozen=True)
class MutualTLSEndpoint:
    """An endpoint such as ``mtls:16018``: TCP, with TLS that asks every client for a certificate.

    The service center wraps its own TLS, with its limits, around ``inner``. Another program can listen
    here if the description names the files.
    """

    reactor: Any
    inner: IStreamServerEndpoint
    files: StationFiles | None
    """certificate files of the endpoint; None for those of CERT_FILE, KEY_FILE and CA_FILE"""

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """See ``IStreamServerEndpoint``. Certificates are read again when they change.

        The Deferred fails with :class:`bssci.certificates.reading.CertificateError` if they cannot be used.
        """
        if self.files is None:
            return fail(ListenError("mtls: needs certificate=, key= and authorities= outside of the service"))
        try:
            tls = ServerTLS(self.reactor, self.files, deferToThread)
        except CertificateError:
            return fail()
        wrapped: Any = _WatchingTLSFactory(tls, factory, self.reactor)
        return self.inner.listen(wrapped)


class _WatchingTLSFactory(TLSMemoryBIOFactory):
    """TLS whose certificate files are watched for as long as a port is open."""

    def __init__(self, tls: ServerTLS, factory: IProtocolFactory, clock: IReactorTime) -> None:
        super().__init__(tls, False, factory, clock)
        self._tls = tls

    def startFactory(self) -> None:
        self._tls.start()

    def stopFactory(self) -> None:
        self._tls.stop()


@implementer(IPlugin, IStreamServerEndpointStringParser)
class MutualTLSParser:
    """Reads ``mtls:PORT[:interface=…][:backlog=…][:certificate=…:key=…:authorities=…[:revoked=…]]``."""

    prefix = "mtls"

    def parseStreamServer(self, reactor: Any, *parts: Any, **named: Any) -> MutualTLSEndpoint:
        """See ``IStreamServerEndpointStringParser``.

        :raises ValueError: an argument is wrong, or one of the files is not named.
        :raises TypeError: there is no such argument.
        """
        return self._parse(reactor, *parts, **named)

    def _parse(
        self,
        reactor: Any,
        port: str,
        interface: str = "",
        backlog: str = str(BACKLOG),
        certificate: str = "",
        key: str = "",
        authorities: str = "",
        revoked: str = "",
    ) -> MutualTLSEndpoint:
        files = None
        if certificate or key or authorities or revoked:
            if not (certificate and key and authorities):
                raise ValueError("certificate=, key= and authorities= belong together")
            files = StationFiles(
                Path(certificate), Path(key), Path(authorities), Path(revoked) if revoked else None
            )
        inner = _tcp(reactor, interface, _port(port), int(backlog))
        return MutualTLSEndpoint(reactor, inner, files)


class ListeningPlace(NamedTuple):
    """A place to listen at, with the setting and the remedy that an error names."""

    setting: str
    """setting that names the place, as ``LISTEN_PORT=16018``"""
    where: str
    remedy: str
    endpoint: IStreamServerEndpoint

    async def listen(self, factory: Any) -> IListeningPort:
        """Begin to listen.

        :raises ListenError: it is not possible.
        """
        try:
            return await self.endpoint.listen(factory)
        except CannotListenError as error:
            reason = error.socketError.strerror or error.socketError
        except OSError as error:
            reason = error.strerror or error
        raise ListenError(f"{self.setting}: cannot listen on {self.where} ({reason}); {self.remedy}")


def simple_place(reactor: Any, name: str, host_name: str, host: str, port: int) -> ListeningPlace:
    """Return the place of a port on an address.

    :param name: name of the setting with the port; ``host_name``: of the setting with the address.
    """
    remedy = f"set {name} to a free port, or {host_name} to an address of this machine (0.0.0.0 means all)"
    where = f"{host_name}={host}"
    return ListeningPlace(f"{name}={port}", where, remedy, _tcp(reactor, host, port, BACKLOG))


def described_places(reactor: Any, setting: str, descriptions: Sequence[str]) -> list[ListeningPlace]:
    """Return the places that endpoint descriptions name; nothing is opened.

    :param reactor: None to only check the descriptions.
    :param setting: name of the setting that they come from.
    :raises ListenError: a description cannot be understood, or has TLS of its own.
    """
    places = []
    for each in descriptions:
        if reactor is None and each.startswith("systemd:"):
            continue  # only a process started by systemd has such a socket
        try:
            endpoint = serverFromString(reactor, each)
            _check_range(endpoint)
        except IndexError:
            raise ListenError(
                f"{setting}: {each!r} is a socket that systemd has not handed over; start its unit"
                " (systemctl start bssci.socket)"
            ) from None
        except (ValueError, TypeError, LookupError, OSError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ListenError(
                f"{setting}: {each!r} is not an endpoint ({reason}); examples are tcp:16018,"
                " mtls:16018:interface=127.0.0.1 and systemd:domain=INET:index=0"
            ) from None
        if isinstance(endpoint, SSL4ServerEndpoint):
            raise ListenError(f"{setting}: {each!r} has TLS of its own; use tcp: instead of ssl:")
        remedy = f"stop the program that listens there, or name another place in {setting}"
        places.append(ListeningPlace(setting, each, remedy, endpoint))
    return places


def _tcp(reactor: Any, host: str, port: int, backlog: int) -> IStreamServerEndpoint:
    kind = TCP6ServerEndpoint if ":" in host else TCP4ServerEndpoint
    return kind(reactor, port, backlog, host)


def _check_range(endpoint: Any) -> None:
    port = getattr(endpoint, "_port", 0)
    if isinstance(port, int) and port > 65535:
        raise ValueError(f"{port} is no port")


def _port(text: str) -> int:
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is no port")
    return int(text)
