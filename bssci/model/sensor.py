"""A configured sensor: one entry of endpoints.json."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from bssci.model.differences import differences
from bssci.model.entry_error import EntryError
from bssci.model.eui import EUI, parse_eui
from bssci.model.place import place_fault
from bssci.model.plain_text import entered_faults, texts_of

MAX_NAME = 200
"""characters of a name, at most"""
MAX_TAGS = 50
MAX_TAG = 100
"""characters of a tag, at most"""
MAX_EXTRA = 16 * 1024
"""bytes of all unknown fields together, as JSON"""
MAX_DECODER = 64
"""characters of a decoder's name"""
MAX_OBJECT = 4 * 1024
"""bytes of decoderParameters, and of location, as JSON"""
MAX_INTERVAL = 366 * 86400
"""s between two uplinks of a sensor, at most"""
MAX_FIELD = 40
"""characters of an unknown field's name that error messages repeat"""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
"""an empty object, the same one for all sensors"""
_HEX = re.compile(r"[0-9A-Fa-f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FLAGS = {
    "bidi": "bidirectional",
    "dualChan": "dual_channel",
    "repetition": "repetition",
    "wideCarrOff": "wide_carrier_offset",
    "longBlkDist": "long_block_distance",
    "autoDetach": "auto_detach",
}
_KNOWN = {
    *("eui", "nwKey", "shortAddr", "name", "typeEui", "tags"),
    *("decoder", "decoderParameters", "interval", "location"),
    *_FLAGS,
}
_ALLOWED = {"eui": "0" * 16, "nwKey": "0" * 32, "shortAddr": "0" * 4, "bidi": False}
"""a valid value for each mandatory field"""
SECRETS = ("nwKey", "decoderParameters")
"""fields whose values people see only through an audited command"""


class SensorError(EntryError):
    """A sensor's entry is invalid; ``field`` names the field at fault."""


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor ("end point") that base stations are told to serve."""

    eui: EUI
    network_key: bytes
    """16 bytes; secret: appears in no log, error or repr"""
    short_address: int
    """address on the air, 0..65535"""
    bidirectional: bool
    name: str = ""
    dual_channel: bool = True
    repetition: bool = False
    wide_carrier_offset: bool = False
    long_block_distance: bool = False
    auto_detach: bool = True
    type_eui: EUI | None = None
    tags: tuple[str, ...] = ()
    decoder: str | None = None
    """name of the decoder that reads the payloads; None: typeEui or the payload determines it"""
    decoder_parameters: Mapping[str, Any] = _NOTHING
    """parameters of the decoder; secret, as the network key is: they may hold keys"""
    interval: float | None = None
    """usual time between two uplinks of this sensor, s"""
    location: Mapping[str, Any] | None = None
    """place of the sensor: ``lat`` and ``lon`` (degrees), ``text``, each optional"""
    extra: Mapping[str, Any] = _NOTHING
    """unknown fields of endpoints.json, kept as they were"""

    def __repr__(self) -> str:
        return f"Sensor({self.eui})"


def parse_sensor(entry: object) -> Sensor:
    """Read one entry of endpoints.json.

    :raises SensorError: naming the field and what is allowed.
    """
    if not isinstance(entry, Mapping):
        raise SensorError("entry", "must be an object")
    for field in ("eui", "nwKey", "shortAddr", "bidi"):
        if field not in entry:
            raise SensorError(field, "is missing")
    values: dict[str, Any] = {
        "eui": _eui(entry, "eui"),
        "network_key": bytes.fromhex(_hex(entry, "nwKey", 32)),
        "short_address": int(_hex(entry, "shortAddr", 4), 16),
    }
    for field, attribute in _FLAGS.items():
        if field in entry:
            if not isinstance(entry[field], bool):
                raise SensorError(field, "must be true or false")
            values[attribute] = entry[field]
    if "name" in entry:
        if fault := text_fault(entry["name"], MAX_NAME):
            raise SensorError("name", fault)
        values["name"] = entry["name"]
    if entry.get("typeEui"):
        values["type_eui"] = _eui(entry, "typeEui")
    if "tags" in entry:
        tags = entry["tags"]
        if fault := tags_fault(tags):
            raise SensorError("tags", fault)
        values["tags"] = tuple(tags)
    values |= _reading_fields(entry)
    extra = {field: value for field, value in entry.items() if field not in _KNOWN}
    if extra:
        _check_size(extra, MAX_EXTRA, f"unknown fields may take at most {MAX_EXTRA} bytes together as JSON")
        values["extra"] = extra
    return Sensor(**values)


def faults_of_entered(sensor: Sensor, known: Sensor | None) -> dict[str, str]:
    """Return what is wrong with texts and place of a sensor that somebody enters, by field: a text has
    control characters, or the place one coordinate without the other. Those of the present entry may stay.

    :param known: the present entry.
    """
    kept = texts_of(msgspec.structs.asdict(known)) if known is not None else ()
    faults = entered_faults(msgspec.structs.asdict(sensor), kept)
    if alone := place_fault(sensor.location, known.location if known is not None else None):
        faults.setdefault("location", alone)
    return faults


def sensor_faults(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return every invalid field of an entry with what is allowed there; empty if the entry is valid.

    Of fields that are not known, which may be thousands, only one is named.
    """
    found: dict[str, str] = {}
    left = dict(entry)
    while True:
        try:
            parse_sensor(left)
        except SensorError as error:
            if error.field in found:
                return found
            found[error.field] = error.message
            # Parsing stops at the first fault: replace that value by a valid one to find the others.
            left.pop(error.field, None)
            if error.field in _ALLOWED:
                left[error.field] = _ALLOWED[error.field]
            elif error.field not in _KNOWN:
                left = {field: value for field, value in left.items() if field in _KNOWN}
        else:
            return found


