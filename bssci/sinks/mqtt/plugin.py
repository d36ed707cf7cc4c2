"""The factory of the sink ``mqtt``."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.mqtt.trial import EMBEDDED
from bssci.sinks.interfaces import ISinkFactory
from bssci.sinks.mqtt.settings import GROUP
from bssci.sinks.mqtt.sink import MqttSink


@implementer(IPlugin, ISinkFactory)
class MqttSinkFactory:
    """Builds the one MQTT sink of a service."""

    name = "mqtt"
    description = "publishes uplinks and events on MQTT"
    settings = GROUP

    def build(self, settings: Mapping[str, Any], center: Any) -> MqttSink:
        from twisted.internet import reactor

        if settings["MQTT_BROKER"] == EMBEDDED:
            _check_free(settings["MQTT_PORT"])
        return MqttSink(reactor, settings, center)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(
                f"MQTT_PORT={port}: the embedded broker cannot listen on 127.0.0.1 ({error.strerror});"
                " set MQTT_PORT to a free port, or MQTT_BROKER to the broker that is there"
            ) from error
