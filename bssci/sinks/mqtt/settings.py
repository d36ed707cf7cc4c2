"""The settings of the sink ``mqtt``."""

from __future__ import annotations

from dataclasses import replace

from bssci.mqtt.from_settings import connection_settings
from bssci.mqtt.settings import broker_group
from bssci.mqtt.values import MqttSettings
from bssci.settings import parsers
from bssci.settings.groups import Values
from bssci.settings.rows import Setting

PREFIX = "MQTT_"
OFFLINE = b'{"state":"offline"}'
"""payload of the will of a trial connection"""


def client_settings(values: Values, eui: str = "", will: bytes = OFFLINE) -> MqttSettings:
    """Return the settings of the sink's connection.

    :param eui: the service center's own; empty if it is not known, as before the first start.
    :param will: what the broker publishes on ``service/status`` if the connection is lost.
    """
    settings = connection_settings(values, PREFIX)
    topic = f"{values['BASE_TOPIC']}/service/status"
    return replace(
        settings,
        client_id=settings.client_id or (f"bssci-{eui}" if eui else ""),
        will=(topic, will) if values["MQTT_WILL"] else None,
        retained_will=values["MQTT_RETAIN"],
    )


def _connects(values: Values) -> MqttSettings:
    return client_settings(values, values["SC_EUI"] or "")


GROUP = broker_group(
    "MQTT",
    PREFIX,
    ("SINKS", "mqtt"),
    (
        Setting(
            "BASE_TOPIC",
            "mioty",
            parsers.topic,
            "first part of every MQTT topic; a trailing / is ignored",
        ),
        Setting(
            "MQTT_PROFILE",
            "native",
            parsers.choice("native", "acmqtti"),
            "layout of uplinks; acmqtti: as a mioty application center has it, also for downlinks",
            live=True,
        ),
        Setting(
            "MQTT_HOMEASSISTANT",
            "false",
            parsers.boolean,
            "announce sensors to Home Assistant, which then discovers them",
            live=True,
        ),
        Setting(
            "MQTT_HOMEASSISTANT_PREFIX",
            "homeassistant",
            parsers.topic,
            "first part of the topics on which Home Assistant looks for devices",
            live=True,
        ),
        Setting(
            "MQTT_RETAIN",
            "true",
            parsers.boolean,
            "states are published retained; false for a broker that allows no retained messages",
            live=True,
        ),
        Setting(
            "MQTT_WILL",
            "true",
            parsers.boolean,
            "a last will reports when the service is gone; false for a broker that allows none",
            live=True,
        ),
        Setting(
            "MQTT_CONFIRM",
            "true",
            parsers.boolean,
            "deliver only once the broker has sent back what was published; false if we may not subscribe",
            live=True,
        ),
    ),
    lambda values: {"base_topic": values["BASE_TOPIC"]},
    _connects,
)
NAMES = tuple(row.name for row in GROUP)
LIVE = tuple(row.name for row in GROUP if row.live)