def sensor_to_json(sensor: Sensor) -> dict[str, Any]:
    """Return the entry of endpoints.json for a sensor: :func:`parse_sensor` reads it back."""
    entry: dict[str, Any] = {
        "eui": sensor.eui,
        "nwKey": sensor.network_key.hex().upper(),
        "shortAddr": f"{sensor.short_address:04X}",
    }
    for field, attribute in _FLAGS.items():
        entry[field] = getattr(sensor, attribute)
    if sensor.name:
        entry["name"] = sensor.name
    if sensor.type_eui is not None:
        entry["typeEui"] = sensor.type_eui
    if sensor.tags:
        entry["tags"] = list(sensor.tags)
    if sensor.decoder is not None:
        entry["decoder"] = sensor.decoder
    if sensor.decoder_parameters:
        entry["decoderParameters"] = dict(sensor.decoder_parameters)
    if sensor.interval is not None:
        entry["interval"] = sensor.interval
    if sensor.location is not None:
        entry["location"] = dict(sensor.location)
    return entry | dict(sensor.extra)


def sensor_differences(before: Sensor, after: Sensor) -> str:
    """Return the fields of endpoints.json that differ, with their values; of secret and unknown ones the
    names only.
    """
    return differences(sensor_to_json(before), sensor_to_json(after), _KNOWN.difference(SECRETS))


def _reading_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes for the optional fields decoder, decoderParameters, interval and location.

    :raises SensorError: one is invalid. Its message never repeats a value of decoderParameters.
    """
    values: dict[str, Any] = {}
    if entry.get("decoder") not in (None, ""):
        if fault := text_fault(entry["decoder"], MAX_DECODER):
            raise SensorError("decoder", fault)
        values["decoder"] = entry["decoder"]
    if entry.get("decoderParameters") is not None:
        values["decoder_parameters"] = _json_object(entry, "decoderParameters")
    interval = entry.get("interval")
    if interval is not None:
        if fault := interval_fault(interval):
            raise SensorError("interval", fault)
        values["interval"] = interval
    if entry.get("location") is not None:
        values["location"] = parse_location(entry)
    return values


def parse_location(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the field ``location`` of an entry, after checking it.

    :raises SensorError: it is invalid.
    """
    location = _json_object(entry, "location")
    for field, most in (("lat", 90), ("lon", 180)):
        if field in location and not _is_number(location[field], -most, most):
            raise SensorError("location", f"{field} must be a number of degrees from -{most} to {most}")
    if "text" in location and (fault := text_fault(location["text"], MAX_NAME)):
        raise SensorError("location", f"text {fault}")
    return location


