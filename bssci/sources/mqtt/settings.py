"""The settings of the source ``mqtt``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bssci.mqtt.from_settings import EMBEDDED, connection_settings
from bssci.mqtt.settings import broker_group
from bssci.mqtt.values import MqttSettings
from bssci.settings import parsers
from bssci.settings.groups import Values
from bssci.settings.parsers import Parser
from bssci.settings.rows import Origin, Setting, SettingsError
from bssci.sources.envelopes.rules import parse_rules, write_rules

PREFIX = "SOURCE_MQTT_"
TOPICS = "bt-mqtt/raw/#,bt-mqtt/scanner/+/status,cmnd/#,stat/#,tele/#"
LONGEST_FILTER = 500


def _filters(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not found or not all(map(_is_filter, found)):
        raise ValueError
    return found


def _is_filter(text: str) -> bool:
    levels = text.split("/")
    return (
        len(text) <= LONGEST_FILTER
        and text.isprintable()
        and all(level in ("+", "#") or not {"+", "#"} & set(level) for level in levels)
        and "#" not in levels[:-1]
    )


def client_settings(values: Values, default_client_id: str = "") -> MqttSettings:
    """Return the settings of the source's connection.

    :param default_client_id: client identifier at the broker, unless one is set.
    """
    # The source always subscribes with QoS 1: unacknowledged messages are delivered again.
    settings = connection_settings({**values, f"{PREFIX}QOS": 1}, PREFIX)
    return replace(settings, client_id=settings.client_id or default_client_id)


def _tries(values: Values) -> MqttSettings:
    # With the source's own identifier, a trial would disconnect a running service.
    return replace(client_settings(values), client_id="")


_broker = broker_group(
    "Source mqtt",
    PREFIX,
    ("SOURCES", "mqtt"),
    (
        Setting(
            "SOURCE_MQTT_TOPICS",
            TOPICS,
            Parser(_filters, "MQTT topic filters, separated by commas"),
            "topics that are subscribed to",
            live=True,
        ),
        Setting(
            "SOURCE_MQTT_RULES",
            "",
            Parser(parse_rules, "", write_rules),
            "devices with a JSON topic of their own, as a JSON list of rules: docs/sources.md",
            live=True,
        ),
        Setting(
            "SOURCE_MQTT_TIMEZONE",
            "UTC",
            parsers.zone,
            "time zone of times without one, in controllers' messages and rules: Europe/Berlin",
            live=True,
        ),
    ),
    lambda values: {"topics": list(values["SOURCE_MQTT_TOPICS"])},
    _tries,
)


def _check(values: Values, origins: Mapping[str, Origin]) -> Iterator[str]:
    yield from _broker.check(values, origins)
    ours = "mqtt" in values["SINKS"] and values.get("MQTT_BROKER") == EMBEDDED
    if "mqtt" not in values["SOURCES"] or values["SOURCE_MQTT_BROKER"] != EMBEDDED:
        return
    if not ours:
        raise SettingsError(
            f"SOURCE_MQTT_BROKER='{EMBEDDED}' ({origins['SOURCE_MQTT_BROKER']}): needs the sink mqtt with"
            f" MQTT_BROKER={EMBEDDED}, which starts that broker"
        )
    if values["SOURCE_MQTT_PORT"] != values["MQTT_PORT"]:
        raise SettingsError(
            f"SOURCE_MQTT_PORT={values['SOURCE_MQTT_PORT']} ({origins['SOURCE_MQTT_PORT']}): the embedded"
            f" broker listens on MQTT_PORT={values['MQTT_PORT']}; set the same port"
        )


def _certificates(values: Values) -> Mapping[str, Path]:
    certificate = values["SOURCE_MQTT_CERT_FILE"]
    return {"MQTT source": certificate} if values["SOURCE_MQTT_TLS"] and certificate else {}


GROUP = replace(
    _broker,
    rows=tuple(row for row in _broker.rows if row.name != "SOURCE_MQTT_QOS"),
    check=_check,
    # The embedded broker is started by the sink, with the sink's listeners.
    places=lambda values: (),
    certificates=_certificates,
)
NAMES = tuple(row.name for row in GROUP)
