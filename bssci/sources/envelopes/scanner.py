"""Bluetooth scanners: advertisements on ``…/raw/{id}``, their own state on ``…/scanner/{id}/status``."""

from __future__ import annotations

import binascii
from typing import Any

from bssci.decoders.bluetooth.advertisement import UNKNOWN_RSSI
from bssci.model import Telegram
from bssci.sources.envelopes.addresses import bluetooth_address
from bssci.sources.envelopes.values import (
    BadMessage,
    Form,
    Incoming,
    Remark,
    message_id,
    message_object,
    read_time,
)

MAJOR = "1"
TOO_LARGE = 10 * 1024
"""bytes at which a message is refused as too large"""
KIND = "scanner"
"""kind of the gateway, in front of its id: ``scanner:roof``"""


def is_advertisement(levels: list[str]) -> bool:
    """Return whether a topic is one of advertisements, with any prefix before ``raw``."""
    return len(levels) >= 2 and levels[-2] == "raw"


def is_status(levels: list[str]) -> bool:
    """Return whether a topic is that of a scanner's own state."""
    return len(levels) >= 3 and levels[-1] == "status" and levels[-3] == "scanner"


def advertisement_telegrams(message: Incoming, remark: Remark) -> list[Telegram]:
    """Return an advertisement as a telegram of the device that sent it.

    :raises BadMessage: the message cannot be read.
    """
    body = _body(message, remark)
    device = body.get("device")
    if not isinstance(device, dict):
        raise BadMessage("no device")
    address = bluetooth_address(device.get("address"))
    for field in ("manufacturer_data", "service_data"):
        if not _is_base64(body.get(field)):
            remark(f"{field} is not base64")
    return [
        Telegram(
            at=message.at,
            id=message_id(message, body if "timestamp" in body else None),
            device=f"ble:{address}",
            gateway=message.topic.rpartition("/")[2],
            source=message.source,
            payload=_raw_data(body.get("raw_data"), remark),
            gateway_time=read_time(body.get("timestamp"), message.at, remark),
            rssi=_rssi(device.get("rssi"), remark),
            envelope=body,
        )
    ]


def read_status(message: Incoming, remark: Remark) -> list[Telegram]:
    """Return a scanner's report about itself, as a telegram of its own.

    :raises BadMessage: the message cannot be read.
    """
    body = _body(message, remark)
    if not isinstance(body.get("status"), str):
        raise BadMessage("no status")
    scanner = message.topic.split("/")[-2]
    # A last will is written when the scanner connects, and the same each time that it is published.
    told_apart = "timestamp" in body and body["status"] != "offline"
    # Commands to the scanner are published on a topic derived from this one.
    envelope = {**body, "topic": message.topic}
    if message.retained is not None:
        envelope["retained"] = message.retained
    return [
        Telegram(
            at=message.at,
            id=message_id(message, body if told_apart else None),
            device=f"{KIND}:{scanner}",
            gateway=scanner,
            source=message.source,
            payload=b"",
            gateway_time=read_time(body.get("timestamp"), message.at, remark),
            envelope=envelope,
        )
    ]


def _body(message: Incoming, remark: Remark) -> dict[str, Any]:
    if len(message.payload) >= TOO_LARGE:
        raise BadMessage("10 KB or larger")
    body = message_object(message.payload, remark)
    version = body.get("version", MAJOR)
    if not isinstance(version, str) or version.partition(".")[0] != MAJOR:
        raise BadMessage(f"another version than {MAJOR}")
    return body


def _raw_data(value: object, remark: Remark) -> bytes:
    if not value:
        return b""
    try:
        return binascii.a2b_base64(value, strict_mode=True)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        remark("raw_data is not base64")
        return b""


def _is_base64(parts: object) -> bool:
    """Return whether parts of an advertisement, if there are any, are base64 each."""
    if not parts:
        return True
    try:
        for text in parts.values():  # type: ignore[attr-defined]
            binascii.a2b_base64(text, strict_mode=True)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


def _rssi(value: object, remark: Remark) -> float | None:
    if value is None:
        return None
    if value == UNKNOWN_RSSI:
        remark("an RSSI of 127, which stands for unknown")
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -128 <= value < UNKNOWN_RSSI:
        remark("an invalid RSSI")
        return None
    return float(value)


FORMS = (
    Form("advertisement", is_advertisement, advertisement_telegrams),
    Form("scanner status", is_status, read_status),
)
