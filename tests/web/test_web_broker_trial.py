"""A broker is tried with a connection of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bssci.settings import Settings, load
from bssci.web import broker_trial
from bssci.web.broker_trial import try_broker
from tests.support.mosquitto import Mosquitto, mosquitto

__all__ = ["mosquitto"]


def settings_for(port: int, **more: str) -> Settings:
    options = {"mqtt-broker": "127.0.0.1", "mqtt-port": str(port), **more}
    return load(options, {}, Path("none"))[0]


@pytest.mark.parts
def test_nobody_there_is_said() -> None:
    with socket.socket() as taken:
        # Bound, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert try_broker(settings_for(port)) == f"127.0.0.1:{port}: Connection refused"


@pytest.mark.parts
@pytest.mark.mosquitto
def test_what_a_broker_says_is_told(mosquitto: Callable[..., Mosquitto]) -> None:  # noqa: F811
    port = mosquitto(users={"center": "right"}).port
    right = {"mqtt-username": "center", "mqtt-password": "right"}
    assert try_broker(settings_for(port, **right)) == ""
    refused = try_broker(settings_for(port, **right | {"mqtt-password": "wrong"}))
    assert refused == "the broker refuses: Not authorized"


@pytest.mark.parts
def test_the_embedded_broker_needs_its_package_and_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial, "find_spec", lambda name: object())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = settings_for(taken.getsockname()[1], **{"mqtt-broker": "embedded"})
        assert "cannot be used: Address already in use" in try_broker(settings)
    assert try_broker(settings) == ""
    monkeypatch.setattr(broker_trial, "find_spec", lambda name: None)
    assert "not installed" in try_broker(settings)
