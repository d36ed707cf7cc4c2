"""The edge: bodies, time, headers, paths that are not there."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from bssci.web.http import site
from bssci.web.http.proxies import TrustedProxies
from tests.support.web import SENSOR, Connection, WebHouse, parse


def test_a_large_body_is_refused_before_it_arrives(web: WebHouse) -> None:
    connection = Connection(web)
    connection.send(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
    answer = parse(connection.received)
    assert answer.status == 413
    assert answer.error == {
        "code": "too_large",
        "message": "body must have at most 65536 bytes",
        "field": "body",
    }


def test_a_client_may_send_its_body_to_the_end_before_it_reads_why_it_is_refused(web: WebHouse) -> None:
    connection = Connection(web)
    connection.send(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
    connection.send(b"x" * 199_999)
    assert not connection.transport.disconnecting, (
        "more of the body would reset the connection and its answer"
    )
    connection.send(b"x")
    assert connection.transport.disconnecting
    assert connection.received.count(b"HTTP/1.1") == 1


def test_of_a_refused_body_no_more_is_read_than_the_bound(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MAX_DISCARDED", 100_000)
    connection = Connection(web)
    connection.send(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
    connection.send(b"x" * 100_000)
    assert not connection.transport.disconnecting
    connection.send(b"x")
    assert connection.transport.disconnecting


def test_a_refused_body_that_never_ends_is_bounded_by_time(web: WebHouse) -> None:
    connection = Connection(web)
    connection.send(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n")
    web.advance(site.REQUEST_TIME + 1)
    assert connection.transport.aborted


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "Authorization", "X-CSRF-Token", "User-Agent", "X-Forwarded-For", "Accept", "Cookie"],
)
@pytest.mark.parametrize(
    ("path", "status"), [("/login", 200), ("/api/sensors", 401), ("/api/login", 405), ("/healthz", 200)]
)
def test_a_header_may_hold_any_bytes(web: WebHouse, name: str, path: str, status: int) -> None:
    connection = Connection(web)
    connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n{name}: ".encode() + b"Bearer \xff\xfe\r\n\r\n")
    assert parse(connection.received).status == status


@pytest.mark.parametrize("host", [b"\xff\xfe", b"x" * 5000, b"a..b", b"", b"[::1", b"a b"])
def test_a_host_may_be_called_anything(web: WebHouse, host: bytes) -> None:
    connection = Connection(web)
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert parse(connection.received).status == 200


@pytest.mark.parametrize("path", [b"/api/login", b"/not/there", b"/api/sensors/import"])
def test_a_body_without_a_length_is_refused_while_it_arrives(web: WebHouse, path: bytes) -> None:
    connection = Connection(web)
    connection.send(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    for _ in range(site.MAX_BODY // 0x4000):
        connection.send(chunk)
        assert not connection.received
    connection.send(chunk)
    assert parse(connection.received).status == 413
    connection.send(chunk)
    assert connection.received.count(b"HTTP/1.1") == 1


def test_who_is_logged_in_may_send_more(web: WebHouse) -> None:
    browser = web.browser("operator")
    body = b"[" + b" " * (site.MAX_BODY * 2) + b"]"
    assert browser.post("/api/sensors/import?dry_run=1", body).status == 200
    assert web.browser().post("/api/sensors/import?dry_run=1", body).status == 413


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", " Multipart/form-data; boundary=x", "multipart/mixed"]
)
def test_a_form_is_small_on_every_route(web: WebHouse, kind: str) -> None:
    body = b"a=&" * site.MAX_BODY
    answer = web.browser("operator").post("/api/sensors/import?dry_run=1", body, content_type=kind)
    assert answer.status == 413, "twisted reads 16 MB of fields in one turn of the reactor"
    assert answer.error["message"].endswith("65536 bytes if it is a form; send a file as the body itself")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/sensors", 1 << 16),
        (f"/api/sensors/{SENSOR}/downlink", 1 << 16),
        ("/api/config", 1 << 16),
        ("/api/not/there", 1 << 16),
        ("/api//sensors/import", 1 << 16),
        ("/api/sensors/bulk", 1 << 22),
        ("/api/certificates/upload/server", 1 << 21),
        ("/api/certificates/restore", 1 << 24),
        ("/api/sensors/import?dry_run=1", 1 << 24),
        ("/api/sensors/%69mport", 1 << 24),
    ],
)
def test_every_route_has_its_bound(web: WebHouse, path: str, limit: int) -> None:
    browser = web.browser("admin")
    for length, refused in ((limit, False), (limit + 1, True)):
        connection = Connection(web)
        connection.send(browser.request("POST", path, headers={"Content-Length": str(length)}))
        assert bool(connection.received) is refused
    assert parse(connection.received).status == 413
    assert f"{limit} bytes" in parse(connection.received).error["message"]


def test_the_bounds_are_described(web: WebHouse) -> None:
    paths = web.browser("viewer").get("/api/openapi.json").json()["paths"]
    assert paths["/api/sensors"]["post"]["requestBody"]["description"] == "At most 65536 bytes"
    assert paths["/api/sensors/import"]["post"]["requestBody"]["description"] == "At most 16777216 bytes"


def test_a_request_must_arrive_in_time(web: WebHouse) -> None:
    connection = Connection(web)
    connection.send(b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
    for _ in range(int(site.REQUEST_TIME // 10) + 1):
        connection.send(b"x")
        web.advance(10)
    assert connection.transport.aborted


def test_who_expects_tls_is_told_at_once_that_there_is_none(web: WebHouse) -> None:
    connection = Connection(web)
    connection.send(bytes.fromhex("160301020001 0001fc0303".replace(" ", "")))
    answer = parse(connection.received)
    assert (answer.status, answer.text) == (400, "There is no TLS on this port: its address is http://.\n")
    assert connection.transport.disconnecting


def test_an_idle_connection_is_closed(web: WebHouse) -> None:
    connection = Connection(web)
    web.advance(site.IDLE_TIME + 1)
    assert connection.transport.disconnecting or connection.transport.aborted


@pytest.mark.parametrize("path", ["/", "/api/sensors", "/not/there", "/api/not/there", "/healthz", "/login"])
def test_every_answer_has_the_headers_that_protect(web: WebHouse, path: str) -> None:
    headers = web.browser().get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers
    assert "Twisted" not in headers.get("server", "")


class _Factory(Factory):
    def buildProtocol(self, addr: Any) -> Protocol:
        return Protocol()


def connect(factory: site.LimitedFactory, host: str) -> Any:
    """The protocol of a connection; None: it was closed at once."""
    peer = IPv4Address("TCP", host, 1)
    protocol = factory.buildProtocol(peer)
    if protocol is not None:
        protocol.makeConnection(StringTransport(peerAddress=peer))
    return protocol


def limited(*trusted: str) -> site.LimitedFactory:
    return site.LimitedFactory(_Factory(), TrustedProxies(trusted))


def test_one_address_shuts_out_nobody_else() -> None:
    factory = limited()
    mine = [connect(factory, "192.0.2.1") for _ in range(site.MAX_OF_HOST)]
    assert all(mine) and connect(factory, "192.0.2.1") is None
    assert connect(factory, "192.0.2.2") is not None
    assert factory.refused == 1
    mine[0].connectionLost(Failure(ConnectionDone()))
    assert connect(factory, "192.0.2.1") is not None


def test_many_addresses_leave_room_for_one_more() -> None:
    factory = limited()
    for host in range(site.MAX_CONNECTIONS // site.MAX_OF_HOST):
        for _ in range(site.MAX_OF_HOST):
            assert connect(factory, f"192.0.2.{host}")
    assert connect(factory, "203.0.113.1") is not None
    assert connect(factory, "203.0.113.1") is None


def test_a_trusted_proxy_has_as_many_as_there_are() -> None:
    factory = limited("10.0.0.1")
    assert all(connect(factory, "10.0.0.1") for _ in range(site.MAX_CONNECTIONS))
    assert connect(factory, "10.0.0.1") is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(first: str, second: str, same: bool) -> None:
    one, other = (site.network_of(IPv4Address("TCP", host, 1)) for host in (first, second))
    assert (one == other) is same