def _json_object(entry: Mapping[str, Any], field: str) -> dict[str, Any]:
    if not isinstance(entry[field], Mapping):
        raise SensorError(field, "must be an object")
    _check_size({field: entry[field]}, MAX_OBJECT, f"may take at most {MAX_OBJECT} bytes as JSON")
    return dict(entry[field])


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def text_fault(value: object, longest: int) -> str:
    """Return what is wrong with a text of at most ``longest`` characters; empty if nothing is."""
    if not isinstance(value, str) or len(value) > longest:
        return f"must be text of at most {longest} characters"
    return "holds half of a surrogate pair, which is not a character" if _SURROGATE.search(value) else ""


def interval_fault(value: object) -> str:
    """Return what is wrong with an interval; empty if nothing is."""
    right = _is_number(value, 1, MAX_INTERVAL)
    return "" if right else f"must be a number of seconds from 1 to {MAX_INTERVAL}"


def tags_fault(tags: object) -> str:
    """Return what is wrong with tags; empty if nothing is."""
    allowed = f"must be a list of at most {MAX_TAGS} texts of at most {MAX_TAG} characters each"
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        return allowed
    faults = [text_fault(tag, MAX_TAG) for tag in tags]
    if any(fault.startswith("must") for fault in faults):
        return allowed
    return next(filter(None, faults), "")


def _check_size(fields: Mapping[str, Any], most: int, allowed: str) -> None:
    """Check the size of all fields together.

    :raises SensorError: naming the largest field so far, as soon as they are too large together.
    """
    sizes: dict[str, int] = {}
    left = most
    for field, value in fields.items():
        try:
            sizes[field] = len(json.dumps({field: value}, ensure_ascii=False, allow_nan=False).encode())
        except (ValueError, RecursionError):
            raise SensorError(field[:MAX_FIELD], "must be JSON in UTF-8") from None
        left -= sizes[field]
        if left < 0:
            largest = max(sizes, key=sizes.__getitem__)
            raise SensorError(largest[:MAX_FIELD], f"is too large: {allowed}")


def _eui(entry: Mapping[str, Any], field: str) -> EUI:
    try:
        return parse_eui(str(entry[field]))
    except ValueError:
        raise SensorError(field, "must be 16 hexadecimal digits") from None


def _hex(entry: Mapping[str, Any], field: str, digits: int) -> str:
    value = entry[field]
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise SensorError(field, f"must be {digits} hexadecimal digits")
    if len(value) != digits:
        raise SensorError(field, f"must be {digits} hexadecimal digits, not {len(value)}")
    return value


def attachment_fingerprint(
    network_key: bytes,
    short_address: int,
    bidirectional: bool,
    dual_channel: bool,
    repetition: bool,
    wide_carrier_offset: bool,
    long_block_distance: bool,
) -> bytes:
    """Return 16 bytes that are equal for two attachments that a base station serves in the same way.

    They reveal nothing of the key.

    :param network_key: 16 bytes.
    :param short_address: 0 to 65535.
    """
    flags = (bidirectional, dual_channel, repetition, wide_carrier_offset, long_block_distance)
    return hashlib.sha256(network_key + short_address.to_bytes(2, "big") + bytes(flags)).digest()[:16]


def key_digest(sensor: Sensor) -> bytes:
    """Return 8 bytes that differ if the network key does, and do not reveal it."""
    return hashlib.sha256(b"network key" + sensor.network_key).digest()[:8]


def fingerprint_of(sensor: Sensor) -> bytes:
    """Return the :func:`attachment_fingerprint` of a configured sensor."""
    return attachment_fingerprint(
        sensor.network_key,
        sensor.short_address,
        sensor.bidirectional,
        sensor.dual_channel,
        sensor.repetition,
        sensor.wide_carrier_offset,
        sensor.long_block_distance,
    )
