"""Many base stations at once: CSV and JSON, in and out, with every wrong row named.

CSV has a head row with the names of the fields; ``lat``, ``lon`` and ``place`` stand for the location,
tags are separated by ``;``, and ``'`` stands in front of what a spreadsheet would take for a formula.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bssci.model import EUI
from bssci.model.base_station import StationChange, StationError, parse_station_change
from bssci.web.http.errors import ApiError
from bssci.web.http.reading import parse_json

MAX_STATIONS = 20_000
MAX_ERRORS = 200
"""rows whose errors are told"""
COLUMNS = ("eui", "name", "lat", "lon", "place", "tags", "note", "blocked")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_WORDS = {
    **dict.fromkeys(("true", "1", "yes", "wahr", "ja"), True),
    **dict.fromkeys(("false", "0", "no", "falsch", "nein"), False),
}


@dataclass
class StationFile:
    """The entries of a file, and its wrong rows."""

    changes: list[StationChange] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """row, field, message"""
    wrong: int = 0
    """rows with errors, also those beyond what is told"""
    rows: int = 0


def read_stations(data: bytes, content_type: str) -> StationFile:
    """Read the entries of a file. Blocks: belongs in a thread.

    :raises ApiError: it is neither CSV nor JSON, or far too long.
    """
    text = _text(data)
    is_csv = content_type == "text/csv" or text.lstrip()[:1] not in ("[", "{")
    entries = _csv(text) if is_csv else _json(text)
    found = StationFile()
    seen: dict[EUI, int] = {}
    for number, entry in enumerate(entries, 1):
        found.rows = number
        if number > MAX_STATIONS:
            raise ApiError(422, "too_large", f"{MAX_STATIONS} base stations are allowed in one file")
        try:
            if isinstance(entry, StationError):
                raise entry
            change = parse_station_change(entry)
            earlier = seen.setdefault(change.eui, number)
            if earlier != number:
                raise StationError("eui", f"is already in row {earlier}")
        except StationError as error:
            found.wrong += 1
            if len(found.errors) < MAX_ERRORS:
                found.errors.append({"row": number, "field": error.field, "message": error.message})
        else:
            found.changes.append(change)
    return found


def write_csv(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return entries as CSV, with a byte order mark, by which spreadsheets know UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries:
        place = entry["location"] or {}
        cells = {
            "lat": place.get("lat", ""),
            "lon": place.get("lon", ""),
            "place": place.get("text", ""),
            "tags": ";".join(entry["tags"]),
            "blocked": "true" if entry["blocked"] else "false",
        }
        writer.writerow([_cell(cells.get(name, entry.get(name, ""))) for name in COLUMNS])
    return out.getvalue().encode("utf-8-sig")


def write_json(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return entries as JSON."""
    return json.dumps(list(entries), ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def _text(data: bytes) -> str:
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ApiError(400, "malformed", "the file is neither UTF-8 nor UTF-16: save it as UTF-8", "body")


def _json(text: str) -> list[Any]:
    entries = parse_json(text, "the file", lenient=True)
    if isinstance(entries, dict) and isinstance(entries.get("base_stations"), list):
        entries = entries["base_stations"]
    if not isinstance(entries, list):
        raise ApiError(400, "malformed", "the file must be a JSON array of base stations", "body")
    return entries


def _csv(text: str) -> list[dict[str, Any] | StationError]:
    head, _, rest = text.partition("\n")
    separator = max(";\t,", key=head.count)
    if head.strip().lower().startswith("sep="):
        separator, text = head.strip()[4:5] or ",", rest
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        names = [name.strip().lower() for name in next(reader, [])]
        if "eui" not in names:
            raise ApiError(422, "invalid", "the first row must name the columns, eui among them", "eui")
        return [_row(names, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ApiError(400, "malformed", f"the file is no CSV: {error}", "body") from None


def _row(names: list[str], cells: list[str]) -> dict[str, Any] | StationError:
    entry: dict[str, Any] = {}
    place: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        text = _plain(cell)
        if name in ("lat", "lon"):
            if text:
                try:
                    place[name] = float(text.replace(",", "."))
                except ValueError:
                    return StationError("location", f"{name} must be a number of degrees")
        elif name == "place":
            if text:
                place["text"] = text
        elif name == "tags":
            entry[name] = [tag.strip() for tag in text.split(";") if tag.strip()]
        elif name == "blocked":
            if text:
                entry[name] = _WORDS.get(text.lower(), text)
        elif name:
            entry[name] = text
    if {"lat", "lon", "place"} & set(names):
        entry["location"] = place or None
    return entry


def _plain(cell: str) -> str:
    """Return the content of a cell, without the marks that keep spreadsheets from changing it."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"'):
        return text[2:-1]
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def _cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
