"""The web admin in memory: a real service center, a browser of a few lines, time that is moved."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.testing import StringTransport

from bssci.certificates import bundles
from bssci.certificates.checking import check_pair
from bssci.model import AnyEvent
from bssci.web.access.accounts import FILE_NAME, ROLES, Account, AccountFile
from bssci.web.outside import Outside
from bssci.web.service import WebAdmin
from tests.support import center
from tests.support.center import EPOCH, KEY, House
from tests.support.decoders import follow, outside_with_decoders

PASSWORD = "correct horse battery"
SENSOR = "70B3D56770110001"


def sensor_entry(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An entry of endpoints.json, of a sensor that can receive."""
    return center.sensor_entry(number, **({"bidi": True} | changes))


class _Hasher:
    """Fast, and just as right or wrong."""

    def hash(self, password: str) -> str:
        return f"hashed {password}"

    def verify(self, hashed: str, password: str) -> bool:
        from argon2.exceptions import VerifyMismatchError

        if hashed != f"hashed {password}":
            raise VerifyMismatchError
        return True


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.json()["error"]
        return answer


class _Transport(StringTransport):
    """With the methods of TCP that the site uses."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.disconnecting = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is nothing to delay."""


class Connection:
    """A client's connection to the site."""

    def __init__(self, house: WebHouse, address: str = "192.0.2.7") -> None:
        self.house = house
        self.transport = _Transport(peerAddress=IPv4Address("TCP", address, 40000))
        self.protocol = house.admin.site.buildProtocol(self.transport.getPeer())
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)
        self.house.settle()

    @property
    def received(self) -> bytes:
        return self.transport.value()

    def lose(self) -> None:
        from twisted.internet.error import ConnectionLost
        from twisted.python.failure import Failure

        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.house.settle()


class Browser:
    """Keeps cookies and the CSRF token.

    :ivar token: sent as ``Authorization: Bearer`` if it is not empty.
    """

    def __init__(self, house: WebHouse, address: str = "192.0.2.7") -> None:
        self.house = house
        self.address = address
        self.cookies: dict[str, str] = {}
        self.csrf = ""
        self.token = ""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """One request; a body that is not bytes goes as JSON."""
        connection = Connection(self.house, self.address)
        connection.send(self.request(method, path, body, headers=headers, content_type=content_type))
        answer = parse(connection.received)
        self.cookies.update(answer.cookies)
        connection.lose()
        return answer

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The bytes of a request."""
        lines = {"Host": "service.test", "Connection": "close"}
        if self.csrf and method not in ("GET", "HEAD"):
            lines["X-CSRF-Token"] = self.csrf
        if self.cookies:
            lines["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if self.token:
            lines["Authorization"] = f"Bearer {self.token}"
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines["Content-Type"] = content_type
        if body is not None or method in ("POST", "PUT", "DELETE"):
            lines["Content-Length"] = str(len(data))
        lines.update(headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return self.ask("POST", path, {} if body is None else body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> Answer:
        return self.ask("PATCH", path, body, **more)

    def delete(self, path: str, **more: Any) -> Answer:
        return self.ask("DELETE", path, **more)

    def log_in(self, name: str, password: str = PASSWORD) -> Answer:
        answer = self.post("/api/login", {"username": name, "password": password})
        if answer.status == 200:
            self.csrf = answer.json()["csrf"]
        return answer


def parse(data: bytes) -> Answer:
    """An answer's bytes."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            cookies[key] = rest.partition(";")[0]
        headers[name.lower()] = value
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return Answer(int(first.split()[1]), headers, body, cookies)


def _unchunked(data: bytes) -> bytes:
    parts = []
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            break
        parts.append(rest[:length])
        data = rest[length + 2 :]
    return b"".join(parts)


@cache
def _certificates() -> dict[str, bytes]:
    """Files of an authority and a server, made once: that takes longer than most tests."""
    now = datetime.fromtimestamp(EPOCH, UTC)
    with TemporaryDirectory() as directory:
        certs = Path(directory)
        list(bundles.make_authority(certs / "ca.pem", now))
        list(bundles.make_server(certs / "ca.pem", certs / "server.pem", certs / "server_key.pem", [], now))
        return {path.name: path.read_bytes() for path in certs.iterdir()}


def _check_pair(certificate: Path, key: Path, authority: Path, now: datetime, *others: Any) -> list[str]:
    """Check certificates, but for those that every house begins with: that takes longer than most tests."""
    found = {path.name: path.read_bytes() for path in authority.parent.iterdir() if path.is_file()}
    return [] if found == _certificates() else check_pair(certificate, key, authority, now, *others)


