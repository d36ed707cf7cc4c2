"""Many sensors at once: CSV and JSON, in and out, with every wrong row named.

CSV has a head row with the names of endpoints.json; ``,`` or ``;`` between, ``true``/``false`` for flags.
What goes out comes in again as it was:

    tags     separated by ``;`` or, where there is none, by spaces; as a JSON array where that does not do
    extra    all fields that are not ours, as a JSON object
    '        in front of what a spreadsheet would take for a formula, and of what begins or ends with a space
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bssci.model import EUI, Sensor, SensorError, parse_eui, parse_sensor, sensor_to_json
from bssci.model.sensor import SECRETS
from bssci.model.strict_json import JsonError, read_json
from bssci.settings.rows import MASK
from bssci.web.http.call import refuse_dry_run
from bssci.web.http.errors import ApiError
from bssci.web.http.reading import parse_json
from bssci.web.reports.sensors import masked, unmasked

MAX_SENSORS = 100_000
MAX_ERRORS = 200
"""rows whose errors are told"""
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
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LOWER = {column.lower(): column for column in COLUMNS}


@dataclass
class Import:
    """The sensors of a file, and its wrong rows."""

    sensors: list[Sensor] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """row, field, message"""
    wrong: int = 0
    """rows with errors, also those beyond what is told"""
    rows: int = 0


def read_sensors(data: bytes, content_type: str, known: Callable[[EUI], Sensor | None]) -> Import:
    """Read the sensors of a file. Blocks: belongs in a thread.

    :param known: the sensor as it is; it keeps its key where the file's is masked.
    :raises ApiError: it is neither CSV nor JSON, or far too long.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApiError(
            400, "malformed", f"the file is not UTF-8 (byte {error.start + 1}): save it as UTF-8", "body"
        ) from None
    if content_type == "text/csv" or (content_type != "application/json" and text[:1] not in ("[", "{")):
        entries = _csv(text)
    else:
        entries = _json(text)
    found = Import()
    seen: dict[EUI, int] = {}
    for number, entry in enumerate(entries, 1):
        found.rows = number
        if number > MAX_SENSORS:
            raise ApiError(422, "too_large", f"{MAX_SENSORS} sensors are allowed in one file")
        try:
            sensor = parse_sensor(_with_key(entry, known))
            earlier = seen.setdefault(sensor.eui, number)
            if earlier != number:
                raise SensorError("eui", f"is already in row {earlier}")
        except SensorError as error:
            found.wrong += 1
            if len(found.errors) < MAX_ERRORS:
                found.errors.append({"row": number, "field": error.field, "message": error.message})
        else:
            found.sensors.append(sensor)
    return found


def write_csv(sensors: Iterable[Sensor], with_keys: bool) -> bytes:
    """Return sensors as CSV. Blocks for many: belongs in a thread."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for sensor in sensors:
        entry = _entry(sensor, with_keys) | {"extra": dict(sensor.extra)}
        writer.writerow([_cell(entry.get(column, "")) for column in COLUMNS])
    return out.getvalue().encode()


def write_json(sensors: Iterable[Sensor], with_keys: bool) -> bytes:
    """Return sensors as endpoints.json has them."""
    lines = ",\n".join(
        json.dumps(_entry(sensor, with_keys), ensure_ascii=False, allow_nan=False) for sensor in sensors
    )
    return f"[\n{lines}\n]\n".encode() if lines else b"[]\n"


def _entry(sensor: Sensor, with_keys: bool) -> dict[str, Any]:
    return sensor_to_json(sensor) if with_keys else masked(sensor)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        value = _json_text(value)
    if isinstance(value, list):
        value = _joined(value)
    if isinstance(value, dict):
        value = _json_text(value) if value else ""
    return f"'{value}" if _is_guarded(value) else value


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _is_guarded(text: str) -> bool:
    """Return whether a text needs ``'`` in front; also a text that looks as if it had one."""
    return (
        text.strip() != text or text.startswith(_FORMULA) or (text.startswith("'") and _is_guarded(text[1:]))
    )


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_guarded(cell[1:]) else cell.strip()


def _joined(tags: list[str]) -> str:
    """Return tags in one cell: a single one with spaces ends in ``;``, lest it is read as many."""
    text = ";".join(tags) + (";" if len(tags) == 1 and " " in tags[0] else "")
    return text if _tags(text) == tags else _json_text(tags)


def _tags(text: str) -> list[str]:
    listed = _parsed(text) if text.startswith("[") else None
    if isinstance(listed, list) and all(isinstance(tag, str) for tag in listed):
        return listed
    if ";" not in text:
        return text.split()
    return [tag.strip() for tag in text.split(";") if tag.strip()]


def _parsed(text: str) -> Any:
    """Return the value of JSON; None if it is none."""
    try:
        return read_json(text, lenient=True)
    except JsonError:
        return None


def _with_key(entry: Any, known: Callable[[EUI], Sensor | None]) -> Any:
    """Return the entry with the secrets that the sensor has, where the file's are masked.

    :raises SensorError: there is no such sensor; or no entry could be read at all.
    """
    if isinstance(entry, SensorError):
        raise entry
    hidden = [field for field in SECRETS if isinstance(entry, dict) and entry.get(field) == MASK]
    if not hidden:
        return entry
    try:
        sensor = known(parse_eui(str(entry.get("eui"))))
    except ValueError:
        return entry
    if sensor is None:
        raise SensorError(hidden[0], "is masked, and the sensor is not known yet: give it as it is")
    return unmasked(entry, sensor)


def _json(text: str) -> list[Any]:
    entries = parse_json(text, "the file", lenient=True)
    if isinstance(entries, dict):
        refuse_dry_run(entries)
    if isinstance(entries, dict) and isinstance(entries.get("sensors"), list):
        entries = entries["sensors"]
    if not isinstance(entries, list):
        raise ApiError(400, "malformed", "the file must be a JSON array of sensors", "body")
    return entries


def _csv(text: str) -> list[dict[str, Any] | SensorError]:
    lines = io.StringIO(text, newline="")
    head = text.partition("\n")[0]
    try:
        reader = csv.reader(lines, delimiter=";" if head.count(";") > head.count(",") else ",", strict=True)
        names = [_LOWER.get(name.strip().lower(), name.strip()) for name in next(reader, [])]
        if "eui" not in names:
            raise ApiError(422, "invalid", "the first row must name the columns, eui among them", "eui")
        return [_row(names, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ApiError(400, "malformed", f"the file is no CSV: {error}", "body") from None


def _row(names: list[str], cells: list[str]) -> dict[str, Any] | SensorError:
    if any(cell.strip() for cell in cells[len(names) :]):
        message = f"has {len(cells)} cells, but the first row names {len(names)}: quote cells with separators"
        return SensorError("row", message)
    entry: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=False):
        text = _unguarded(cell)
        if not text or not name:
            continue
        if name in _FLAGS:
            word = text.lower()
            entry[name] = True if word in _TRUE else False if word in _FALSE else text
        elif name == "tags":
            entry[name] = _tags(text)
        elif name in _JSON:
            entry[name] = text if text == MASK else _parsed(text)
            if entry[name] is None:
                return SensorError(name, "must be JSON")
        elif name == "extra":
            extra = _parsed(text)
            if not isinstance(extra, dict) or extra.keys() & _OURS:
                return SensorError("extra", "must be a JSON object of fields that have no column")
            entry |= extra
        else:
            entry[name] = text
    entry.setdefault("bidi", False)
    return entry
