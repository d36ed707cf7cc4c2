"""Somebody who listens to what a service says on a broker."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from bssci.mqtt.client import MqttClient, MqttSettings, Publication
from bssci.mqtt.values import Received
from tests.support.service import until


class Subscriber:
    """Somebody who listens to everything that a service says on a broker.

    :param topics: what is listened to; all of the service's if none is named.
    :ivar messages: topic without its first part, payload, whether it was retained; in order.
    """

    def __init__(self, port: int, *topics: str) -> None:
        self.messages: list[tuple[str, dict[str, Any], bool]] = []
        self._client = MqttClient(
            reactor,
            MqttSettings(host="127.0.0.1", port=port, client_id=f"listener-{port}"),
            on_online=lambda: None,
            on_offline=lambda reason: None,
            on_message=self._take,
        )
        self._client.subscribe(list(topics) or ["mioty/#"])
        self._client.start()

    async def online(self) -> None:
        """Wait until nothing is missed any more: what is published from here on comes back."""
        await until(lambda: self._client.online)
        self._client.publish([Publication("mioty/listener", b"{}")])
        await until(lambda: bool(self.on("listener")))

    def _take(self, message: Received) -> None:
        topic = message.topic.removeprefix("mioty/")
        # An empty one clears what was retained.
        self.messages.append((topic, json.loads(message.payload or b"{}"), message.retained))

    def on(self, topic: str) -> list[dict[str, Any]]:
        """Payloads that came on a topic, oldest first."""
        return [payload for name, payload, _ in self.messages if name == topic]

    def uplinks(self, sensor: int) -> list[dict[str, Any]]:
        return self.on(f"ep/{sensor:016X}/ul")

    def stop(self) -> Deferred[None]:
        return self._client.stop(0.5)
