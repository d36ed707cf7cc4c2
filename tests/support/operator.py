"""Somebody who publishes requests on a broker and reads the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from tests.support.service import until

ANSWERS = ("response", "status", "warning", "error", "dl/status", "dl/reception", "ul")


class Operator:
    """:ivar heard: topic without its first part, and payload, in order."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._client = MqttClient(
            reactor,
            MqttSettings(host="127.0.0.1", port=port, client_id=f"operator-{port}"),
            on_online=lambda: None,
            on_offline=lambda reason: None,
            on_message=lambda message: self.heard.append(
                (message.topic.removeprefix("mioty/"), json.loads(message.payload))
            ),
        )
        self._client.subscribe([f"mioty/ep/+/{kind}" for kind in ANSWERS])
        self._client.subscribe(["mioty/config/response", "mioty/service/status"])
        self._client.start()

    async def online(self) -> None:
        """Wait until the service is there, and listens: it has answered."""
        await until(lambda: self._client.online)
        asked = 0
        while not self.on("config/response"):
            await self.ask("mioty/config/get", {"ref": f"hello {asked}"})
            asked += 1
            try:
                await until(lambda: bool(self.on("config/response")), 0.5)
            except AssertionError:
                continue

    def ask(self, topic: str, request: object, *, retain: bool = False) -> Deferred[None]:
        """Publish a request: text as it is, anything else as JSON."""
        text = request if isinstance(request, (str, bytes)) else json.dumps(request)
        payload = text.encode() if isinstance(text, str) else text
        return self._client.publish([Publication(topic, payload, retain=retain)])

    def on(self, topic: str) -> list[dict[str, Any]]:
        """Payloads on a topic, oldest first."""
        return [payload for name, payload in self.heard if name == topic]

    async def answer(self, eui: str, ref: object, status: str = "done") -> dict[str, Any]:
        """Wait for the end of a request; what was answered."""

        def answers() -> list[dict[str, Any]]:
            return [each for each in self.on(f"ep/{eui}/response") if each.get("ref") == ref]

        await until(lambda: any(each["status"] in ("done", "failed") for each in answers()))
        last = answers()[-1]
        assert last["status"] == status, last
        return last

    def stop(self) -> Deferred[None]:
        return self._client.stop(0.5)


@pytest.fixture
def make_operator() -> Iterator[Callable[[int], Operator]]:
    """Somebody at a broker's port."""
    operators: list[Operator] = []

    def come(port: int) -> Operator:
        operators.append(Operator(port))
        return operators[-1]

    yield come
    pytest_twisted.blockon(gatherResults([operator.stop() for operator in operators]))
