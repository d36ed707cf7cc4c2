"""Requests over real sockets: answers of every kind, and none."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor, ssl
from twisted.internet.defer import CancelledError, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from bssci.sinks.answer_bound import ANSWER_READ
from bssci.sinks.http_post import BODY_KEPT, NoAnswer, Poster, ReceiverAnswer, make_poster, parse_target
from tests.support.tls import Authority

parts = pytest.mark.parts
LIMIT = 0.5
"""s that a request may take where the test waits for the end of it"""


@pytest.mark.parametrize(
    ("url", "uri", "origin", "user"),
    [
        ("http://example.org", b"http://example.org/", "http://example.org", None),
        (" https://a.b:8443/c/d?e=f#g ", b"https://a.b:8443/c/d?e=f", "https://a.b:8443", None),
        ("https://u%40x:p%2F@a.b/", b"https://a.b/", "https://a.b", ("u@x", "p/")),
        ("https://u@a.b/", b"https://a.b/", "https://a.b", ("u", "")),
        ("http://[::1]:80/x", b"http://[::1]:80/x", "http://[::1]:80", None),
        ("https://bücher.example/", b"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example", None),
    ],
)
def test_a_url_is_taken_apart(url: str, uri: bytes, origin: str, user: Any) -> None:
    target = parse_target(url)
    assert (target.uri, target.origin, target.user) == (uri, origin, user)


@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "ftp://a/s3cret",
        "https:///s3cret",
        "http://a:99999/s3cret",
        "http://a:0/s3cret",
        "http://[::1/s3cret",
        "http://a/s3cret\r\nX: y",
        "http://a b/s3cret",
        "http://a/s3cret/ü",
        "http://a/s3cret" + "x" * 2000,
    ],
)
def test_a_wrong_url_is_refused_without_telling_it(url: str) -> None:
    with pytest.raises(ValueError, match="allowed is") as refused:
        parse_target(url)
    assert "s3cret" not in str(refused.value)


class Page(Resource):
    """Does with a request what it was given."""

    isLeaf = True

    def __init__(self, serve: Callable[[Any], Any]) -> None:
        super().__init__()
        self._serve = serve
        self.seen: list[Any] = []

    def render_POST(self, request: Any) -> Any:
        self.seen.append((request.path, request.content.read(), request.getHeader("x-test")))
        return self._serve(request)


class Server:
    """Web servers that end with the test."""

    def __init__(self) -> None:
        self._ports: list[Any] = []
        self._posters: list[Poster] = []
        self.connections = 0

    def serve(self, page: Page, context: Any = None) -> int:
        site = Site(page)
        site.noisy = False
        build = site.buildProtocol

        def count(address: Any) -> Any:
            self.connections += 1
            return build(address)

        site.buildProtocol = count
        return self.listen(site, context)

    def listen(self, factory: Any, context: Any = None) -> int:
        factory.noisy = False
        if context is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        self._ports.append(port)
        return port.getHost().port

    def poster(self, url: str, ca_file: Path | None = None, timeout: float = 10.0) -> Poster:
        self._posters.append(make_poster(reactor, parse_target(url), timeout, ca_file, "CA"))
        return self._posters[-1]

    async def close(self) -> None:
        for poster in self._posters:
            await poster.close()
        for port in self._ports:
            await port.stopListening()


@pytest_twisted.async_yield_fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    yield server
    await server.close()


class OldServer(Protocol):
    """Speaks HTTP/1.0, whose connections serve one request."""

    connections = 0

    def connectionMade(self) -> None:
        OldServer.connections += 1
        self._seen = b""

    def dataReceived(self, data: bytes) -> None:
        self._seen += data
        if self._seen.endswith(b"body"):
            self.transport.write(b"HTTP/1.0 204 No Content\r\n\r\n")


@parts
async def test_a_connection_of_http_1_0_is_not_used_twice(server: Server) -> None:
    OldServer.connections = 0
    poster = server.poster(f"http://127.0.0.1:{server.listen(Factory.forProtocol(OldServer))}/in")
    for _ in range(3):
        assert (await poster.post({}, b"body")).status == 204
    assert OldServer.connections == 3


@parts
async def test_a_request_and_its_answer_on_one_connection(server: Server) -> None:
    def serve(request: Any) -> bytes:
        request.setResponseCode(202)
        request.setHeader("Retry-After", "7")
        return b"thanks"

    page = Page(serve)
    poster = server.poster(f"http://127.0.0.1:{server.serve(page)}/in?a=b")
    for _ in range(3):
        assert await poster.post({"X-Test": "t"}, b"body") == ReceiverAnswer(202, "7", "thanks")
    assert page.seen == [(b"/in", b"body", "t")] * 3
    assert server.connections == 1


@parts
async def test_a_redirect_is_not_followed(server: Server) -> None:
    elsewhere = Page(lambda request: b"")
    place = f"http://127.0.0.1:{server.serve(elsewhere)}/"

    def serve(request: Any) -> bytes:
        request.redirect(place.encode())
        return b""

    poster = server.poster(f"http://127.0.0.1:{server.serve(Page(serve))}/")
    assert (await poster.post({}, b"")).status == 302
    assert elsewhere.seen == []


@parts
async def test_a_header_may_hold_any_bytes(server: Server) -> None:
    def serve(request: Any) -> bytes:
        request.setResponseCode(429)
        request.responseHeaders.setRawHeaders(b"Retry-After", [b"\xff7"])
        return b"\xfe"

    poster = server.poster(f"http://127.0.0.1:{server.serve(Page(serve))}/in")
    assert await poster.post({}, b"body") == ReceiverAnswer(429, "\ufffd7", "\ufffd")


@parts
async def test_an_answer_without_end_is_cut(server: Server) -> None:
    def serve(request: Any) -> Any:
        def more() -> None:
            if not request._disconnected:
                request.write(b"x" * 60_000)
                reactor.callLater(0, more)

        request.notifyFinish().addErrback(lambda failure: None)
        more()
        return NOT_DONE_YET

    poster = server.poster(f"http://127.0.0.1:{server.serve(Page(serve))}/")
    assert await poster.post({}, b"") == ReceiverAnswer(200, "", "x" * BODY_KEPT)


@parts
@pytest.mark.parametrize("begins", [False, True])
async def test_the_time_of_an_answer_is_bounded(server: Server, begins: bool) -> None:
    def serve(request: Any) -> Any:
        request.notifyFinish().addErrback(lambda failure: None)
        if begins:
            request.write(b"x")
        return NOT_DONE_YET

    poster = server.poster(f"http://127.0.0.1:{server.serve(Page(serve))}/s3cret", timeout=LIMIT)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"^http://127\.0\.0\.1:\d+: no answer within 0\.5 s$"):
        await poster.post({}, b"")
    assert time.monotonic() - began < LIMIT * 10


@parts
async def test_a_request_can_be_cancelled(server: Server) -> None:
    def serve(request: Any) -> Any:
        request.notifyFinish().addErrback(lambda failure: None)
        return NOT_DONE_YET

    page = Page(serve)
    poster = server.poster(f"http://127.0.0.1:{server.serve(page)}/")
    posted = ensureDeferred(poster.post({}, b""))
    while not page.seen:
        await deferLater(reactor, 0.001)
    posted.cancel()
    with pytest.raises(CancelledError):
        await posted


@parts
async def test_nobody_there(server: Server) -> None:
    port = server.listen(Factory.forProtocol(Protocol))
    await server._ports.pop().stopListening()
    with pytest.raises(NoAnswer, match=r"^http://127\.0\.0\.1:\d+: connection refused$"):
        await server.poster(f"http://user:pw@127.0.0.1:{port}/s3cret").post({}, b"")


@parts
async def test_a_connection_that_is_closed(server: Server) -> None:
    class Closes(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.loseConnection()

    port = server.listen(Factory.forProtocol(Closes))
    with pytest.raises(NoAnswer, match="the connection was closed before there was an answer"):
        await server.poster(f"http://127.0.0.1:{port}/").post({}, b"")


@parts
async def test_who_speaks_no_http(server: Server) -> None:
    class Babbles(Protocol):
        def connectionMade(self) -> None:
            self.transport.write(b"220 mail ready\r\n\r\n")

    port = server.listen(Factory.forProtocol(Babbles))
    with pytest.raises(NoAnswer, match="its answer is not HTTP$"):
        await server.poster(f"http://127.0.0.1:{port}/").post({}, b"")


@parts
@pytest.mark.parametrize("line", [b"X-More: " + b"y" * 1000 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_headers_without_end_are_cut(server: Server, line: bytes) -> None:
    class NeverEnds(Protocol):
        def dataReceived(self, data: bytes) -> None:
            if not line.startswith(b"HTTP"):
                self.transport.write(b"HTTP/1.1 200 OK\r\n")
            self.transport.write(line * (2 * ANSWER_READ // len(line)))

    port = server.listen(Factory.forProtocol(NeverEnds))
    with pytest.raises(NoAnswer, match="its answer is too long$"):
        await server.poster(f"http://127.0.0.1:{port}/").post({}, b"")


def tls_server(folder: Path, **issued: Any) -> tuple[Any, Path]:
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("server", folder / "cert.pem", folder / "key.pem", **issued)
    context = ssl.DefaultOpenSSLContextFactory(str(folder / "key.pem"), str(folder / "cert.pem"))
    return context, folder / "ca_cert.pem"


@parts
async def test_a_certificate_is_verified(server: Server, tmp_path: Path) -> None:
    context, ca_file = tls_server(tmp_path / "a", server=True)
    url = f"https://127.0.0.1:{server.serve(Page(lambda request: b''), context)}/"
    assert (await server.poster(url, ca_file).post({}, b"")).status == 200
    _, other = tls_server(tmp_path / "b", server=True)
    for wrong in (None, other):
        with pytest.raises(NoAnswer, match="TLS: .*certificate"):
            await server.poster(url, wrong).post({}, b"")


@parts
async def test_a_certificate_of_another_host_is_refused(server: Server, tmp_path: Path) -> None:
    context, ca_file = tls_server(tmp_path / "a", host="elsewhere.example")
    url = f"https://127.0.0.1:{server.serve(Page(lambda request: b''), context)}/"
    with pytest.raises(NoAnswer, match="its certificate is for another host name"):
        await server.poster(url, ca_file).post({}, b"")
    context, ca_file = tls_server(tmp_path / "b")
    url = f"https://127.0.0.1:{server.serve(Page(lambda request: b''), context)}/"
    with pytest.raises(NoAnswer, match="its certificate names no host: it needs a subjectAltName"):
        await server.poster(url, ca_file).post({}, b"")


@parts
async def test_a_proxy_of_the_environment_is_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    poster = server.poster(f"http://127.0.0.1:{server.serve(Page(lambda request: b''))}/")
    assert (await poster.post({}, b"")).status == 200
