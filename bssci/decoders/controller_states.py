"""States that controllers report, and telemetry that parameters of its components describe.

::

    stat/f2-{mac}/access-control-mode/J2/door-sensors {"timestamp": ..., "door-sensor-1": 1, ...}
      --> a reading for each member
    {"components": [{"mode": "sensor-mode", "component": "sensor", "number": 3, "encoding": "hex_to_float",
                     "unit": "°C", "scale": 0.1}]}
      --> how to read sensor-3; without a number: every sensor that has no entry of its own

Encodings: ``boolean`` (yes or no), ``boolean_map`` (yes or no for each member of the message),
``hex_to_float`` (the bytes as a whole number, big-endian, times ``scale``; of a Modbus answer the bytes in
it), ``raw_string``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from zope.interface import implementer

from bssci.decoders.datapoints import LONGEST_ANSWER, check_modbus, ends_with_checksum
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.decoders.quantities import normalise
from bssci.model import Reading

NAME = "controller"
PARAMETER = "components"
"""name of the parameter that lists how components are read"""
ENCODINGS = ("boolean", "boolean_map", "hex_to_float", "raw_string")
_AROUND = 5
"""bytes of a Modbus answer before and after its value"""
MAX_HEX = 8
"""bytes that are read as one number"""
_NUMBERED = re.compile(r"(.+)-([0-9]{1,2})")
_NOT_VALUES = frozenset({"timestamp"})
_YES, _NO = frozenset({"1", "true", "on", "open", "yes"}), frozenset({"0", "false", "off", "closed", "no"})


@implementer(IDecoder)
class ControllerDecoder:
    """Reads what controllers report about their components."""

    name = NAME
    version = "1"
    kinds: tuple[PayloadKind, ...] = ("telegram",)

    def matches(self, payload: Payload) -> bool:
        """Return whether it is a state that a controller reports."""
        return payload.device.startswith("f2:") and payload.envelope.get("direction") == "stat"

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings. See :class:`bssci.decoders.interfaces.IDecoder`."""
        envelope = payload.envelope
        body = envelope.get("payload")
        if not isinstance(body, Mapping):
            raise DecodeError("no_controller", "the message is not from a controller")
        if envelope.get("direction") == "cmnd":
            return []
        how = _entry(parameters.get(PARAMETER), envelope)
        if how is not None:
            return normalise(_readings(how, body, payload.data))
        if envelope.get("direction") != "stat":
            raise DecodeError("no_parameters", f"nothing says how to read {envelope.get('component')}")
        return normalise(
            Reading(name, value, None)
            for name, value in body.items()
            if name not in _NOT_VALUES and isinstance(value, bool | int | float | str)
        )


def _entry(entries: Any, envelope: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the entry for a message's component: the one with its number, else the one without a number."""
    component = str(envelope.get("component", ""))
    numbered = _NUMBERED.fullmatch(component)
    kind, number = (numbered[1], int(numbered[2])) if numbered else (component, None)
    fallback = None
    for entry in entries if isinstance(entries, Sequence) else ():
        if not isinstance(entry, Mapping) or entry.get("mode") not in (envelope.get("mode"), None):
            continue
        if entry.get("component") == component or (
            entry.get("component") == kind and entry.get("number") == number is not None
        ):
            return entry
        if fallback is None and entry.get("component") == kind and entry.get("number") is None:
            fallback = entry
    return fallback


def _readings(how: Mapping[str, Any], body: Mapping[str, Any], data: bytes) -> list[Reading]:
    encoding, unit = how.get("encoding"), how.get("unit") or None
    if encoding == "boolean_map":
        return [Reading(name, _yes(value), None) for name, value in body.items() if name not in _NOT_VALUES]
    if encoding == "hex_to_float":
        if data.startswith(b"{") and "data" not in body:
            raise DecodeError("no_value", "the message has no data")
        number = int.from_bytes(_digits(data), "big") * float(how.get("scale") or 1)
        return [Reading(str(how.get("name") or "value"), round(number, 9), unit)]
    value = body.get("status", body.get("data"))
    if value is None:
        raise DecodeError("no_value", "the message has neither status nor data")
    if encoding == "boolean":
        return [Reading(str(how.get("name") or "status"), _yes(value), None)]
    if encoding == "raw_string":
        return [Reading(str(how.get("name") or "text"), str(value), unit)]
    raise DecodeError("no_encoding", f"there is no encoding {encoding!r}; there are {', '.join(ENCODINGS)}")


def _digits(data: bytes) -> bytes:
    """Return the bytes of a number: those in a Modbus answer, or all.

    :raises DecodeError: there are too many, or it is a Modbus answer without a value.
    """
    found = data
    has_value = len(data) >= _AROUND and data[2] == len(data) - _AROUND
    if has_value or (_AROUND <= len(data) <= LONGEST_ANSWER and ends_with_checksum(data)):
        check_modbus(data)
        if not has_value:
            raise DecodeError("no_value", "byte 2: the Modbus answer has another length than it says")
        found = data[3:-2]
    if not 0 < len(found) <= MAX_HEX:
        raise DecodeError("too_long", f"a number has 1 to {MAX_HEX} bytes, this one {len(found)}")
    return found


def _yes(value: Any) -> bool:
    text = str(value).strip().casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise DecodeError("no_boolean", f"{text[:40]!r} is neither yes nor no")


@implementer(IDecoderFactory)
class ControllerFactory:
    """Builds the decoder ``controller``."""

    name = NAME
    description = "states and telemetry of controllers' components"
    settings: tuple[str, ...] = ()

    def build(self, settings: Mapping[str, Any]) -> ControllerDecoder:
        return ControllerDecoder()
