"""Types of the payloads that only the live stream has, from which their JSON Schemas are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

IsoTimeInMs = Annotated[
    str, Meta(description="ISO 8601 in UTC, with milliseconds", extra_json_schema={"format": "date-time"})
]


class ReadingMetadata(msgspec.Struct, kw_only=True):
    """Facts about a reading."""

    quality: Annotated[Literal["good", "uncertain"], Meta(description="uncertain: the decoder warned")]
    decoder: Annotated[str, Meta(description="`name@version`")]
    id: Annotated[str, Meta(description="id of the uplink or telegram")] | UnsetType = UNSET
    location: Annotated[dict[str, Any], Meta(description="location of the sensor")] | UnsetType = UNSET


class TelemetryPayload(msgspec.Struct, kw_only=True):
    """A reading of a device."""

    timestamp: Annotated[
        str,
        Meta(
            description="`time` with milliseconds; it is text in this payload only",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    time: Annotated[
        str,
        Meta(description="time by the clock of the device or its receiver: ISO 8601 in UTC with ns"),
    ]
    received_at: Annotated[float, Meta(description="Unix seconds of the service center's clock")]
    device_id: Annotated[str, Meta(examples=["mioty:70B3D56770110001"])]
    sensor: Annotated[str, Meta(description="name of the reading")]
    value: float | int | bool | str
    unit: str | None
    metadata: ReadingMetadata
    replayed: (
        Annotated[bool, Meta(description="delivered again because somebody asked for a replay")] | UnsetType
    ) = UNSET


class GapPayload(msgspec.Struct, kw_only=True, rename={"since": "from", "until": "to"}):
    """Messages that a client does not get; sent to that client only."""

    since: IsoTimeInMs | None
    until: IsoTimeInMs
    events: Annotated[int, Meta(ge=0, description="events that were skipped, wanted or not")]
    reason: str


DOOR_PAYLOADS: Mapping[str, type[msgspec.Struct]] = {"telemetry": TelemetryPayload, "gap": GapPayload}
"""types by the names of their schemas"""
