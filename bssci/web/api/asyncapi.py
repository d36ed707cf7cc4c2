"""``/api/asyncapi.json``: every topic of the broker and of the live stream, from the types of their payloads.

An AsyncAPI 3 document says ``send`` where the service publishes and ``receive`` where it listens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, NamedTuple

import msgspec

from bssci.mqtt.payload_types import PUBLISHED
from bssci.mqtt.request_types import REQUESTS
from bssci.web.door.payload_types import DOOR_PAYLOADS

REFERENCE = "#/components/schemas/{name}"
VERSION = "3.0.0"
"""version of AsyncAPI"""
PAYLOADS: Mapping[str, Any] = {**PUBLISHED, **REQUESTS, **DOOR_PAYLOADS}
"""types of all payloads by the names of their schemas"""
_BROKER, _DOOR = "broker", "live"
_BOTH = (_BROKER, _DOOR)
_PARAMETER = re.compile(r"\{(\w+)\}")


class DocumentedTopic(NamedTuple):
    """A topic, its payload and who publishes on it."""

    address: str
    """topic; BASE stands for BASE_TOPIC"""
    schema: str
    """name of the payload's schema"""
    summary: str
    servers: tuple[str, ...] = (_BROKER,)
    retained: bool = False


SENT: tuple[DocumentedTopic, ...] = (
    DocumentedTopic("BASE/ep/{eui}/ul", "uplink", "An uplink of a sensor", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/status", "sensor-status", "A sensor was attached or detached", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/warning", "sensor-warning", "A sensor is silent", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/error", "sensor-error", "Something went wrong outside a request", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/response", "response", "The answer to a request", _BOTH),
    DocumentedTopic("BASE/EP/{eui}/response", "response", "The answer to an older command", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/dl/status", "downlink-status", "A downlink came to a new state", _BOTH),
    DocumentedTopic("BASE/ep/{eui}/dl/reception", "downlink-reception", "How well a sensor receives", _BOTH),
    DocumentedTopic("BASE/bs/{eui}", "station-status", "The status of a base station", _BOTH),
    DocumentedTopic(
        "BASE/bs/{eui}/state", "station-state", "A base station came or went", _BOTH, retained=True
    ),
    DocumentedTopic("BASE/bs/{eui}/vm/ul", "variable-mac-uplink", "A telegram of another MAC", _BOTH),
    DocumentedTopic(
        "BASE/bs/{eui}/vm/response", "variable-mac-response", "The answer to a request for a station", _BOTH
    ),
    DocumentedTopic(
        "BASE/device/{id}/ul", "telegram", "A message of a device that is no mioty sensor", _BOTH
    ),
    DocumentedTopic(
        "BASE/gateway/{kind}/{id}/state", "gateway-state", "A gateway came or went", _BOTH, retained=True
    ),
    DocumentedTopic("BASE/alarm/{id}", "alarm", "An alarm opened, changed or closed", _BOTH, retained=True),
    DocumentedTopic(
        "BASE/service/status", "service-status", "The service came or went", _BOTH, retained=True
    ),
    DocumentedTopic("BASE/health_check", "health-check", "Health of the service, every 60 s", _BOTH),
    DocumentedTopic(
        "BASE/config/response", "settings-response", "The answer to config/get and config/set", _BOTH
    ),
    DocumentedTopic("BASE/{center}/{dashed}/uplink", "acmqtti-uplink", "An uplink with MQTT_PROFILE=acmqtti"),
    DocumentedTopic(
        "{prefix}/{platform}/{node}/{value}/config",
        "homeassistant-config",
        "An announcement with MQTT_HOMEASSISTANT=true",
        retained=True,
    ),
    DocumentedTopic("device/{id}/telemetry/{name}", "telemetry", "A reading of a device", (_DOOR,)),
    DocumentedTopic("BASE/service/gap", "gap", "Messages that this client does not get", (_DOOR,)),
)
"""topics on which the service publishes"""
RECEIVED: tuple[DocumentedTopic, ...] = (
    DocumentedTopic("BASE/ep/{eui}/config", "sensor-config-request", "Add or change a sensor"),
    DocumentedTopic("BASE/ep/{eui}/cmd", "command-request", "A command for a sensor"),
    DocumentedTopic("BASE/ep/{eui}/dl", "downlink-request", "Send something to a sensor, or take it back"),
    DocumentedTopic(
        "BASE/{center}/{dashed}/downlink", "downlink-request", "The same with MQTT_PROFILE=acmqtti"
    ),
    DocumentedTopic("BASE/bs/{eui}/vm/cmd", "variable-mac-request", "A command for a base station"),
    DocumentedTopic("BASE/config/get", "settings-get-request", "Ask for settings"),
    DocumentedTopic("BASE/config/set", "settings-set-request", "Change settings"),
)
"""topics on which the service takes requests"""
_PARAMETERS: Mapping[str, dict[str, Any]] = {
    "eui": {"description": "EUI-64, 16 upper-case hexadecimal digits", "examples": ["70B3D56770110001"]},
    "id": {"description": "id of a device, a gateway or an alarm; in `ul` a slash in it begins a level"},
    "kind": {"description": "kind of gateway", "enum": ["scanner", "controller"]},
    "name": {"description": "name of the reading; `/ + # %` are written as in URLs"},
    "center": {"description": "EUI of the service center, with dashes, in lower case"},
    "dashed": {"description": "EUI of the sensor, with dashes, in lower case"},
    "prefix": {"description": "MQTT_HOMEASSISTANT_PREFIX", "default": "homeassistant"},
    "platform": {"description": "kind of entity", "enum": ["sensor", "binary_sensor"]},
    "node": {"description": "`bssci_` and the sensor's EUI"},
    "value": {"description": "name of the value"},
}


def schema_of(name: str) -> dict[str, Any]:
    """Return the self-contained JSON Schema of one payload.

    :raises KeyError: there is no such schema.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(PAYLOADS[name]),
    }


def asyncapi_document(version: str, base_topic: str, prefix: str = "") -> dict[str, Any]:
    """Return the AsyncAPI document.

    :param prefix: path under which a proxy shows the web admin.
    """
    found, schemas = msgspec.json.schema_components(PAYLOADS.values(), ref_template=REFERENCE)
    for each in schemas.values():
        if "description" in each:
            # Python 3.13 removes the indentation of docstrings, older versions do not.
            each["description"] = cleandoc(each["description"])
    payloads = dict(zip(PAYLOADS, found, strict=True))
    channels, operations = {}, {}
    for action, rows in (("send", SENT), ("receive", RECEIVED)):
        for row in rows:
            name = _channel_name(row)
            channels[name] = _channel(row, base_topic)
            operations[f"{action}_{name}"] = _operation(action, name, row)
    return {
        "asyncapi": VERSION,
        "id": "urn:bssci",
        "info": {
            "title": "bssci",
            "version": version,
            "description": "Messages of a mioty service center, at an MQTT broker and at its live stream. "
            "New fields may appear at any time: pass over what you do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": _servers(prefix),
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {name: _message(name, schema) for name, schema in payloads.items()},
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "userPassword", "description": "user name or password: a live token"},
                "account": {"type": "userPassword", "description": "MQTT_USERNAME, if the broker has one"},
            },
        },
    }


def _servers(prefix: str) -> dict[str, Any]:
    return {
        _BROKER: {
            "host": "{host}:{port}",
            "protocol": "mqtt",
            "protocolVersion": "3.1.1",
            "description": "The broker; MQTT 5 with MQTT_VERSION=5 or auto",
            "variables": {
                "host": {"default": "localhost", "description": "MQTT_BROKER"},
                "port": {"default": "1883", "description": "MQTT_PORT"},
            },
            "security": [{"$ref": "#/components/securitySchemes/account"}],
        },
        _DOOR: {
            "host": "{host}:{port}",
            "pathname": f"{prefix}/mqtt",
            "protocol": "wss",
            "description": "The live stream: MQTT 3.1.1 over WebSocket, subprotocol mqtt, read-only",
            "variables": {
                "host": {"default": "localhost", "description": "host of the web admin"},
                "port": {"default": "5000", "description": "WEB_PORT"},
            },
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        },
    }


def _channel_name(row: DocumentedTopic) -> str:
    """Return a channel's name without its parameters: ``ep_eui_ul``."""
    return "_".join(re.findall(r"\w+", row.address.removeprefix("BASE/")))


def _channel(row: DocumentedTopic, base_topic: str) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": row.address.replace("BASE", base_topic, 1),
        "summary": row.summary,
        "servers": [{"$ref": f"#/servers/{each}"} for each in row.servers],
        "messages": {row.schema: {"$ref": f"#/components/messages/{row.schema}"}},
    }
    names = _PARAMETER.findall(row.address)
    if names:
        channel["parameters"] = {name: dict(_PARAMETERS[name]) for name in names}
    return channel


def _operation(action: str, name: str, row: DocumentedTopic) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": row.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/{row.schema}"}],
        "bindings": {"mqtt": {"qos": 1, "retain": row.retained}},
    }
    return operation


def _message(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "contentType": "application/json", "payload": dict(schema)}
