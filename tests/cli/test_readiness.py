"""Whether the service that runs can do its work, as ``bssci check`` asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from bssci.cli.readiness import about_readiness
from tests.support.settings import settings_with

pytestmark = pytest.mark.parts


@contextmanager
def web_admin(status: int, body: bytes) -> Iterator[int]:
    """Answer ``/readyz``; yields the port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def found(status: int, body: bytes) -> list[tuple[str, str]]:
    with web_admin(status, body) as port:
        return [(each.level, each.message) for each in about_readiness(settings_with(web_port=port))]


def test_a_service_that_is_ready() -> None:
    assert found(200, b'{"ready": true, "journal": true, "listening": true, "sinks": {"mqtt": false}}') == [
        ("ok", "running service: can store, and base stations can connect")
    ]


def test_each_thing_that_keeps_it_from_its_work_is_an_error() -> None:
    (store, listen) = found(503, b'{"ready": false, "journal": false, "listening": false, "sinks": {}}')
    assert store[0] == listen[0] == "error"
    assert "cannot store" in store[1] and "`journal cannot store`" in store[1]
    assert "no base station can connect" in listen[1]


@pytest.mark.parametrize("body", [b"somebody else", b"[]", b"{}"])
def test_another_program_is_not_taken_for_the_service(body: bytes) -> None:
    ((level, message),) = found(200, body)
    assert level == "warning" and message.startswith("the running service cannot be asked")


def test_without_a_web_admin_there_is_nobody_to_ask() -> None:
    assert list(about_readiness(settings_with(web_port=0))) == []
