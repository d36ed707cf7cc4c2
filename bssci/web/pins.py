"""Words for the states of what is connected to controllers: a door is open or closed, a siren on or off."""

from __future__ import annotations

import re
from typing import Any

STATUS = "status"
"""name of the reading of a component that reports one state"""
_OF_COMPONENT = {
    "strike": ("off", "on"),
    "siren": ("off", "on"),
    "motion-sensor": ("no motion", "motion"),
    "exit-buttons": ("not pressed", "pressed"),
    "exit-button": ("not pressed", "pressed"),
    "door-sensor": ("closed", "open"),
}
"""words for 0 and 1, by the kind of the component, or of the member of its message"""
_NUMBERED = re.compile(r"(.+?)(?:[-_]\d{1,2})?")

PinWords = tuple[str, str]


def pin_words(device: str, name: str) -> PinWords | None:
    """Return the words for 0 and 1 of a reading; None if it has none.

    :param device: id of the device: ``f2:0a1b2c3d4e5f/J2/strike-1``.
    """
    if not device.startswith("f2:"):
        return None
    return _OF_COMPONENT.get(_kind(device.rpartition("/")[2] if name == STATUS else name))


def pin_value(device: str, name: str, value: Any) -> Any:
    """Return the word for a reading that is 0 or 1, or true or false; any other value as it is."""
    words = pin_words(device, name)
    return words[int(value)] if words is not None and is_state(value) else value


def is_state(value: Any) -> bool:
    """Return whether a value is 0 or 1, or true or false."""
    return isinstance(value, int | float) and value in (0, 1)


def _kind(component: str) -> str:
    numbered = _NUMBERED.fullmatch(component)
    return numbered[1] if numbered is not None else component
