"""The settings of the sink ``mqtt``."""

from __future__ import annotations

from bssci.mqtt.settings import broker_group
from bssci.settings import parsers
from bssci.settings.rows import Setting

PREFIX = "MQTT_"
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
            "a last will tells that the service is gone; false for a broker that allows none",
            live=True,
        ),
        Setting(
            "MQTT_CONFIRM",
            "true",
            parsers.boolean,
            "deliver only once the broker has sent back what was published; false where we may not subscribe",
            live=True,
        ),
    ),
    lambda values: {"base_topic": values["BASE_TOPIC"]},
)
NAMES = tuple(row.name for row in GROUP)
LIVE = tuple(row.name for row in GROUP if row.live)
