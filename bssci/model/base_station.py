"""Data that people enter about a base station, through a form, a file or the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bssci.model.entry_error import EntryError
from bssci.model.eui import EUI, parse_eui
from bssci.model.place import place_fault
from bssci.model.plain_text import entered_faults
from bssci.model.sensor import (
    MAX_FIELD,
    MAX_NAME,
    SensorError,
    parse_location,
    tags_fault,
    text_fault,
)

MAX_NOTE = 2000
"""characters of a note, at most"""
FIELDS = ("eui", "name", "location", "tags", "note", "blocked")
MAX_UNKNOWN = 20
"""unknown fields that are named"""
_NO_FIELD = f"is not a field; the fields are {', '.join(FIELDS)}"


class StationError(EntryError):
    """An entry about a base station is invalid; ``field`` names the field at fault."""


class StationChange(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of an entry to change; unset ones stay as they are."""

    eui: EUI
    name: str | msgspec.UnsetType = msgspec.UNSET
    location: Mapping[str, Any] | None | msgspec.UnsetType = msgspec.UNSET
    """``lat`` and ``lon`` (degrees), ``text``, each optional; None: unknown"""
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    blocked: bool | msgspec.UnsetType = msgspec.UNSET

    @property
    def fields(self) -> list[str]:
        """Names of the fields that are set, except the EUI."""
        return [name for name in FIELDS[1:] if getattr(self, name) is not msgspec.UNSET]


def parse_station_change(entry: object) -> StationChange:
    """Return the change that an entry of a form, a file or the API describes.

    :raises StationError: naming the field and what is allowed.
    """
    if not isinstance(entry, Mapping):
        raise StationError("entry", "must be an object")
    unknown = [field for field in entry if field not in FIELDS]
    if unknown:
        raise StationError(str(unknown[0])[:MAX_FIELD], _NO_FIELD)
    if "eui" not in entry:
        raise StationError("eui", "is missing")
    try:
        values: dict[str, Any] = {"eui": parse_eui(str(entry["eui"]))}
    except ValueError:
        raise StationError("eui", "must be 16 hexadecimal digits") from None
    for field, longest in (("name", MAX_NAME), ("note", MAX_NOTE)):
        if field in entry:
            text = entry[field] if entry[field] is not None else ""
            if fault := text_fault(text, longest):
                raise StationError(field, fault)
            values[field] = text.strip()
    if "tags" in entry:
        tags = entry["tags"] if entry["tags"] is not None else []
        if fault := tags_fault(tags):
            raise StationError("tags", fault)
        values["tags"] = tuple(tags)
    if "location" in entry:
        values["location"] = _location(entry)
    if "blocked" in entry:
        if not isinstance(entry["blocked"], bool):
            raise StationError("blocked", "must be true or false")
        values["blocked"] = entry["blocked"]
    _check_entered(values)
    return StationChange(**values)


def station_faults(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return every invalid field of an entry with what is allowed there; empty if the entry is valid.

    Of fields that are not known, which may be thousands, only some are named.
    """
    unknown = [field for field in entry if field not in FIELDS]
    found = {str(field)[:MAX_FIELD]: _NO_FIELD for field in unknown[:MAX_UNKNOWN]}
    left = {field: entry[field] for field in FIELDS if field in entry}
    while True:
        try:
            parse_station_change(left)
        except StationError as error:
            if error.field in found:
                return found
            found[error.field] = error.message
            # Parsing stops at the first fault: leave that field out to find the others.
            left.pop(error.field, None)
            if error.field == "eui":
                left["eui"] = "0" * 16
        else:
            return found


def _check_entered(values: Mapping[str, Any]) -> None:
    if faults := entered_faults(values):
        raise StationError(*next(iter(faults.items())))
    if alone := place_fault(values.get("location")):
        raise StationError("location", alone)


def _location(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    if entry["location"] in (None, {}):
        return None
    try:
        return parse_location(entry)
    except SensorError as error:
        raise StationError(error.field, error.message) from None
