"""The factory of the sink ``mqtt``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.mqtt.live import LiveFile
from bssci.mqtt.trial import live_path
from bssci.settings.trial import cannot_listen
from bssci.sinks.interfaces import ISinkFactory
from bssci.sinks.mqtt.own_broker import own_port
from bssci.sinks.mqtt.settings import GROUP, PREFIX
from bssci.sinks.mqtt.sink import MqttSink


@implementer(IPlugin, ISinkFactory)
class MqttSinkFactory:
    """Builds the one MQTT sink of a service."""

    name = "mqtt"
    description = "publishes uplinks and events on MQTT"
    settings = GROUP

    def build(self, settings: Mapping[str, Any], center: Any) -> MqttSink:
        from twisted.internet import reactor

        port = own_port(settings)
        if port is not None:
            _check_free(port)
        # None if the sink is only built to see whether that works.
        configuration = center.configuration
        live = None if configuration is None else LiveFile(live_path(configuration.current.values(), PREFIX))
        return MqttSink(reactor, settings, center, live)


def _check_free(port: int) -> None:
    reason = cannot_listen("127.0.0.1", port)
    if reason is not None:
        raise ValueError(
            f"MQTT_PORT={port}: the embedded broker cannot listen on 127.0.0.1 ({reason});"
            " set MQTT_PORT to a free port, or MQTT_BROKER to the broker that listens there"
        )