@cache
def _accounts() -> bytes:
    """A file with an account of each role, made once."""
    with TemporaryDirectory() as directory:
        file = AccountFile(Path(directory), lambda: EPOCH + 1000.0)
        for role in ROLES:
            file.add(role, role, PASSWORD)
        return file.path.read_bytes()


class WebHouse(House):
    """The service center and its web admin, on a clock and a journal that do what they are told."""

    def __init__(
        self, directory: Path, sensors: int = 1, outside: Outside | None = None, **options: str
    ) -> None:
        self.outside = outside or outside_with_decoders(directory / "decoders")
        state, certs = directory / "data", directory / "certs"
        for each, files in ((state, {FILE_NAME: _accounts()}), (certs, _certificates())):
            if not each.exists():
                each.mkdir(mode=0o700)
                for name, content in files.items():
                    (each / name).write_bytes(content)
                    (each / name).chmod(0o600)
        self.file = AccountFile(state, self.now)
        self.sensors_file = directory / "endpoints.json"
        self.configure(sensor_entry(number) for number in range(1, sensors + 1))
        super().__init__(directory, **options)

    def open(self) -> None:
        """Start as the service does."""
        with patch("bssci.center.service_center.deferToThread", maybeDeferred):
            super().open()
        self.outside = replace(
            self.outside, live_sessions=self.kept.live_sessions, station_ports=lambda: [16018]
        )
        if self.outside.decoders is not None:
            follow(self.outside.decoders, self.center.sensors)
        mqtt = {"queued": 3, "oldest_seconds": 1.5, "delivered": 10, "failed": 1, "failing": False}
        mqtt |= {"trouble": "", "warning": "", "rate": 0.5, "set_aside": 0, "set_aside_reason": ""}
        deliveries = self.center.deliveries
        deliveries.statistics = lambda: {"mqtt": mqtt}
        deliveries.delivering = lambda: {
            name: not each["failing"] for name, each in deliveries.statistics().items()
        }
        self.admin = WebAdmin(
            self.clock,
            self.center,
            self.configuration,
            self.outside,
            now=self.now,
            run_in_thread=maybeDeferred,
        )
        context = self.admin.context
        for part in (self.admin.sessions, context.figures, context.hub, context.feed, context.door):
            part.start()
        self.settle()

    def places(self) -> dict[str, str]:
        return super().places() | {
            "device-ca-file": str(self.directory / "certs" / "devices" / "ca_cert.pem"),
            "device-broker": "broker.example:8883",
        }

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def advance(self, seconds: float, step: float = math.inf) -> None:
        """Let time pass, at once."""
        super().advance(seconds, step)

    def happen(self, *events: AnyEvent) -> int:
        """Store events; the number of the first."""
        first = self.journal.events.last_seq + 1
        self.journal.events.append(list(events))
        self.settle()
        return first

    def browser(self, role: str | None = None, address: str = "192.0.2.7") -> Browser:
        """A browser, logged in with an account of that role."""
        browser = Browser(self, address)
        if role is not None:
            assert browser.log_in(role).status == 200
        return browser

    def account(self, name: str) -> Account:
        account = self.file.read().account(name)
        assert account is not None
        return account

    def audit(self) -> list[tuple[str, str, str]]:
        """(who, action, target), oldest first."""
        reading = self.journal.audit.read(before=None, limit=1000)
        self.settle()
        entries: list[Any] = []
        reading.addCallback(entries.extend)
        return [(each.who, each.action, each.target) for each in reversed(entries)]

    def close(self) -> None:
        self.admin.stop()
        super().close()


@contextmanager
def quick_parts() -> Iterator[None]:
    """Hash passwords and check certificates quickly."""
    with (
        patch("bssci.web.access.accounts.PasswordHasher", _Hasher),
        patch("bssci.certificates.store.check_pair", _check_pair),
    ):
        yield


@pytest.fixture
def make_web_house(tmp_path: Path, whole_service: None) -> Iterator[Callable[..., WebHouse]]:
    """Builds a :class:`WebHouse`."""
    houses: list[WebHouse] = []

    def make(**more: Any) -> WebHouse:
        houses.append(WebHouse(tmp_path, **more))
        return houses[-1]

    with quick_parts():
        yield make
        for house in houses:
            house.close()


@pytest.fixture
def web(make_web_house: Callable[..., WebHouse]) -> WebHouse:
    return make_web_house()


__all__ = ["EPOCH", "KEY", "Answer", "Browser", "Connection", "WebHouse", "make_web_house", "web"]
