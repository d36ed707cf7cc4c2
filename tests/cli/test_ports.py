from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from bssci.cli.ports import listening_problems, reachable, tls_certificate
from bssci.settings.groups import ListeningAddress


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("a.example", "a.example")]
)
def test_a_server_on_all_addresses_is_reached_on_the_loopback(host: str, address: str) -> None:
    assert reachable(host) == address


@pytest.mark.parts
def test_a_taken_port_is_a_problem_of_its_setting(taken: int) -> None:
    ((setting, text),) = listening_problems([ListeningAddress("WEB_PORT", "WEB_HOST", "127.0.0.1", taken)])
    assert setting == "WEB_PORT"
    assert text.startswith(f"WEB_PORT: cannot listen on 127.0.0.1:{taken}: ")


@pytest.mark.parts
def test_a_server_without_tls_shows_no_certificate(taken: int) -> None:
    assert tls_certificate("127.0.0.1", taken, timeout=0.05) is None
