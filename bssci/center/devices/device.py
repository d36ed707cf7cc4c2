"""A device other than a mioty sensor: what people entered about it, and what was heard from it."""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from bssci.decoders.bluetooth.addresses import COMPANIES, is_changing
from bssci.model import Telegram

MAX_GATEWAYS = 8
"""gateways that are kept for a device"""
SHOWN_BYTES = 64
"""bytes of the last payload that are kept for an unknown device"""
DeviceVerdict = Literal["kept", "blocked", "passed over"]
"""decision on a telegram; passed over: there are too many senders with changing addresses"""
ID = re.compile(r"[a-z][a-z0-9_-]{0,31}:[^\x00-\x20\x7f+#?]{1,160}")
"""a device id: kind, colon, and a name that is unique within the kind"""
_COMPANY = re.compile(r"(?:0[xX])?[0-9A-Fa-f]{1,4}")
PLACE = re.compile(r"f2:[0-9a-f]{12}/J[1-9]/(?!sensor-\d)[A-Za-z0-9][\w.-]{0,63}")
"""id of a place at a controller"""
ENTERED = ("name", "model", "decoder", "parameters", "location", "tags", "blocked")
"""fields that people enter and that move with a device to another place"""


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of a device's last message that help to identify it."""

    name: str = ""
    """name that the device reports"""
    companies: tuple[str, ...] = ()
    """manufacturers of the data, by identifier: ``0x004c Apple``"""
    services: tuple[str, ...] = ()
    """UUIDs of services"""
    data: str = ""
    """first bytes of the payload, hexadecimal"""
    topic: str = ""


class Device(msgspec.Struct, omit_defaults=True):
    """A device, entered by people or only heard."""

    id: str
    first_seen: float
    """Unix seconds"""
    last_seen: float
    """Unix seconds"""
    count: int = 0
    """telegrams of the device, each counted once"""
    known: bool = False
    """true if people have entered it"""
    name: str = ""
    model: str = ""
    decoder: str = ""
    """name of its decoder; empty: the first one that matches"""
    parameters: dict[str, Any] = {}
    """parameters of the decoder; secret, as they may hold keys"""
    parent: str = ""
    """id of the device that it is part of or connected to"""
    port: str = ""
    """place at the parent: ``J1/3``"""
    location: dict[str, Any] = {}
    """``lat``, ``lon``, ``text``, each optional"""
    tags: list[str] = []
    blocked: bool = False
    """true: its telegrams are not kept"""
    gateways: dict[str, tuple[float | None, float]] = {}
    """RSSI (dBm) and Unix seconds of the last telegram at each gateway, in the order of time"""
    said: Said | None = None

    @property
    def kind(self) -> str:
        return self.id.partition(":")[0]

    @property
    def gateway(self) -> str:
        """Return the gateway that heard the device last; empty if none has."""
        return next(reversed(self.gateways), "")

    def hear(self, telegram: Telegram) -> None:
        """Count a telegram."""
        self.count += 1
        self.last_seen = telegram.at
        gateways = self.gateways
        gateways.pop(telegram.gateway, None)
        gateways[telegram.gateway] = (telegram.rssi, telegram.at)
        if len(gateways) > MAX_GATEWAYS:
            del gateways[next(iter(gateways))]


def place_of(id: str) -> tuple[str, str]:
    """Return parent and port of a device at a controller, by its id; empty for others."""
    parent, _, port = id.partition("/")
    return (parent, port) if port else ("", "")


def has_changing_address(telegram: Telegram) -> bool:
    """Return whether the sender of a telegram changes its address every few minutes."""
    if not telegram.device.startswith("ble:"):
        return False
    device = telegram.envelope.get("device")
    kind = device.get("address_type") if isinstance(device, Mapping) else None
    try:
        return is_changing(telegram.device[4:], kind)
    except ValueError:
        return False


def said_by(telegram: Telegram) -> Said:
    """Return the parts of a telegram that help to identify its sender."""
    envelope = telegram.envelope
    device = envelope.get("device")
    name = device.get("name") if isinstance(device, Mapping) else envelope.get("name")
    manufacturers, services = (
        found if isinstance(found := envelope.get(field), Mapping) else {}
        for field in ("manufacturer_data", "service_data")
    )
    uuids = envelope.get("service_uuids")
    named = [*services, *(uuids if isinstance(uuids, list) else ())]
    data = telegram.payload or _first_bytes([*services.values(), *manufacturers.values()])
    topic = envelope.get("topic")
    return Said(
        name=name[:100] if isinstance(name, str) else "",
        companies=tuple(_company(str(each)) for each in list(manufacturers)[:4]),
        services=tuple(dict.fromkeys(_short(str(each)) for each in named[:8])),
        data=data[:SHOWN_BYTES].hex(),
        topic=topic[:200] if isinstance(topic, str) else "",
    )


def _first_bytes(texts: list[Any]) -> bytes:
    for text in texts:
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except (TypeError, ValueError):
            continue
    return b""


def _company(key: str) -> str:
    if not _COMPANY.fullmatch(key):
        return key[:20]
    number = int(key, 16)
    name = COMPANIES.get(number, "")
    return f"0x{number:04x} {name}".strip()


def _short(uuid: str) -> str:
    """Return the short form (16 bits) of a UUID of the Bluetooth SIG, or else the UUID."""
    text = uuid.lower()[:40]
    if text.startswith("0000") and text.endswith("-0000-1000-8000-00805f9b34fb"):
        return f"0x{text[4:8]}"
    return text
