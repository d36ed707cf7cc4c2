"""On a real port: TLS, a port that is taken, and a client that never reads."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.task import LoopingCall
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    FileBodyProducer,
    HTTPConnectionPool,
)
from twisted.web.http_headers import Headers

from bssci.certificates.listening import ListenError
from bssci.certificates.reading import CertificateError
from bssci.certificates.server import ServerTLS, WebFiles
from bssci.web.http import site
from bssci.web.service import WebAdmin
from tests.support.web import PASSWORD, WebHouse

JSON = Headers({"Content-Type": ["application/json"]})


def admin_of(web: WebHouse) -> WebAdmin:
    return WebAdmin(reactor, web.center, web.configuration, now=web.now, run_in_thread=maybeDeferred)


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_tls_with_secure_cookies(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(**{"web-tls": "true", "web-port": "0"})
    admin = admin_of(web)
    await admin.listen()
    commits = LoopingCall(web.settle)
    commits.start(0.01)
    pool = HTTPConnectionPool(reactor, persistent=False)
    try:
        authority = Certificate.loadPEM((web.directory / "certs" / "ca.pem").read_bytes())
        policy = BrowserLikePolicyForHTTPS(trustRootFromCertificates([authority]))
        agent = Agent(reactor, policy, pool=pool)
        assert admin.url.startswith("https://127.0.0.1:")
        body = FileBodyProducer(BytesIO(f'{{"username": "viewer", "password": "{PASSWORD}"}}'.encode()))
        url = admin.url.replace("127.0.0.1", "localhost")
        answer: Any = await agent.request(b"POST", f"{url}api/login".encode(), JSON, body)
        assert answer.code == 200
        assert "; Secure" in answer.headers.getRawHeaders("set-cookie")[0]
        assert answer.headers.getRawHeaders("strict-transport-security")
    finally:
        await admin.stop()
        commits.stop()


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_a_taken_port_is_named(make_web_house: Callable[..., WebHouse]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        web = make_web_house(**{"web-port": str(port)})
        with pytest.raises(ListenError, match=f"WEB_PORT={port}: .*in use.*; set WEB_PORT to"):
            await admin_of(web).listen()


def test_files_that_are_no_pair_are_named(web: WebHouse) -> None:
    certs = web.directory / "certs"
    with pytest.raises(CertificateError, match="WEB_KEY_FILE and WEB_CERT_FILE"):
        WebFiles(certs / "ca.pem", certs / "server_key.pem").load(datetime.now(UTC), at_start=True)


def test_a_renewed_certificate_is_taken_and_a_wrong_one_is_not(web: WebHouse) -> None:
    certs = web.directory / "certs"
    tls = ServerTLS(web.clock, WebFiles(certs / "server.pem", certs / "server_key.pem"), maybeDeferred)
    first = tls._context
    assert web.browser("admin").post("/api/certificates/generate", {}).status == 200
    tls.check()
    second = tls._context
    assert second is not first
    (certs / "server.pem").write_text("rubbish")
    tls.check()
    assert tls._context is second


@pytest.mark.parts
@pytest_twisted.ensureDeferred
async def test_connections_are_bounded(
    make_web_house: Callable[..., WebHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MAX_CONNECTIONS", 2)
    admin = admin_of(make_web_house(**{"web-port": "0"}))
    await admin.listen()
    port = admin._ports[0].getHost().port
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
    try:
        for _ in range(20):
            await _turn()
        clients[2].settimeout(0.0)
        assert clients[2].recv(1) == b""
        for client in clients[:2]:
            client.settimeout(0.0)
            with pytest.raises(BlockingIOError):
                client.recv(1)
    finally:
        for client in clients:
            client.close()
        for _ in range(20):
            await _turn()
        await admin.stop()


def _turn() -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    reactor.callLater(0.001, turn.callback, None)
    return turn
