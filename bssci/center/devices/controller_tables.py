"""Import of controllers from the tables of a database: templates, connectors, pins, data points, as JSON.

::

    DeviceTemplate --1:n-- DataPoint          --> a model of data points, for the folder of decoders
          |
        Device --MacAddress--> controller --1:n-- Connector --1:n-- Pin --DeviceId--> Device
                                   |                                 |
                                   v                                 v
                            f2:{mac}                     f2:{mac}/J1/3: name, model, decoder, parent, port

    device_parameters (of older installations)  --> parameters of f2:{mac}, for the decoder controller

Each table is a list of rows under its name. Names of tables and columns are accepted in any case, with or
without ``_``, and those of tables also in the plural. An invalid row is skipped and reported.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bssci.decoders import library
from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.controller_states import ENCODINGS, NAME, PARAMETER
from bssci.decoders.datapoints import MAX_POINTS, parse_datapoints
from bssci.model.plain_text import control_fault
from bssci.model.strict_json import JsonError, read_json

KIND = "f2"
"""kind of controllers and of devices at them, in front of their ids"""
MAX_WRONG = 100
"""invalid rows that are reported; further ones are only counted"""
MAX_TEXT = 200
"""characters of a name"""
MAX_PARAMETERS = 100
"""rows of device_parameters of one controller"""
MAX_MODELS = library.MAX_FILES
"""models of an import"""
MAX_NAME = 60
"""characters of the name of a decoder"""
_TABLES = ("devicetemplate", "device", "controller", "connector", "pin", "datapoint", "deviceparameter")
_MAC = re.compile(r"[0-9a-f]{12}")
_CONNECTOR = re.compile(r"[Jj]?([1-9])")
_POSITION = re.compile(r"(?:sensor-)?([1-9][0-9]?)")
_COMPONENT = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_NUMBER = re.compile(r"[0-9]{1,2}")
_OTHER = re.compile(r"[^a-z0-9]+")

ImportedRow = Mapping[str, Any]
"""a row: values by names of columns in lower case without ``_``"""


class ControllerTablesError(ValueError):
    """A text does not hold tables of controllers."""


class ControllerTables(NamedTuple):
    """Models and devices that the tables describe."""

    models: dict[str, str]
    """text of each model's file by the name of its decoder"""
    devices: dict[str, dict[str, Any]]
    """fields of a :class:`bssci.center.devices.device.Device` by its id"""
    empty_pins: int
    """pins without a device"""
    wrong: list[str]
    """faults of the rows that were skipped, at most :data:`MAX_WRONG`"""
    wrong_count: int


def read_controller_tables(text: str | bytes) -> ControllerTables:
    """Return the models and devices in the tables of a controllers' database.

    :raises ControllerTablesError: the text is not JSON, or not an object with such tables.
    """
    try:
        document = read_json(text)
    except JsonError as error:
        raise ControllerTablesError(f"is {error}") from error
    if not isinstance(document, dict):
        raise ControllerTablesError("must be an object with a list of rows for each table")
    reader = _Reader({_plain(name).removesuffix("s"): rows for name, rows in document.items()})
    return reader.read()


class _WrongRowError(ValueError):
    """A row that cannot be used."""


