"""Many base stations at once: CSV and JSON, in and out, with every wrong row named.

CSV has a head row with the names of the fields; ``lat``, ``lon`` and ``place`` stand for the location,
tags are separated by ``;``; see :mod:`bssci.web.api.spreadsheets` for what else is done for spreadsheets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from bssci.model.base_station import StationChange, parse_station_change, station_faults
from bssci.model.entry_error import EntryError
from bssci.stations.registry import MAX_STATIONS
from bssci.web.api.entry_files import EntryFile, Numbered, SpoiltRow, gather, read_array, read_table
from bssci.web.api.spreadsheets import (
    CSV,
    FALSE,
    LOST_DIGITS,
    TRUE,
    decoded,
    guarded,
    is_made_a_number,
    unguarded,
    write_rows,
)
from bssci.web.api.tag_cells import TagCells
from bssci.web.http.routing import JSON

COLUMNS = ("eui", "name", "lat", "lon", "place", "tags", "note", "blocked")
_TAGS = TagCells(splits_words=False)


def read_stations(data: bytes, content_type: str) -> EntryFile[StationChange]:
    """Read the entries of a file. Blocks: belongs in a thread.

    :raises ApiError: it is neither CSV nor JSON, or far too long.
    """
    text = decoded(data, is_csv=content_type != JSON)
    if content_type == CSV or (content_type != JSON and text.lstrip()[:1] not in ("[", "{")):
        entries: Iterable[Numbered] = read_table(text, str.lower, _row_reader)
    else:
        entries, _ = read_array(text, "base_stations", "base stations")
    return gather(entries, parse_station_change, _faults, most=MAX_STATIONS, noun="base stations")


def _faults(entry: Any, error: EntryError) -> Iterator[dict[str, str]]:
    """Yield every fault of an entry: field and message."""
    faults = {error.field: error.message}
    if isinstance(entry, Mapping):
        faults |= station_faults(entry)
    for name, message in faults.items():
        yield {"field": name, "message": message}


def write_csv(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return entries as CSV, with a byte order mark, by which spreadsheets know UTF-8."""
    return write_rows([COLUMNS, *map(_cells, entries)])


def write_json(entries: Iterable[Mapping[str, Any]]) -> bytes:
    """Return entries as JSON."""
    return json.dumps(list(entries), ensure_ascii=False, allow_nan=False, indent=1).encode() + b"\n"


def _cells(entry: Mapping[str, Any]) -> list[str]:
    place = entry["location"] or {}
    cells = {
        "lat": place.get("lat", ""),
        "lon": place.get("lon", ""),
        "place": place.get("text", ""),
        "tags": _TAGS.write(entry["tags"]),
        "blocked": bool(entry["blocked"]),
    }
    return [_cell(cells.get(name, entry.get(name, ""))) for name in COLUMNS]


def _cell(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value) if isinstance(value, str) else str(value)


def _row_reader(names: list[str]) -> Callable[[Sequence[str]], dict[str, Any] | SpoiltRow]:
    is_located = not {"lat", "lon", "place"}.isdisjoint(names)
    return lambda cells: _row(names, is_located, cells)


def _row(names: list[str], is_located: bool, cells: Sequence[str]) -> dict[str, Any] | SpoiltRow:
    entry: dict[str, Any] = {}
    faults: dict[str, str] = {}
    place: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        text = unguarded(cell)
        if name in ("lat", "lon"):
            if text:
                try:
                    place[name] = float(text.replace(",", "."))
                except ValueError:
                    faults["location"] = f"{name} must be a number of degrees"
        elif name == "eui" and is_made_a_number(text, 16):
            faults[name] = LOST_DIGITS
        elif name == "place":
            if text:
                place["text"] = text
        elif name == "tags":
            _TAGS.enter(text, entry, faults)
        elif name == "blocked":
            if text:
                word = text.lower()
                entry[name] = True if word in TRUE else False if word in FALSE else text
        elif name:
            entry[name] = text
    if is_located:
        entry["location"] = place or None
    return SpoiltRow(entry, faults) if faults else entry
