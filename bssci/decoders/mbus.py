"""Meters that speak M-Bus: wireless M-Bus and OMS, plain and encrypted, and wired long frames.

A wireless frame begins with its length field, and has the checksums of frame format A or none at all.
The names of readings are those of EN 13757-3, through the table of quantities; a value that is not the
present value of the first register has a suffix that says so: ``volume_storage_1``, ``power_max``,
``energy_tariff_2``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from math import isfinite
from typing import Any

from zope.interface import implementer

from bssci.decoders.cleaning import MAX_READINGS
from bssci.decoders.interfaces import DecodeError, IDecoder, IDecoderFactory, Payload, PayloadKind
from bssci.decoders.keys import aes_key
from bssci.decoders.link_encryption import decrypt_link_layer, is_link_encrypted
from bssci.decoders.quantities import MAX_NAME, MAX_TEXT, rule
from bssci.decoders.wireless_mbus import FIRST_BLOCK, checksum, link_address
from bssci.model import Reading

INSTALL = "M-Bus needs the extra: pip install 'bssci[mbus]'"
_WIRED = 0x68
_BLOCK = 16
_CHECKSUM = 2
_DECRYPTED = "2F2F"
"""two fillers, with which a message begins that was decrypted with the right key (OMS, modes 5 and 7)"""
_LARGEST = 2**53 - 1
_FUNCTIONS = {"Maximum value": "_max", "Minimum value": "_min", "Value during error state": "_error"}
_UNITS = {
    "m3": "m³",
    "m3.h-1": "m³/h",
    "m3.min-1": "m³/min",
    "m3.s-1": "m³/s",
    "kg.h-1": "kg/h",
    "W.h": "Wh",
    "J.h-1": "J/h",
    "Cel": "°C",
    "[degF]": "°F",
    "[gal_us]": "gal",
    "[ft_i]": "ft",
}
"""units in the spelling of this package; others are kept"""
_NOT_A_NAME = re.compile(r"[^a-z0-9]+")
_BRACKETS = re.compile(r" \(.*\)$")
_PAIRS = re.compile(r"[\s,;]+")
_PAIR = re.compile(r"([A-Za-z]{3}-\d{8})=([0-9A-Fa-f]{32})")
_UNSUPPORTED = "[security.unsupported_mode]"
_PANIC = "pyo3_runtime"


def parse_keys(text: str) -> dict[str, str]:
    """Return the keys of meters by manufacturer and number: hexadecimal digits by ``KAM-12345678``.

    :raises ValueError: one is not a key.
    """
    keys = {}
    for pair in filter(None, _PAIRS.split(text.strip())):
        found = _PAIR.fullmatch(pair)
        if found is None:
            raise ValueError("not a pair of a meter and its key")
        keys[found[1].upper()] = found[2]
    return keys


@implementer(IDecoder)
class MBusDecoder:
    """Reads M-Bus frames.

    :param keys: keys of meters without parameters of their own: hexadecimal digits by ``KAM-12345678``.
    """

    name = "mbus"
    version = "1"
    kinds: tuple[PayloadKind, ...] = ("variable-mac",)

    def __init__(self, keys: Mapping[str, str] = {}) -> None:
        self._keys = keys

    def matches(self, payload: Payload) -> bool:
        """Return whether the payload is a wireless M-Bus frame that a station received with another MAC."""
        return payload.kind in self.kinds and link_address(payload.data) is not None

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> list[Reading]:
        """Return the readings of a frame. The ``key`` of the meter is in the parameters, or in ``MBUS_KEYS``.

        :raises DecodeError: ``no_key``, ``wrong_key``, ``bad_checksum``, ``bad_frame``, ...
        """
        frame = payload.data
        if not frame:
            raise DecodeError("empty", "no bytes")
        key = aes_key(parameters or self._parameters(frame))
        if frame[0] != _WIRED:
            frame = without_checksums(frame)
            if key is not None and is_link_encrypted(frame):
                frame, key = decrypt_link_layer(frame, key), None
        found = _parse(frame, key)
        _check_security(found["security"], key is not None)
        readings = _readings(found["records"])
        if not readings and found["decode_state"] != "complete":
            reasons = [said["message"] for said in found["diagnostics"] if said["severity"] != "info"]
            raise DecodeError("bad_record", "; ".join(reasons)[:MAX_TEXT] or "no record can be read")
        return readings

    def _parameters(self, frame: bytes) -> Mapping[str, str]:
        sender = link_address(frame) if self._keys else None
        key = None if sender is None else self._keys.get(f"{sender.manufacturer}-{sender.identification}")
        return {} if key is None else {"key": key}


@implementer(IDecoderFactory)
class MBusDecoderFactory:
    """Offers :class:`MBusDecoder` to the plugin system.

    :param settings: the row of ``MBUS_KEYS``.
    """

    name = MBusDecoder.name
    description = "Wireless M-Bus and OMS meters, plain and encrypted (extra mbus)"

    def __init__(self, settings: Sequence[object] = ()) -> None:
        self.settings = settings

    def build(self, settings: Mapping[str, Any]) -> MBusDecoder:
        """Return the decoder; the extra is only needed when there is a frame."""
        return MBusDecoder(settings.get("MBUS_KEYS") or {})


def without_checksums(frame: bytes) -> bytes:
    """Return a wireless frame without the checksums of format A, if it has them.

    :raises DecodeError: its length field fits neither form, or a checksum is wrong.
    """
    plain = frame[0] + 1
    blocks = 1 + max(0, -(-(plain - FIRST_BLOCK) // _BLOCK))
    with_checksums = plain + _CHECKSUM * blocks
    if plain < FIRST_BLOCK or len(frame) < plain:
        raise DecodeError("too_short", f"byte 0: {max(plain, FIRST_BLOCK)} bytes, there are {len(frame)}")
    if len(frame) == plain:
        return frame
    if len(frame) != with_checksums:
        raise DecodeError("bad_frame", f"byte 0: {plain} or {with_checksums} bytes, there are {len(frame)}")
    found = b""
    at = 0
    while at < len(frame):
        end = min(at + (_BLOCK if at else FIRST_BLOCK), len(frame) - _CHECKSUM)
        block = frame[at:end]
        at = end + _CHECKSUM
        if checksum(block) != int.from_bytes(frame[end:at], "big"):
            raise DecodeError("bad_checksum", f"byte {end}: the checksum of the preceding block is wrong")
        found += block
    return found


def _parse(frame: bytes, key: bytes | None) -> dict[str, Any]:
    try:
        parser: Any = import_module("pymbusparser")
    except ImportError:
        raise DecodeError("not_installed", INSTALL) from None
    try:
        found: dict[str, Any] = parser.parse(frame, key=key, include_enrichment=False)
    except ValueError as error:
        text = str(error)[:MAX_TEXT]
        raise DecodeError("unsupported_encryption" if _UNSUPPORTED in text else "bad_frame", text) from None
    except BaseException as error:  # a panic of the parser is not an Exception
        if type(error).__module__ != _PANIC:
            raise
        raise DecodeError("bad_frame", "the parser could not read the frame") from None
    return found


def _check_security(security: Mapping[str, Any], has_key: bool) -> None:
    state = security["decryption_state"]
    if state == "key_missing":
        if not has_key:
            raise DecodeError("no_key", "encrypted; decoderParameters need a key")
        mode = security.get("mode") or "of the link layer"
        raise DecodeError("unsupported_encryption", f"encryption mode {mode} is not supported")
    if state != "not_applicable" and not (security.get("decrypted_payload_hex") or "").startswith(_DECRYPTED):
        raise DecodeError("wrong_key", "the key in decoderParameters does not fit this meter")


def _readings(records: Sequence[Mapping[str, Any]]) -> list[Reading]:
    found: dict[str, Reading] = {}
    for record in records[:MAX_READINGS]:
        quantities = record["quantities"]
        value = _value(record["value"])
        if not quantities or value is None:
            continue
        base, *qualifiers = map(_word, quantities)
        unit: str | None = record.get("unit")
        how = rule(base, None if unit is None else _UNITS.get(unit, unit))
        name = how.name + "".join(f"_{word}" for word in qualifiers) + _register(record)
        name = name[: MAX_NAME - 4]
        number = 2
        unique = name
        while unique in found:
            unique = f"{name}_{number}"
            number += 1
        is_text = isinstance(value, str)
        found[unique] = Reading(unique, value if is_text else how.value(value), None if is_text else how.unit)
    return list(found.values())


def _register(record: Mapping[str, Any]) -> str:
    """Return the name of the meter's register, if it is not the first."""
    ending = ""
    for field in ("storage", "tariff", "subunit"):
        number = record.get("storage_number" if field == "storage" else field)
        if number:
            ending += f"_{field}_{number}"
    return ending + _FUNCTIONS.get(record["function"], "")


def _value(value: Mapping[str, Any]) -> float | int | str | None:
    """Return a record's value; None if there is none that a reading can hold."""
    kind, given = value["kind"], value.get("value")
    if kind == "decimal":
        return _number(given)
    if kind == "float":
        return given if isinstance(given, int | float) and isfinite(given) else None
    if kind in ("text", "date", "time", "datetime") and isinstance(given, str):
        return given.strip()[:MAX_TEXT]
    return None


def _number(text: Any) -> float | int | None:
    try:
        number: float | int = float(text) if "." in text else int(text)
    except (TypeError, ValueError):
        return None
    return number if abs(number) <= _LARGEST else None


def _word(quantity: str) -> str:
    return _NOT_A_NAME.sub("_", _BRACKETS.sub("", quantity).lower()).strip("_")
