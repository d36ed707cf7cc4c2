"""Cleaning the readings of scripts and plugins for journal, sinks and pages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.quantities import MAX_NAME, MAX_TEXT, normalise
from bssci.model import Reading

MAX_READINGS = 500
"""readings of one payload"""
MAX_INTEGER = 2**63
"""larger integers become floats, because databases cannot store them"""

_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def clean(given: Iterable[object]) -> tuple[list[Reading], list[str]]:
    """Return readings under the names of the table of quantities, and what was left out or cut, one line
    each.

    :raises DecodeError: it is not a list, one of them is not a reading, or there are too many.
    """
    if not isinstance(given, Iterable) or isinstance(given, (str, bytes, Mapping)):
        text = f"the decoder gave a {type(given).__name__}, not a list of readings"
        raise DecodeError("bad_reading", text)
    readings: list[Reading] = []
    warnings: list[str] = []
    for item in given:
        if not isinstance(item, Reading):
            raise DecodeError("bad_reading", f"the decoder gave a {type(item).__name__} for a reading")
        if len(readings) >= MAX_READINGS:
            raise DecodeError("too_many_readings", f"the decoder gave more than {MAX_READINGS} readings")
        reading, warning = _cleaned(item)
        if warning:
            warnings.append(warning)
        if reading is not None:
            readings.append(reading)
    found = normalise(readings)
    fit = [reading for reading in found if not _is_infinite(reading)]
    if len(fit) < len(found):
        warnings += [f"{each.name}: is too large in {each.unit}" for each in found if _is_infinite(each)]
    return fit, warnings


def _is_infinite(reading: Reading) -> bool:
    """Return whether a conversion to the table's unit left no number."""
    return isinstance(reading.value, float) and not math.isfinite(reading.value)


def _cleaned(item: Reading) -> tuple[Reading | None, str]:
    name, value, unit, device = item.name, item.value, item.unit, item.device
    if (
        not isinstance(name, str)
        or not name
        or not all(text is None or isinstance(text, str) for text in (unit, device))
    ):
        raise DecodeError(
            "bad_reading", "the decoder gave a reading without a name, or with a wrong unit or device"
        )
    warning = ""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            value, warning = value[:MAX_TEXT], f"{_fit(name)[:MAX_NAME]}: cut to {MAX_TEXT} characters"
        value = _fit(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            return None, f"{_fit(name)[:MAX_NAME]}: is not a number"
        value = float(value)  # of numpy, or another subclass that JSON has no place for
    elif isinstance(value, int):
        if not isinstance(value, bool) and not -MAX_INTEGER <= value < MAX_INTEGER:
            if abs(value) >= 2**1000:
                return None, f"{_fit(name)[:MAX_NAME]}: is too large"
            value = float(value)
        elif not isinstance(value, bool):
            value = int(value)
    else:
        raise DecodeError("bad_reading", f"{_fit(name)[:MAX_NAME]}: a {type(value).__name__} is not a value")
    cleaned = Reading(
        _fit(name)[:MAX_NAME],
        value,
        None if unit is None else _fit(unit)[:30] or None,
        None if device is None else _fit(device)[:200],
    )
    return cleaned, warning


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", text)