class _Reader:
    def __init__(self, tables: Mapping[str, Any]) -> None:
        if not any(name in tables for name in _TABLES):
            raise ControllerTablesError("has none of the tables DeviceTemplate, DataPoint, Device, Pin, ...")
        self._wrong: list[str] = []
        self._wrong_count = 0
        self._rows = {name: self._table(name, tables.get(name)) for name in _TABLES}
        self._by_id = {
            name: {_key(row["id"]): row for row in rows if row.get("id") is not None}
            for name, rows in self._rows.items()
        }
        self._models: dict[str, str] = {}
        self._decoders: dict[str, str] = {}
        """name of the decoder by the id of its template"""
        self._empty_pins = 0

    def read(self) -> ControllerTables:
        self._read_models()
        devices = self._read_devices()
        for id, entries in self._read_parameters().items():
            entry = devices.setdefault(id, {})
            entry |= {"decoder": NAME, "parameters": {PARAMETER: entries}}
        return ControllerTables(self._models, devices, self._empty_pins, self._wrong, self._wrong_count)

    def _table(self, name: str, rows: Any) -> list[ImportedRow]:
        if rows is None:
            return []
        if not isinstance(rows, list):
            raise ControllerTablesError(f"the table {name} must be a list of rows")
        found: list[ImportedRow] = []
        for number, row in enumerate(rows, 1):
            if isinstance(row, dict):
                found.append({_plain(column): value for column, value in row.items()})
            else:
                self._say(f"{name} {number}: must be an object")
        return found

    def _say(self, wrong: str) -> None:
        self._wrong_count += 1
        if len(self._wrong) < MAX_WRONG:
            self._wrong.append(wrong)

    # models

    def _read_models(self) -> None:
        points: dict[str, list[ImportedRow]] = {}
        for row in self._rows["datapoint"]:
            points.setdefault(_key(row.get("devicetemplateid")), []).append(row)
        for id in points.keys() - self._by_id["devicetemplate"].keys():
            self._say(f"datapoint {points[id][0].get('id')}: there is no template {id}")
        for id, template in self._by_id["devicetemplate"].items():
            try:
                title = _text(template, "model") or _text(template, "name")
                name = _slug(_text(template, "name") or title or f"template {id}")
            except _WrongRowError as error:
                self._say(f"devicetemplate {id}: {error}")
                continue
            if len(self._models) >= MAX_MODELS:
                self._say(f"devicetemplate {id}: {MAX_MODELS} templates with data points come before it")
                continue
            model = self._model(title, points.get(id, ()))
            if model is None:
                continue
            name = self._free(name)
            self._models[name] = model
            self._decoders[id] = name

    def _free(self, name: str) -> str:
        """Return a name, or one with a number after it, that no model has yet."""
        numbered, number = name, len(self._models)
        while numbered in self._models:
            number += 1
            numbered = f"{name[:40]}-{number}"
        return numbered

    def _model(self, title: str, rows: Sequence[ImportedRow]) -> str | None:
        """Return the text of a model's file; None if none of its data points can be used."""
        points: dict[str, dict[str, Any]] = {}
        for row in rows:
            try:
                if len(points) >= MAX_POINTS:
                    raise _WrongRowError(f"its template has {MAX_POINTS} already")
                point = _point(row)
                parse_datapoints("model", json.dumps({"dataPoints": [point]}))
                if point["name"] in points:
                    raise _WrongRowError(f"the label {point['name']} appears twice in its template")
            except DefinitionError as error:
                self._say(f"datapoint {row.get('id')}: {error.reason}")
            except _WrongRowError as error:
                self._say(f"datapoint {row.get('id')}: {error}")
            else:
                points[point["name"]] = point
        if not points:
            return None
        model = {"model": title, "check": "modbus", "dataPoints": list(points.values())}
        return json.dumps(model, indent=2, ensure_ascii=False) + "\n"

    # devices

    def _read_devices(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row in self._rows["pin"]:
            if row.get("deviceid") is None:
                self._empty_pins += 1
                continue
            try:
                mac, controller, port = self._place(row)
                device = self._referred(row, "deviceid", "device")
                id = f"{KIND}:{mac}/{port}"
                if id in found:
                    raise _WrongRowError(f"another pin is at {id} already")
                described = {**self._described(device), "parent": f"{KIND}:{mac}", "port": port}
                at_controller = self._described(controller)
            except _WrongRowError as error:
                self._say(f"pin {row.get('id')}: {error}")
                continue
            found.setdefault(f"{KIND}:{mac}", at_controller)
            found[id] = described
        return found

    def _read_parameters(self) -> dict[str, list[dict[str, Any]]]:
        """Return the decoder parameters for the components of each controller, by the controller's id."""
        found: dict[str, list[dict[str, Any]]] = {}
        for number, row in enumerate(self._rows["deviceparameter"], 1):
            try:
                given = _text(row, "deviceid")
                device = self._by_id["device"].get(given)
                mac = _mac(_text(device, "macaddress") if device is not None else given)
                entries = found.setdefault(f"{KIND}:{mac}", [])
                if len(entries) >= MAX_PARAMETERS:
                    raise _WrongRowError(f"its controller has {MAX_PARAMETERS} already")
                entries.append(_parameter(row))
            except _WrongRowError as error:
                self._say(f"device_parameters {row.get('id', number)}: {error}")
        return {id: entries for id, entries in found.items() if entries}

    def _place(self, pin: ImportedRow) -> tuple[str, ImportedRow, str]:
        """Return the MAC address of a pin's controller, the controller's row, and the port: ``J1/3``."""
        connector = self._referred(pin, "connectorid", "connector")
        controller = self._referred(connector, "controllerid", "controller", "device")
        mac = _mac(_text(controller, "macaddress"))
        number = _CONNECTOR.fullmatch(_text(connector, "connectornumber"))
        if number is None:
            raise _WrongRowError("its connector has no ConnectorNumber, 1 to 9")
        position = _text(pin, "position")
        place = _POSITION.fullmatch(position)
        if place is None and not _COMPONENT.fullmatch(position):
            raise _WrongRowError("its Position is neither a number nor a component such as strike-1")
        return mac, controller, f"J{number[1]}/{place[1] if place else position}"

    def _referred(self, row: ImportedRow, column: str, *tables: str) -> ImportedRow:
        id = _key(row.get(column))
        for table in tables:
            if id in self._by_id[table]:
                return self._by_id[table][id]
        raise _WrongRowError(f"there is no {tables[-1]} {id}")

    def _described(self, device: ImportedRow) -> dict[str, Any]:
        """Return name, model and decoder of a device.

        :raises _WrongRowError: one has control characters.
        """
        id = _key(device.get("devicetemplateid"))
        template = self._by_id["devicetemplate"].get(id, {})
        name = _text(device, "devicename") or _text(device, "name") or _text(device, "serialnumber")
        found: dict[str, Any] = {
            "name": name,
            "model": _text(template, "model") or _text(template, "name"),
        }
        if id in self._decoders:
            found["decoder"] = self._decoders[id]
        return found


def _mac(text: str) -> str:
    mac = re.sub(r"[:\-.\s]", "", text.lower().removeprefix(f"{KIND}-"))
    if not _MAC.fullmatch(mac):
        raise _WrongRowError("its controller has no MacAddress of 12 hexadecimal digits")
    return mac


def _parameter(row: ImportedRow) -> dict[str, Any]:
    """Return a row of the table device_parameters as a parameter of the decoder."""
    component, number = _text(row, "componenttype"), _text(row, "componentid")
    if not component:
        raise _WrongRowError("component_type is missing")
    digits = number.rpartition("-")[2]
    if number and not _NUMBER.fullmatch(digits):
        raise _WrongRowError("component_id must be a number")
    encoding = _text(row, "encodingtype")
    if encoding not in ENCODINGS:
        raise _WrongRowError(f"encoding_type must be one of {', '.join(ENCODINGS)}")
    scale = row.get("scalingfactor")
    try:
        factor = 1.0 if scale is None else float(scale)
        if not math.isfinite(factor):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise _WrongRowError("scaling_factor must be a number") from None
    return {
        "mode": _text(row, "connectormode") or None,
        "component": component,
        "number": int(digits) if number else None,
        "encoding": encoding,
        "unit": _text(row, "units") or None,
        "scale": factor,
    }


def _point(row: ImportedRow) -> dict[str, Any]:
    """Return a row of the table DataPoint as a data point of a model."""
    columns = {
        "name": _text(row, "label") or None,
        "encoding": row.get("dataencoding"),
        "offset": row.get("offset"),
        "length": row.get("length"),
        "decimals": row.get("decimals"),
        "unit": _text(row, "append") or None,
    }
    return {name: value for name, value in columns.items() if value is not None}


def _key(value: Any) -> str:
    """Return an id as text, the first characters of a long one, to which thousands of rows may refer."""
    return str(value)[:MAX_TEXT] if value is None or isinstance(value, str | int | float) else "of this kind"


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _slug(text: str) -> str:
    """Return a text as the name of a decoder."""
    return _OTHER.sub("-", text.casefold()).strip("-")[:MAX_NAME] or "model"


def _text(row: ImportedRow, column: str) -> str:
    """Return a text of a row without spaces at its ends; empty if there is none.

    :raises _WrongRowError: it has control characters.
    """
    value = row.get(column)
    text = str(value).strip()[:MAX_TEXT] if isinstance(value, str | int) else ""
    if fault := control_fault(text):
        raise _WrongRowError(f"{column} {fault}")
    return text
