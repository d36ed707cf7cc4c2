"""POST requests with bounds on time, connections and what is read of an answer.

Redirects are not followed, proxies are not used, certificates are always verified. Names are resolved in
the reactor's threads. Errors are one line that names the host and no more of the URL, because the rest of
it may be a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet import error as connecting
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, ensureDeferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from bssci.certificates.naming import NamesNoHost
from bssci.certificates.reading import read_certificates
from bssci.sinks.answer_bound import BoundEndpoints
from bssci.system.clock import Clock, within

IDLE_CONNECTION = 60.0
"""s that an idle connection is kept for the next request"""
BODY_READ = 65536
"""bytes of an answer after which its connection is closed"""
BODY_KEPT = 1000
"""bytes of an answer that are kept: errors say at the beginning what is wrong"""
LONGEST_URL = 2000
SCHEMES = ("http", "https")
_CONNECTING = (connecting.ConnectError, connecting.ConnectionClosed)
_FAILURES = (
    OSError, SSL.Error, VerificationError, ResponseFailed, RequestTransmissionFailed, RequestNotSent,
    *_CONNECTING,
)  # fmt: skip
"""errors of an agent's failed request"""


class NoAnswer(Exception):
    """Nobody answered: one line that says why.

    :ivar late: the time for the answer is over.
    """

    def __init__(self, reason: str, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


@dataclass(frozen=True)
class Target:
    """The address that requests are sent to.

    :ivar origin: scheme, host and port, for messages.
    :ivar user: user name and password of the URL; None where it has none.
    """

    uri: bytes = field(repr=False)
    origin: str
    user: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ReceiverAnswer:
    """A receiver's answer to a request.

    :ivar retry_after: the header of this name, as it came.
    :ivar text: the beginning of the body.
    """

    status: int
    retry_after: str
    text: str


def parse_target(url: str) -> Target:
    """Parse a URL.

    :raises ValueError: it is not a URL of a web server; the text does not quote it, as it may hold a secret.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        name = host.encode("ascii" if ":" in host else "idna").decode("ascii")
    except ValueError:
        raise ValueError("allowed is a URL: https://host/path") from None
    unusual = any(character <= " " or character == "\x7f" for character in url)
    if parts.scheme not in SCHEMES or not name or unusual or port == 0 or len(url) > LONGEST_URL:
        raise ValueError("allowed is a URL: https://host/path")
    at = f"[{name}]" if ":" in name else name
    at = at if port is None else f"{at}:{port}"
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not rest.isascii():
        raise ValueError("allowed is a URL with characters other than ASCII written as %XX")
    user = None
    if parts.username is not None:
        user = unquote(parts.username), unquote(parts.password or "")
    return Target(f"{parts.scheme}://{at}{rest}".encode("ascii"), f"{parts.scheme}://{at}", user)


class Poster:
    """Sends one request after the other to a target.

    :param timeout: s from the beginning of a request to the end of its answer.
    :param pool: closed at the end; None if the agent keeps no connections.
    """

    def __init__(
        self,
        clock: Clock,
        agent: IAgent,
        target: Target,
        timeout: float,
        pool: HTTPConnectionPool | None = None,
    ) -> None:
        self.target = target
        self._clock = clock
        self._agent = agent
        self.timeout = timeout
        self._pool = pool

    async def post(self, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        """Send ``body`` and return the answer. Cancelling fails with a CancelledError.

        :raises NoAnswer: nobody answered in time.
        """
        try:
            # The timeout covers both the request and the reading of its answer.
            return await within(self.timeout, ensureDeferred(self._post(headers, body)), self._clock)
        except TimeoutError:
            reason = f"{self.target.origin}: no answer within {self.timeout:g} s"
            raise NoAnswer(reason, late=True) from None
        except _FAILURES as error:
            reason = explain(error)
        raise NoAnswer(f"{self.target.origin}: {reason}")

    async def _post(self, headers: Mapping[str, str], body: bytes) -> ReceiverAnswer:
        sent = Headers({name: [value] for name, value in headers.items()})
        try:
            response = await self._agent.request(b"POST", self.target.uri, sent, _Body(body))
        except connecting.ConnectingCancelledError as error:
            raise CancelledError from error
        except ResponseFailed as error:
            # A request that is cancelled while it waits for its answer fails like this.
            for reason in error.reasons:
                if reason.check(CancelledError):
                    raise CancelledError from error
            raise
        # As bytes: a server may send any, and a name that is text has Twisted decode them strictly.
        retry_after = response.headers.getRawHeaders(b"retry-after", [b""])[0].decode("ascii", "replace")
        text = (await _beginning(response)).decode("utf-8", "replace")
        if response.version[1:] == (1, 0) and self._pool is not None:
            # Such a server closes the connection, which the pool would reuse for the next request.
            await self._pool.closeCachedConnections()
        return ReceiverAnswer(response.code, retry_after, text)

    def close(self) -> Deferred[None]:
        """Close the connections that are idle."""
        return self._pool.closeCachedConnections() if self._pool is not None else succeed(None)


def make_poster(reactor: Any, target: Target, timeout: float, ca_file: Path | None, setting: str) -> Poster:
    """Build a poster with a connection of its own.

    :param ca_file: authorities that may sign the host's certificate; None: the system's. It is read here.
    :param setting: name of the setting that ``ca_file`` is from.
    :raises bssci.certificates.reading.CertificateError: the file cannot be used.
    """
    trust = None
    if ca_file is not None:
        trust = trustRootFromCertificates(
            [Certificate(crypto.X509.from_cryptography(one)) for one in read_certificates(ca_file, setting)]
        )
    policy = BrowserLikePolicyForHTTPS() if trust is None else BrowserLikePolicyForHTTPS(trust)
    pool = HTTPConnectionPool(reactor, persistent=True)
    pool.maxPersistentPerHost = 1
    pool.cachedConnectionTimeout = int(IDLE_CONNECTION)
    # A request that may have arrived is not repeated here: the sink decides about that.
    pool.retryAutomatically = False
    agent = Agent.usingEndpointFactory(reactor, BoundEndpoints(reactor, policy), pool)
    return Poster(reactor, agent, target, timeout, pool)


@implementer(IBodyProducer)
class _Body:
    """A request's body that is in memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def stopProducing(self) -> None: ...


class _Beginning(Protocol):
    """Reads the beginning of an answer, and closes the connection if the answer is too long."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._cut())
        self._kept = b""
        self._read = 0

    def dataReceived(self, data: bytes) -> None:
        self._kept += data[: BODY_KEPT - len(self._kept)]
        self._read += len(data)
        if self._read > BODY_READ:
            self._finish()
            self._cut()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._finish()

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(self._kept)

    def _cut(self) -> None:
        abort = getattr(self.transport, "abortConnection", None) or getattr(
            self.transport, "loseConnection", None
        )
        if abort is not None:
            abort()


def _beginning(response: IResponse) -> Deferred[bytes]:
    protocol = _Beginning()
    response.deliverBody(protocol)
    return protocol.done


def explain(error: Exception) -> str:
    """Return the reason why there was no answer, in a few words without any text from the server."""
    if isinstance(error, (ResponseFailed, RequestTransmissionFailed)):
        inner = [each.value for each in error.reasons if isinstance(each.value, Exception)]
        known = [each for each in inner if isinstance(each, (SSL.Error, VerificationError, OSError))]
        if known or (inner and isinstance(inner[0], _CONNECTING)):
            return explain((known or inner)[0])
        return "its answer is not HTTP" if inner else "the connection broke"
    if isinstance(error, NamesNoHost):
        return "its certificate names no host: it needs a subjectAltName"
    if isinstance(error, VerificationError):
        return "its certificate is for another host name"
    if isinstance(error, SSL.Error):
        reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
        words = ", ".join(str(entry[-1]) for entry in reasons) or "the connection broke"
        untrusted = "its certificate has expired, or its authority is not trusted here: "
        return f"{untrusted if 'certificate verify failed' in words else ''}TLS: {words}"
    if isinstance(error, connecting.DNSLookupError):
        return "no such host is known"
    if isinstance(error, connecting.TimeoutError):
        return "the connection timed out"
    if isinstance(error, connecting.ConnectError) and error.osError:
        return os.strerror(error.osError).lower()
    if isinstance(error, connecting.ConnectionAborted):
        # By us: the reasons of a request that takes too long, or is cancelled, are others.
        return "its answer is too long"
    if isinstance(error, connecting.ConnectionClosed):
        return "the connection was closed before there was an answer"
    return " ".join(str(error).split())[:200] or type(error).__name__
