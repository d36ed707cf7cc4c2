"""Device ids: a kind, a colon, and a name that is unique within the kind: ``mioty:70B3D56770111505``."""

from __future__ import annotations

import re
from typing import Final

from bssci.model.eui import EUI, parse_eui
from bssci.model.plain_text import control_fault

MIOTY: Final = "mioty"
"""kind of sensors that base stations hear"""
BLUETOOTH: Final = "ble"
"""kind of devices that Bluetooth scanners hear"""
MAX_ID: Final = 200
"""characters of an id, at most"""

_SENSOR = f"{MIOTY}:"
_SEPARATORS = str.maketrans("", "", "-:.")
_HALVES = re.compile("[\ud800-\udfff]")
"""halves of characters, which are no text"""
_ADDRESS = re.compile(r"[0-9A-F]{12}")


def sensor_device(eui: str) -> str:
    """Return the device id of the sensor with this EUI."""
    return f"{_SENSOR}{eui}"


def eui_of_device(device: str) -> EUI | None:
    """Return the EUI that a sensor's device id holds; None for every other kind of device."""
    return EUI(device.removeprefix(_SENSOR)) if device.startswith(_SENSOR) else None


def parse_device_id(text: str) -> str:
    """Return the device id that a person's input stands for.

    A sensor may be named by its EUI alone; EUIs and Bluetooth addresses are accepted in every spelling.

    :raises ValueError: the text is not a device id.
    """
    kind, colon, name = text.partition(":")
    if len(text) > MAX_ID or control_fault(text) or _HALVES.search(text):
        raise ValueError(f"{text[:40]!r} is not a device id")
    if kind == BLUETOOTH:
        digits = name.translate(_SEPARATORS).upper()
        if _ADDRESS.fullmatch(digits):
            return f"{kind}:" + ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    try:
        return sensor_device(parse_eui(name if kind == MIOTY else text))
    except ValueError:
        if kind == MIOTY or not (colon and kind and name):
            raise ValueError(f"{text[:40]!r} is not a device id") from None
    return text
