"""A bound on what a web server may send before the next request: headers without end would fill the memory.

Twisted bounds the length of a header and not their number, and passes over interim answers (1xx), however
many come.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from bssci.certificates.naming import NamedServer

CONNECT_TIMEOUT = 10.0
"""s for each address of the host"""
ANSWER_READ = 131_072
"""bytes of an answer, headers included, after which its connection is cut"""


INTERIM_ANSWERS = 20
"""interim answers (1xx) that are passed over, at most: each is a line in the log"""
_INTERIM = b"HTTP/1.1 1"


class AnswerBound(ProtocolWrapper):
    """A protocol that is cut off when too much comes after what it sent last."""

    transport: Any
    _received = 0
    _interim = 0

    def write(self, data: bytes) -> None:
        self._received = self._interim = 0
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._received = self._interim = 0
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        self._interim += data.count(_INTERIM)
        if self._received > ANSWER_READ or self._interim > INTERIM_ANSWERS:
            self.transport.abortConnection()
        else:
            super().dataReceived(data)


class _BoundFactory(WrappingFactory):
    protocol = AnswerBound
    noisy = False


@implementer(IStreamClientEndpoint)
class BoundEndpoint:
    """Connects protocols whose answers are bounded."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[Any] = self._endpoint.connect(_BoundFactory(factory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class BoundEndpoints:
    """Makes the endpoints of an agent.

    :param policy: certificates that are trusted.
    """

    def __init__(self, reactor: Any, policy: IPolicyForHTTPS) -> None:
        self._reactor = reactor
        self._policy = policy

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, uri.host.decode("ascii"), uri.port, timeout=CONNECT_TIMEOUT
        )
        if uri.scheme == b"https":
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(NamedServer(creator, uri.host.decode("ascii")), endpoint)
        return BoundEndpoint(endpoint)
