"""Where to listen, as Twisted's endpoints describe it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    SSL4ClientEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
    serverFromString,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall
from twisted.internet.testing import MemoryReactorClock
from twisted.python.systemd import ListenFDs

from bssci.certificates.listening import (
    ListenError,
    MutualTLSEndpoint,
    described_places,
    simple_place,
)
from bssci.certificates.reading import CertificateError
from bssci.settings.descriptions import host_and_port
from tests.support.tls import TLSFiles, tls_files

assert tls_files


def test_mtls_is_known_to_twisted_by_its_plugin() -> None:
    endpoint = serverFromString(None, "mtls:16018:interface=127.0.0.1:backlog=7")
    assert isinstance(endpoint, MutualTLSEndpoint)
    assert endpoint.files is None
    inner = endpoint.inner
    assert isinstance(inner, TCP4ServerEndpoint)
    assert (inner._port, inner._backlog, inner._interface) == (16018, 7, "127.0.0.1")


def test_mtls_with_files_of_its_own() -> None:
    text = "mtls:16018:certificate=c.pem:key=k.pem:authorities=a.pem:revoked=r.pem"
    endpoint = serverFromString(None, text)
    own_list = Path("revoked.pem")
    files = (Path("c.pem"), Path("k.pem"), Path("a.pem"), Path("r.pem"), own_list)
    assert endpoint.files.paths == files


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("mtls:x", "'x' is no port"),
        ("mtls:16018:certificate=c.pem", "certificate=, key= and authorities= belong together"),
        ("mtls:16018:colour=red", "colour"),
        ("nothing:16018", "Unknown endpoint type"),
        ("tcp:99999999", "99999999 is no port"),
        ("systemd:domain=INET:index=7", "systemctl start bssci.socket"),
        ("ssl:16018:privateKey={key}:certKey={certificate}", "has TLS of its own"),
    ],
)
def test_what_cannot_be_understood_is_one_line(description: str, words: str, tls_files: TLSFiles) -> None:
    text = description.format(key=tls_files.key, certificate=tls_files.certificate)
    with pytest.raises(ListenError) as refused:
        described_places(reactor, "LISTEN", ["tcp:1", text])
    assert str(refused.value).startswith(f"LISTEN: {text!r} ") and words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("description", "place"),
    [
        ("tcp:16018", ("0.0.0.0", 16018)),
        ("tcp6:16018", ("::", 16018)),
        ("tcp:port=16018:interface=127.0.0.1", ("127.0.0.1", 16018)),
        ("mtls:16018:interface=\\:\\:1", ("::1", 16018)),
        ("systemd:domain=INET:index=0", None),
        ("unix:/run/bssci", None),
        ("tcp:x", None),
    ],
)
def test_what_is_known_of_a_place_before_it_is_opened(
    description: str, place: tuple[str, int] | None
) -> None:
    assert host_and_port(description) == place


@pytest.fixture
def inherited(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket that listens, handed over as systemd hands it over."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "bssci.socket"}
        given = ListenFDs.fromEnvironment(environ, os.dup(listening.fileno()))
        monkeypatch.setattr("twisted.internet.endpoints._SystemdParser._sddaemon", given)
        yield listening


class Greeter(Protocol):
    def connectionMade(self) -> None:
        self.transport.write(b"hello")
        self.transport.loseConnection()


class Listener(Protocol):
    def __init__(self) -> None:
        self.heard = b""
        self.lost: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(self.heard)


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_a_socket_of_systemd_is_served(inherited: socket.socket) -> None:
    assert described_places(None, "LISTEN", ["systemd:domain=INET:index=0"]) == []
    [place] = described_places(reactor, "LISTEN", ["systemd:domain=INET:index=0"])
    assert isinstance(place.endpoint, AdoptedStreamServerEndpoint)
    port = await place.listen(Factory.forProtocol(Greeter))
    try:
        where = TCP4ClientEndpoint(reactor, "127.0.0.1", inherited.getsockname()[1])
        client = await connectProtocol(where, Listener())
        assert await client.lost == b"hello"
    finally:
        await port.stopListening()


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_mtls_serves_who_has_a_certificate_and_nobody_else(tls_files: TLSFiles) -> None:
    files = f"certificate={tls_files.certificate}:key={tls_files.key}:authorities={tls_files.ca}"
    endpoint = serverFromString(reactor, f"mtls:0:interface=127.0.0.1:{files}")
    port = await endpoint.listen(Factory.forProtocol(Greeter))
    try:
        bundle = tls_files.station_bundle()
        pem = (bundle / "station_key.pem").read_bytes() + (bundle / "station_cert.pem").read_bytes()
        known = ssl.PrivateCertificate.loadPEM(pem)
        authority = ssl.Certificate.loadPEM(tls_files.ca.read_bytes())
        for identity, heard in ((known, b"hello"), (None, b"")):
            options = ssl.optionsForClientTLS("localhost", trustRoot=authority, clientCertificate=identity)
            where = SSL4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port, options)
            client = await connectProtocol(where, Listener())
            assert await client.lost == heard
    finally:
        await port.stopListening()
    # Nobody looks at the certificate files any more.
    assert not [call for call in reactor.getDelayedCalls() if isinstance(call.func, LoopingCall)]


def test_mtls_watches_its_files_while_a_port_is_open(tls_files: TLSFiles) -> None:
    clock = MemoryReactorClock()
    files = f"certificate={tls_files.certificate}:key={tls_files.key}:authorities={tls_files.ca}"
    [port] = listened_to(serverFromString(clock, f"mtls:0:{files}"))
    factory = clock.tcpServers[0][1]
    factory.doStart()
    assert len(clock.getDelayedCalls()) == 1
    factory.doStop()
    assert clock.getDelayedCalls() == []


def test_files_that_cannot_be_used_fail_the_deferred(tmp_path: Path) -> None:
    files = ":".join(f"{name}={tmp_path / 'none.pem'}" for name in ("certificate", "key", "authorities"))
    [failure] = listened_to(serverFromString(MemoryReactorClock(), f"mtls:0:{files}"))
    assert failure.check(CertificateError) and "none.pem" in failure.getErrorMessage()


def listened_to(endpoint: MutualTLSEndpoint) -> list[Any]:
    """Listen without a socket; return the port, or why it is not to be had."""
    outcome: list[Any] = []
    endpoint.listen(Factory.forProtocol(Greeter)).addBoth(outcome.append)
    return outcome


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_mtls_without_files_is_for_the_service_only() -> None:
    with pytest.raises(ListenError, match="needs certificate=, key= and authorities="):
        await serverFromString(reactor, "mtls:0").listen(Factory.forProtocol(Greeter))


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_a_place_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        [described] = described_places(reactor, "LISTEN", [f"tcp:{number}:interface=127.0.0.1"])
        simple = simple_place(reactor, "WEB_PORT", "WEB_HOST", "127.0.0.1", number)
        for place, words in (
            (
                described,
                f"LISTEN: cannot listen on tcp:{number}:interface=127.0.0.1 (Address already in use);",
            ),
            (simple, f"WEB_PORT={number}: cannot listen on WEB_HOST=127.0.0.1 (Address already in use);"),
        ):
            with pytest.raises(ListenError) as refused:
                await place.listen(Factory.forProtocol(Greeter))
            assert str(refused.value).startswith(words)
