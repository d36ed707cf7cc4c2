"""Files of many entries: read as a whole, with every wrong row named."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from bssci.model import EUI
from bssci.model.entry_error import EntryError
from bssci.web.api.spreadsheets import read_rows
from bssci.web.http.errors import ApiError
from bssci.web.http.reading import parse_json

MAX_ERRORS = 200
"""rows whose errors are listed"""


class HasEui(Protocol):
    """An entry of a sensor or a base station."""

    @property
    def eui(self) -> EUI: ...


E = TypeVar("E", bound=HasEui)
Numbered = tuple[int, Any]
"""an entry as in the file, after the number of its row"""
EntryFaults = Iterable[Mapping[str, str]]
"""``field`` and ``message`` of each fault of an entry"""


@dataclass(frozen=True)
class SpoiltRow:
    """A row of which some cells cannot be read."""

    entry: Mapping[str, Any]
    """entry that the other cells make"""
    faults: Mapping[str, str]
    """message by field"""


@dataclass
class EntryFile(Generic[E]):
    """The entries of a file, and its wrong rows."""

    entries: list[E] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """row, field, message"""
    wrong: int = 0
    """rows with errors, also those beyond the limit"""
    rows: int = 0


def gather(
    given: Iterable[Numbered],
    parse: Callable[[Any], E],
    faults: Callable[[Any, EntryError], EntryFaults] = lambda entry, error: [_fault(error)],
    *,
    most: int,
    noun: str,
) -> EntryFile[E]:
    """Parse the entries of a file.

    :param given: an entry as in the file, or its :class:`SpoiltRow`, or the error of the whole row; each with
        the number of its row.
    :param parse: raises EntryError.
    :param faults: yields further faults of a wrong entry.
    :param most: entries of one file.
    :param noun: of the entries, for people.
    :raises ApiError: 422: there are too many.
    """
    found: EntryFile[E] = EntryFile()
    seen: dict[EUI, int] = {}
    for number, each in given:
        found.rows += 1
        if found.rows > most:
            raise ApiError(422, "too_large", f"{most} {noun} are allowed in one file")
        try:
            if isinstance(each, EntryError):
                raise each
            if isinstance(each, SpoiltRow):
                raise EntryError(*next(iter(each.faults.items())))
            entry = parse(each)
            earlier = seen.setdefault(entry.eui, number)
            if earlier != number:
                raise EntryError("eui", f"is already in row {earlier}")
        except EntryError as error:
            found.wrong += 1
            if found.wrong <= MAX_ERRORS:
                listed = _all_of(each, parse, faults) if isinstance(each, SpoiltRow) else faults(each, error)
                found.errors += [{"row": number, **fault} for fault in listed]
        else:
            found.entries.append(entry)
    return found


def read_array(text: str, key: str, noun: str) -> tuple[Iterable[Numbered], Mapping[str, Any]]:
    """Return the entries of a JSON file, numbered from 1: an array, or an object that has one under ``key``;
    and that object.

    :raises ApiError: 400: it is neither.
    """
    value = parse_json(text, "the file", lenient=True)
    about: Mapping[str, Any] = {}
    if isinstance(value, dict) and isinstance(value.get(key), list):
        about, value = value, value[key]
    if not isinstance(value, list):
        raise ApiError(400, "malformed", f"the file must be a JSON array of {noun}", "body")
    return enumerate(value, 1), about


def read_table(
    text: str, name_of: Callable[[str], str], reader_of: Callable[[list[str]], Callable[[Sequence[str]], Any]]
) -> Iterator[Numbered]:
    """Yield the entries of a CSV file, as far as they are wanted, each with the number of its row as
    spreadsheets count: the columns are named in row 1. Empty rows are skipped.

    :param name_of: the name of a column as the file spells it.
    :param reader_of: the function from a row's cells to its entry, made once of the columns' names: there may
        be a million columns, and a million rows.
    :raises ApiError: it is no CSV, or its first row names no ``eui``.
    """
    try:
        rows = iter(read_rows(text))
        names = [name_of(name.strip()) for name in next(rows, ())]
        if "eui" not in names:
            raise ApiError(422, "invalid", "the first row must name the columns, eui among them", "eui")
        entry_of = reader_of(names)
        for number, cells in enumerate(rows, 2):
            if any(cell.strip() for cell in cells):
                yield number, _too_long(names, cells) or entry_of(cells)
    except csv.Error as error:
        raise ApiError(400, "malformed", f"the file is no CSV: {error}", "body") from None


def _too_long(names: list[str], cells: Sequence[str]) -> EntryError | None:
    if not any(cell.strip() for cell in cells[len(names) :]):
        return None
    message = f"has {len(cells)} cells, but the first row names {len(names)}: quote cells with separators"
    return EntryError("row", message)


def _all_of(
    row: SpoiltRow, parse: Callable[[Any], Any], faults: Callable[[Any, EntryError], EntryFaults]
) -> EntryFaults:
    """Return the faults of a row's cells, then those of the entry that the other cells make."""
    found = dict(row.faults)
    try:
        parse(row.entry)
    except EntryError as error:
        for fault in faults(row.entry, error):
            found.setdefault(fault["field"], fault["message"])
    return [{"field": name, "message": message} for name, message in found.items()]


def _fault(error: EntryError) -> dict[str, str]:
    return {"field": error.field, "message": error.message}
