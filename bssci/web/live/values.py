"""Decoded values as text, beside the sentence that tells an event."""

from __future__ import annotations

from bssci.decoders.bluetooth.presence import PLACE
from bssci.model import Decoded, Reading
from bssci.web.formats import measured, rank, words
from bssci.web.live.names import NameOf, nameless
from bssci.web.pins import pin_value

MOST = 8
"""values that are named; the others are counted"""


def values_text(decoded: Decoded, device: str = "", name_of: NameOf = nameless) -> str:
    """Return values such as ``Temperature 21.5 °C, Humidity 40 %``, the most telling first, or the reason
    why there are none.

    :param device: id of the sender.
    :param name_of: names scanners, which are places.
    """
    if decoded.failure is not None:
        return f"Not decoded: {decoded.failure.message}"
    readings = sorted(decoded.readings, key=lambda each: rank(each.name, each.value))
    shown = [_value(reading, reading.device or device, name_of) for reading in readings[:MOST]]
    left = len(decoded.readings) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def _value(reading: Reading, device: str, name_of: NameOf) -> str:
    name = f"{reading.device} {words(reading.name)}" if reading.device else words(reading.name)
    value = pin_value(device, reading.name, reading.value)
    if reading.name == PLACE:
        value = name_of(str(value)) or value
    return f"{name} {measured(value, reading.unit)}"
