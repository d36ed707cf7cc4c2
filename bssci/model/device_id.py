"""Ids of everything that sends: a kind, a colon, and a name of that kind: ``mioty:70B3D56770111505``."""

from __future__ import annotations

import re
from typing import Final

from bssci.model.eui import EUI, parse_eui

MIOTY: Final = "mioty"
"""kind of sensors that base stations hear"""
BLUETOOTH: Final = "ble"
"""kind of devices that Bluetooth scanners hear"""
MAX_ID: Final = 200
"""characters of an id"""

_SENSOR = f"{MIOTY}:"
_SEPARATORS = str.maketrans("", "", "-:.")
_ADDRESS = re.compile(r"[0-9A-F]{12}")


def sensor_device(eui: str) -> str:
    """Return the id of a sensor."""
    return f"{_SENSOR}{eui}"


def eui_of_device(device: str) -> EUI | None:
    """Return the EUI of a sensor by its id; None for every other kind of device."""
    return EUI(device.removeprefix(_SENSOR)) if device.startswith(_SENSOR) else None


def parse_device_id(text: str) -> str:
    """Return the id that a person means.

    A sensor may be named by its EUI alone; EUIs and Bluetooth addresses are taken in every spelling.

    :raises ValueError: it is no id.
    """
    kind, colon, name = text.partition(":")
    if len(text) > MAX_ID or not text.isprintable():
        raise ValueError(f"{text[:40]!r} is no id of a device")
    if kind == BLUETOOTH:
        digits = name.translate(_SEPARATORS).upper()
        if _ADDRESS.fullmatch(digits):
            return f"{kind}:" + ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    try:
        return sensor_device(parse_eui(name if kind == MIOTY else text))
    except ValueError:
        if kind == MIOTY or not (colon and kind and name):
            raise ValueError(f"{text[:40]!r} is no id of a device") from None
    return text
