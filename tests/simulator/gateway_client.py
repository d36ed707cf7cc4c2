"""Stands for the MQTT client of a simulated scanner or controller."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from bssci.mqtt.values import MqttSettings, Publication, Received


class Client:
    """Is online as soon as it is started, unless ``absent`` says that the broker is away."""

    absent = False
    made: list[Client] = []

    def __init__(self, reactor: Any, settings: MqttSettings, **callbacks: Any) -> None:
        self.settings = settings
        self.callbacks = callbacks
        self.online = False
        self.trouble = ""
        self.topics: list[str] = []
        self.published: list[Publication] = []
        self.history = SimpleNamespace(reconnects=0)
        self.made.append(self)

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics += topics

    def start(self) -> None:
        if self.absent:
            self.trouble = "not connected to broker:1883: connection refused"
            return
        self.online = True
        self.callbacks["on_online"]()

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self.published += messages
        return succeed(None)

    def stop(self, deadline: float, last: Publication | None = None) -> Deferred[None]:
        self.published += [last] if last is not None else []
        self.online = False
        return succeed(None)

    def hear(self, topic: str, payload: bytes, **how: Any) -> None:
        self.callbacks["on_message"](Received(topic, payload, **how))

    def said(self, topic: str) -> list[dict[str, Any]]:
        """Return what was published on topics that begin so."""
        return [json.loads(each.payload) for each in self.published if each.topic.startswith(topic)]
