"""Types of the requests that come by MQTT; their JSON Schemas are generated from these.

Requests are read by :mod:`bssci.sinks.mqtt.request_payloads`, which answers with the field that is wrong;
these types say the same to programs that write requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bssci.mqtt.payload_types import Byte

OwnRef = Annotated[
    Annotated[str, Meta(max_length=200)] | int, Meta(description="comes back in every answer to this request")
]
AnyDigits = Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2})*$", description="hexadecimal digits")]


class Base64Bytes(msgspec.Struct):
    """Bytes as Base64."""

    base64: str


class SensorConfigRequest(msgspec.Struct, kw_only=True):
    """A sensor as in `endpoints.json`, without `eui`; fields that are left out keep their values."""

    nwKey: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{32}$")] | UnsetType = UNSET
    shortAddr: Annotated[str, Meta(pattern="^[0-9A-Fa-f]{4}$")] | UnsetType = UNSET
    bidi: bool | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    tags: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=50)] | UnsetType = UNSET
    typeEui: str | UnsetType = UNSET
    dualChan: bool | UnsetType = UNSET
    repetition: bool | UnsetType = UNSET
    wideCarrOff: bool | UnsetType = UNSET
    longBlkDist: bool | UnsetType = UNSET
    autoDetach: bool | UnsetType = UNSET
    decoder: str | UnsetType = UNSET
    decoderParameters: dict[str, Any] | UnsetType = UNSET
    interval: Annotated[float, Meta(description="s between uplinks")] | UnsetType = UNSET
    location: dict[str, Any] | UnsetType = UNSET
    ref: OwnRef | UnsetType = UNSET


CommandWord = Literal["attach", "detach", "status", "reception"]


class CommandRequest(msgspec.Struct, kw_only=True):
    """A command for a sensor."""

    command: CommandWord
    ref: OwnRef | UnsetType = UNSET


class DownlinkRequestBody(msgspec.Struct, kw_only=True):
    """Something to send to a sensor (`data`), or a downlink to take back (`revoke`)."""

    data: (
        Annotated[
            Annotated[list[Any], Meta(max_length=200)] | AnyDigits | Base64Bytes,
            Meta(
                description="up to 200 bytes: integers 0..255, hexadecimal digits or Base64; empty: an "
                "acknowledgement only; with `cnt` a list of such entries"
            ),
        ]
        | UnsetType
    ) = UNSET
    cnt: Annotated[list[int], Meta(description="counters of uplinks to answer")] | UnsetType = UNSET
    format: Byte | UnsetType = UNSET
    prio: Annotated[float, Meta(description="higher first")] | UnsetType = UNSET
    responseExp: bool | UnsetType = UNSET
    responsePrio: bool | UnsetType = UNSET
    dlWindReq: bool | UnsetType = UNSET
    expOnly: bool | UnsetType = UNSET
    expires_in: Annotated[float, Meta(description="s until it is given up")] | UnsetType = UNSET
    revoke: Annotated[int, Meta(description="`queId` of the downlink to take back")] | UnsetType = UNSET
    ref: OwnRef | UnsetType = UNSET


class VariableMacRequest(msgspec.Struct, kw_only=True):
    """A command about what a base station receives besides mioty."""

    command: Literal["activate", "deactivate", "status"]
    macType: Annotated[int, Meta(ge=0, le=2**32 - 1)] | UnsetType = UNSET
    ref: OwnRef | UnsetType = UNSET


class SettingsQuery(msgspec.Struct, kw_only=True):
    """A query for the settings that may change while the service runs; an empty message asks the same."""

    ref: OwnRef | UnsetType = UNSET


class SettingsChange(msgspec.Struct, kw_only=True):
    """Settings by their names, each with its new value."""

    ref: OwnRef | UnsetType = UNSET


REQUESTS: Mapping[str, Any] = {
    "sensor-config-request": SensorConfigRequest,
    "command-request": CommandWord | CommandRequest,
    "downlink-request": DownlinkRequestBody,
    "variable-mac-request": VariableMacRequest,
    "settings-get-request": SettingsQuery,
    "settings-set-request": SettingsChange,
}
"""types by the names of their schemas"""
