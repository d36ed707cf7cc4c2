"""Controllers: devices at their connectors and pins, and the templates of their sensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from bssci.center.devices.controller_commands import takes_commands
from bssci.center.devices.gateways import Gateway
from bssci.decoders.commented_json import DefinitionError, Node, parse
from bssci.decoders.datapoints import DataPoints, member_of
from bssci.web.context import Context
from bssci.web.http.errors import not_found
from bssci.web.reports.devices import DeviceViews

KIND = "f2"
"""kind of device in the ids of controllers and of the devices connected to them"""
CONNECTORS = tuple(f"J{number}" for number in range(1, 10))
COLUMNS = ("name", "offset", "length", "encoding", "decimals", "unit", "scale")
"""members of a data point that have a column of their own"""
_ADDRESS = re.compile(r"[0-9a-f]{12}")
_PIN = re.compile(r"[1-9][0-9]?")


MAX_UNKNOWN = 100
"""unknown devices of a controller that its page shows: a message may name any component"""


class ControllerViews:
    """Reports on controllers and templates."""

    def __init__(self, context: Context, devices: DeviceViews) -> None:
        self._context = context
        self._center = context.center
        self._devices = devices

    def all(self) -> list[dict[str, Any]]:
        """Return every controller that is configured or was heard, with the numbers of its devices."""
        places: Counter[str] = Counter()
        known: Counter[str] = Counter()
        for device in self._center.devices:
            address, _, port = _place(device.id)
            if address:
                places[address] += bool(port)
                known[address] += bool(port) and device.known
        addresses = places.keys() | {
            each.own_id.removeprefix(f"{KIND}-")
            for each in self._center.gateways
            if each.kind == "controller"
        }
        rows = [
            self._row(address) | {"places": places[address], "known": known[address]} for address in addresses
        ]
        return sorted(rows, key=lambda row: (row["name"] or row["address"]).casefold())

    def one(self, address: str) -> dict[str, Any]:
        """Return a controller with its connectors and the devices at each.

        :raises ApiError: 404: it is neither configured nor was it heard.
        """
        if not _ADDRESS.fullmatch(address):
            raise not_found("a controller has an address of 12 hexadecimal digits")
        devices, left_out = self._devices_at(address)
        row = self._row(address)
        if not devices and row["state"] is None and not row["entered"]:
            raise not_found(f"there is no controller {address}")
        connectors: dict[str, list[dict[str, Any]]] = {}
        for port in sorted(devices, key=_order):
            connector, _, component = port.partition("/")
            shown = self._devices.detail(devices[port])
            connectors.setdefault(connector, []).append(
                shown
                | {
                    "component": f"sensor-{component}" if _PIN.fullmatch(component) else component,
                    "commands": takes_commands(devices[port]),
                }
            )
        return row | {"connectors": connectors, "left_out": left_out}

    def _devices_at(self, address: str) -> tuple[dict[str, str], int]:
        """Return the ids of the devices at a controller by their ports, and how many others there are:
        unknown ones that were not heard as lately.
        """
        devices: dict[str, str] = {}
        unknown = 0
        for device in self._center.devices:
            mac, _, port = _place(device.id)
            if mac != address or not port:
                continue
            unknown += not device.known
            if device.known or unknown <= MAX_UNKNOWN:
                devices[port] = device.id
        return devices, max(0, unknown - MAX_UNKNOWN)

    def _row(self, address: str) -> dict[str, Any]:
        device = self._center.devices.get(f"{KIND}:{address}")
        gateway: Gateway | None = self._center.gateways.get(f"controller:{KIND}-{address}")
        return {
            "address": address,
            "id": f"{KIND}:{address}",
            "gateway": gateway.id if gateway is not None else "",
            "entered": device is not None and device.known,
            "name": (gateway.name if gateway is not None else "")
            or (device.name if device is not None else ""),
            "model": device.model if device is not None else "",
            "state": gateway.state if gateway is not None else None,
            "reason": gateway.reason if gateway is not None else "",
            "since": gateway.since if gateway is not None else None,
            "last_seen": gateway.last_seen if gateway is not None else None,
        }

    # templates

    def templates(self) -> list[dict[str, Any]]:
        """Return every template (model of data points) that has a file, and the number of devices that it
        decodes.
        """
        decoders = self._context.outside.decoders
        if decoders is None:
            return []
        used = Counter(device.decoder for device in self._center.devices if device.decoder)
        files = {name: file for file, name in decoders.folder.library.files.items()}
        return [
            {
                "name": name,
                "title": decoder.title,
                "file": files[name],
                "points": len(self.template(name)["points"]),
                "devices": used[name],
            }
            for name, decoder in sorted(decoders.decoding.decoders.items())
            if isinstance(decoder, DataPoints) and name in files
        ]

    def template(self, name: str) -> dict[str, Any]:
        """Return a template as rows of a table; members without a column are kept beside their row.

        :raises ApiError: 404: there is no such template, or it is built in and has no file.
        """
        decoders = self._context.outside.decoders
        found = decoders.decoding.decoders.get(name) if decoders is not None else None
        if decoders is None or not isinstance(found, DataPoints):
            raise not_found(f"there is no template {name[:100]}")
        file = next((file for file, of in decoders.folder.library.files.items() if of == name), None)
        if file is None:
            raise not_found(f"the template {name[:100]} is built in")
        return {"name": name, "file": file, **table_of(decoders.folder.library.texts[file])}


def table_of(text: str) -> dict[str, Any]:
    """Return the text of a template as a table; an empty table if the text is wrong.

    :return: ``model`` (its title), ``modbus`` (whether the checksum is checked), ``points`` with the
        members of :data:`COLUMNS` and ``rest``, ``rest`` (other members of the template), ``comments``
        (whether it has comments, which a table does not keep).
    """
    try:
        document = parse(text)
        points = member_of(document, "datapoints")
        entries = points.items() if points is not None else []
        rows = [_point(entry) for entry in entries]
    except DefinitionError:  # the file was changed by hand in the meantime
        return {"model": "", "modbus": True, "points": [], "rest": {}, "comments": False}
    given = {key: node.plain() for key, node in document.members().items()}
    shown = ("model", "check", "datapoints")
    rest = {key: value for key, value in given.items() if _plain(key) not in shown}
    check = document.get("check")
    return {
        "model": str(given.get("model") or ""),
        "modbus": check is not None,
        "points": rows,
        "rest": rest,
        "comments": "/*" in text or "//" in text,
    }


def _point(entry: Node) -> dict[str, Any]:
    found = {name: member_of(entry, name) for name in COLUMNS}
    taken = {id(node) for node in found.values() if node is not None}
    members: Mapping[str, Node] = entry.members()
    rest = {key: node.plain() for key, node in members.items() if id(node) not in taken}
    return {name: node.plain() if node is not None else None for name, node in found.items()} | {"rest": rest}


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").casefold()


def _place(id: str) -> tuple[str, str, str]:
    """Return address, ``/`` and port from the id of a controller or of a device at one; empty texts for other
    ids, and empty ``/`` and port for the controller itself.
    """
    kind, _, rest = id.partition(":")
    address, slash, port = rest.partition("/")
    return (address, slash, port) if kind == KIND and _ADDRESS.fullmatch(address) else ("", "", "")


def _order(port: str) -> tuple[str, bool, int, str]:
    """Return the sort key of ports: the connector, pins by their number, other components by name."""
    connector, _, component = port.partition("/")
    number = int(component) if _PIN.fullmatch(component) else 0
    return connector, not number, number, component
