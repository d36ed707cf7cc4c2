from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from bssci.cli.ports import listening_problems, listens, reachable
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
def test_who_listens_is_known_without_a_connection(taken: int) -> None:
    assert listens(os.getpid(), taken)
    assert not listens(os.getppid(), taken)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        assert not listens(os.getpid(), other.getsockname()[1])
    assert not listens(0, taken)
