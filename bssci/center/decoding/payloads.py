"""Payloads of events, with the metadata that decoders need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.decoders.interfaces import Payload, PayloadKind
from bssci.decoders.wireless_mbus import sender_of
from bssci.model import EUI, AnyEvent, Reception, Telegram, Uplink, VariableMacUplink
from bssci.model.device_id import sensor_device

DeviceId = str
"""``mioty:{EUI}``, ``ble:{MAC}``, ...

For telegrams of the variable MAC it is ``wmbus:{manufacturer}-{identification}`` if the bytes name the
sender, or else ``vm:{EUI}`` of the base station."""
_KINDS: dict[type, PayloadKind] = {Uplink: "uplink", Telegram: "telegram", VariableMacUplink: "variable-mac"}


def decodable(event: AnyEvent) -> bool:
    """Return whether an event has a payload."""
    return type(event) in _KINDS


def payload_kind(event: AnyEvent) -> PayloadKind:
    """Return the kind of payload of a :func:`decodable` event."""
    return _KINDS[type(event)]


def device_of(event: AnyEvent) -> DeviceId:
    """Return the id of the sender of a :func:`decodable` event."""
    if isinstance(event, Uplink):
        return sensor_device(event.end_point_eui)
    if isinstance(event, Telegram):
        return event.device
    if isinstance(event, VariableMacUplink):
        # Earlier versions stored them without the id.
        return event.device or sender_of(event.payload, event.base_station_eui)
    raise TypeError(f"{type(event).__name__} has no payload")


def delivery_key(event: AnyEvent) -> object:
    """Return a key that identifies a :func:`decodable` event in all its deliveries."""
    if isinstance(event, Uplink):
        return event.id
    if isinstance(event, Telegram):
        return event.id
    if isinstance(event, VariableMacUplink):
        return event.base_station_eui, event.mac_type, event.system_time, event.trx_time, event.payload
    raise TypeError(f"{type(event).__name__} has no payload")


def payload_of_reception(best: Reception, device: DeviceId, type_eui: EUI | None) -> Payload:
    """Return the payload of an uplink.

    :param best: its reception with the best signal.
    """
    return Payload(
        data=best.payload,
        kind="uplink",
        device=device,
        received_at=best.received_at,
        format=best.format,
        type_eui=type_eui,
    )


def payload_of(event: AnyEvent, type_eui: EUI | None, device: DeviceId | None = None) -> Payload:
    """Return the payload of a :func:`decodable` event, for a decoder.

    :param device: result of :func:`device_of`, if the caller has it.
    """
    if isinstance(event, Uplink):
        return payload_of_reception(event.receptions[0], device or device_of(event), type_eui)
    if isinstance(event, Telegram):
        return Payload(
            data=event.payload,
            kind="telegram",
            device=event.device,
            received_at=event.at,
            format=_format(event.envelope),
            type_eui=type_eui,
            envelope=event.envelope,
        )
    if isinstance(event, VariableMacUplink):
        return Payload(
            data=event.payload,
            kind="variable-mac",
            device=device_of(event),
            received_at=event.at,
            mac_type=event.mac_type,
        )
    raise TypeError(f"{type(event).__name__} has no payload")


def is_of_others(decoder: Any) -> bool:
    """Return whether a decoder does not come with the service."""
    module = type(decoder).__module__
    return not module.startswith("bssci.") or module.startswith("bssci.plugins.")


def separate(payload: Payload, parameters: Mapping[str, Any]) -> tuple[Payload, dict[str, Any]]:
    """Return a payload and parameters that a decoder may change without changing those of anybody else."""
    if payload.envelope:
        payload = msgspec.structs.replace(payload, envelope=_copy(payload.envelope))
    return payload, _copy(parameters)


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of JSON values; ``deepcopy`` cannot follow all levels that are read."""
    copy: dict[str, Any] = msgspec.to_builtins(dict(values))
    return copy


def _format(envelope: Mapping[str, Any]) -> int:
    """Return the format byte of a mioty uplink that another service center received; else 0."""
    said = envelope.get("format")
    return said if isinstance(said, int) and 0 <= said <= 255 else 0
