"""Many sensors at once: CSV and JSON, in and out, with every wrong row named.

CSV has a head row with the names of endpoints.json; see :mod:`bssci.web.api.spreadsheets`. What goes out
comes in again as it was:

    tags     separated by ``;`` or, where there is none, by spaces; as a JSON array where that does not do
    extra    all fields that are not ours, as a JSON object
    '        in front of what a spreadsheet would change or carry out
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from bssci.center.devices.completing import completed
from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_to_json
from bssci.model.entry_error import EntryError
from bssci.model.sensor import SECRETS, faults_of_entered, sensor_faults
from bssci.settings.rows import MASK
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
from bssci.web.api.tag_cells import TagCells, parsed
from bssci.web.http.call import refuse_dry_run
from bssci.web.http.routing import JSON
from bssci.web.reports.sensors import masked

CSV_TYPES = frozenset({CSV, "text/tab-separated-values", "application/vnd.ms-excel"})
MAX_SENSORS = 100_000
COLUMNS = (
    "eui",
    "name",
    "nwKey",
    "shortAddr",
    "bidi",
    "dualChan",
    "repetition",
    "wideCarrOff",
    "longBlkDist",
    "autoDetach",
    "typeEui",
    "tags",
    "decoder",
    "decoderParameters",
    "interval",
    "location",
    "extra",
)
_FLAGS = {"bidi", "dualChan", "repetition", "wideCarrOff", "longBlkDist", "autoDetach"}
_JSON = {"decoderParameters", "interval", "location"}
_OURS = set(COLUMNS) - {"extra", "decoder", *_JSON}
"""fields that ``extra`` must not have"""
_DIGITS = {"eui": 16, "nwKey": 32, "shortAddr": 4, "typeEui": 16}
"""hexadecimal digits of a field"""
_LOWER = {column.lower(): column for column in COLUMNS}
_OWN = frozenset(COLUMNS)
_TAGS = TagCells(splits_words=True)
_ANY: Mapping[str, Any] = {"nwKey": "0" * 32, "decoderParameters": None}
"""valid values of secrets"""

Known = Callable[[EUI], Sensor | None]
"""Returns a sensor as it is; None if it is not configured."""


def read_sensors(data: bytes, content_type: str, known: Known) -> EntryFile[Sensor]:
    """Read the sensors of a file. Blocks: belongs in a thread.

    :param known: the sensor as it is: what the file does not name stays, and so do masked secrets.
    :raises ApiError: it is neither CSV nor JSON, or far too long.
    """
    text = decoded(data, is_csv=content_type != JSON)
    if content_type in CSV_TYPES or (content_type != JSON and text.lstrip()[:1] not in ("[", "{")):
        entries: Iterable[Numbered] = read_table(
            text, lambda name: _LOWER.get(name.lower(), name), lambda names: _row_reader(names, known)
        )
    else:
        given, about = read_array(text, "sensors", "sensors")
        refuse_dry_run(about)
        entries = ((number, _whole(entry, known)) for number, entry in given)
    return gather(
        entries,
        lambda entry: _entered(entry, known),
        _faults,
        most=MAX_SENSORS,
        noun="sensors",
    )


def _entered(entry: Any, known: Known) -> Sensor:
    _refuse_masked(entry)
    sensor = parse_sensor(entry)
    if faults := faults_of_entered(sensor, known(sensor.eui)):
        raise SensorError(*next(iter(faults.items())))
    return sensor


def _faults(entry: Any, error: EntryError) -> Iterator[dict[str, str]]:
    """Yield every fault of an entry: field and message."""
    faults = {error.field: error.message}
    if isinstance(entry, Mapping):
        # Of a secret that is masked nobody knows what it is: all else is read all the same.
        faults |= sensor_faults({**entry, **{name: _ANY[name] for name in _masked(entry)}})
    for name, message in faults.items():
        yield {"field": name, "message": message}


def write_csv(sensors: Iterable[Sensor], with_keys: bool, separator: str = ",") -> bytes:
    """Return sensors as CSV. Blocks for many: belongs in a thread."""
    return write_rows(chain([COLUMNS], (_cells(sensor, with_keys) for sensor in sensors)), separator)


def write_json(sensors: Iterable[Sensor], with_keys: bool) -> bytes:
    """Return sensors as endpoints.json has them."""
    lines = ",\n".join(
        json.dumps(_entry(sensor, with_keys), ensure_ascii=False, allow_nan=False) for sensor in sensors
    )
    return f"[\n{lines}\n]\n".encode() if lines else b"[]\n"


def _entry(sensor: Sensor, with_keys: bool) -> dict[str, Any]:
    return sensor_to_json(sensor) if with_keys else masked(sensor)


def _cells(sensor: Sensor, with_keys: bool) -> list[str]:
    entry = _entry(sensor, with_keys) | {"extra": dict(sensor.extra)}
    return [_cell(entry.get(column, "")) for column in COLUMNS]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        value = _json_text(value)
    if isinstance(value, list):
        value = _TAGS.write(value)
    if isinstance(value, dict):
        value = _json_text(value) if value else ""
    return guarded(value)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _masked(entry: Any) -> list[str]:
    """Return the secrets of an entry that are masked."""
    return [field for field in SECRETS if isinstance(entry, Mapping) and entry.get(field) == MASK]


def _refuse_masked(entry: Any) -> None:
    """Check that an entry has its secrets: a known sensor has got back what was masked.

    :raises SensorError: one is masked.
    """
    if hidden := _masked(entry):
        raise SensorError(hidden[0], "is masked, and the sensor is not known yet: give it as it is")


def _whole(entry: Any, known: Known, cleared: Collection[str] = ()) -> Any:
    """Return the entry with what it does not name of a known sensor; that of an unknown one as it is.

    :param cleared: fields that have no value where the entry does not name them.
    """
    try:
        sensor = known(parse_eui(str(entry.get("eui")))) if isinstance(entry, Mapping) else None
    except ValueError:
        return entry
    if sensor is None:
        return entry
    return {
        field: value
        for field, value in completed(entry, sensor).items()
        if field in entry or field == "nwKey" or not _is_among(field, cleared)
    }


def _is_among(field: str, columns: Collection[str]) -> bool:
    return field in columns or ("extra" in columns and field not in _OWN)


def _row_reader(names: list[str], known: Known) -> Callable[[Sequence[str]], dict[str, Any] | SpoiltRow]:
    cleared = frozenset(names)

    def read(cells: Sequence[str]) -> dict[str, Any] | SpoiltRow:
        entry, faults = _row(names, cells)
        whole = {"bidi": False} | _whole(entry, known, cleared)
        return SpoiltRow(whole, faults) if faults else whole

    return read


def _row(names: list[str], cells: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the entry that the cells of a row make, and the fault of each cell that cannot be read."""
    entry: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, cell in zip(names, cells, strict=False):
        text = unguarded(cell)
        if not text or not name:
            continue
        if name in _FLAGS:
            word = text.lower()
            entry[name] = True if word in TRUE else False if word in FALSE else text
        elif name in _DIGITS and is_made_a_number(text, _DIGITS[name]):
            faults[name] = LOST_DIGITS
        elif name == "tags":
            _TAGS.enter(text, entry, faults)
        elif name in _JSON:
            value = text if text == MASK else parsed(text)
            if value is None:
                faults[name] = "must be JSON"
            else:
                entry[name] = value
        elif name == "extra":
            extra = parsed(text)
            if not isinstance(extra, dict) or extra.keys() & _OURS:
                faults["extra"] = "must be a JSON object of fields that have no column"
            else:
                entry |= extra
        else:
            entry[name] = text
    return entry, faults
