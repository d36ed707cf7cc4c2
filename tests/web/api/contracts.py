"""Payloads held against the JSON Schemas that are served, and nothing beside their fields allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema_rs

from bssci.web.api.asyncapi import RECEIVED, SENT, DocumentedTopic, schema_of

OPEN = {"ResponsePayload", "SensorConfigRequest", "SettingsChange"}
"""types beside whose fields there are others"""


def channel_of(topic: str, channels: Iterable[DocumentedTopic] = SENT) -> DocumentedTopic:
    """The channel that a topic is of; the one with most words if several fit."""
    fitting = [each for each in channels if re.fullmatch(_pattern(each.address), topic)]
    assert fitting, f"{topic} is not described"
    return min(fitting, key=lambda each: each.address.count("{"))


def request_channel_of(topic: str) -> DocumentedTopic:
    """The channel of requests that a topic is of."""
    return channel_of(topic, RECEIVED)


def _pattern(address: str) -> str:
    address = address.replace("BASE/device/{id}", "mioty/device/<any>").replace("BASE", "mioty", 1)
    return re.sub(r"\{\w+\}", "[^/]+", address).replace("<any>", ".+")


def faults(name: str, payload: Any) -> list[str]:
    """What is wrong with a payload by the schema of a name."""
    return [
        f"{name}: {each.message} at {each.instance_path}" for each in _validator(name).iter_errors(payload)
    ]


@cache
def _validator(name: str) -> Any:
    schema = schema_of(name)
    for title, each in schema.get("$defs", {}).items():
        if title not in OPEN:
            each["additionalProperties"] = False
    return jsonschema_rs.Draft202012Validator(schema)
