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
    ),
    lambda values: {"base_topic": values["BASE_TOPIC"]},
)
NAMES = tuple(row.name for row in GROUP)
LIVE = tuple(row.name for row in GROUP if row.live)
