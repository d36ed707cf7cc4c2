"""Devices of every kind and the gateways that hear them: lists, and everything about a single one."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from bssci.center.devices.device import Device
from bssci.center.devices.gateways import Gateway
from bssci.model import EUI, Sensor
from bssci.model.device_id import MIOTY, eui_of_device, sensor_device
from bssci.settings.rows import MASK
from bssci.web.context import Context
from bssci.web.http.errors import not_found
from bssci.web.reports.decoders import counts_of_device

STATES = ("known", "unknown", "changing", "blocked")


class DeviceViews:
    """Reports on devices and gateways."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._center = context.center

    # devices

    def list(
        self, *, kind: str = "", q: str = "", state: str = "", page: int = 1, per_page: int = 50
    ) -> dict[str, Any]:
        """Return one page of devices, most recently heard first."""
        needle = q.strip().lower()
        chosen = [
            device
            for device in self._all(kind)
            if (not state or self._state(device) == state) and (not needle or needle in self._text(device))
        ]
        first = (page - 1) * per_page
        shown = heapq.nlargest(first + per_page, chosen, key=self._last_seen)[first:]
        return {
            "devices": [self._row(device) for device in shown],
            "total": len(chosen),
            "page": page,
            "per_page": per_page,
            "counts": self._center.devices.counts(),
        }

    def detail(self, id: str) -> dict[str, Any]:
        """Return one device.

        :raises ApiError: 404: it is neither configured nor was it heard.
        """
        device = self._find(id)
        if device is None:
            raise not_found(f"there is no device {id[:200]}")
        row = self._row(device)
        row["decoding"] = counts_of_device(self._context, row["id"])
        if isinstance(device, Sensor):
            return row | {"gateways": [], "parameters": _masked(device.decoder_parameters)}
        heard = [
            {"gateway": gateway, "rssi": rssi, "last_seen": at}
            for gateway, (rssi, at) in reversed(device.gateways.items())
        ]
        return row | {"gateways": heard, "parameters": _masked(device.parameters)}

    def _find(self, id: str) -> Device | Sensor | None:
        eui = eui_of_device(id)
        if eui is not None:
            return self._center.sensors.get(EUI(eui.upper()))
        return self._center.devices.get(id)

    def _all(self, kind: str) -> Iterator[Device | Sensor]:
        if kind in ("", MIOTY):
            yield from self._center.sensors
        if kind != MIOTY:
            yield from (device for device in self._center.devices if not kind or device.kind == kind)

    def _state(self, device: Device | Sensor) -> str:
        if isinstance(device, Sensor):
            return "known"
        if device.known:
            return "blocked" if device.blocked else "known"
        return "changing" if self._center.devices.is_changing(device.id) else "unknown"

    def _last_seen(self, device: Device | Sensor) -> float:
        if isinstance(device, Sensor):
            activity = self._center.activities.get(device.eui)
            return activity.last_seen_at if activity is not None else 0.0
        return device.last_seen

    def _text(self, device: Device | Sensor) -> str:
        if isinstance(device, Sensor):
            words = [MIOTY, device.eui, device.name, device.type_eui or "", *device.tags]
        else:
            said = device.said
            about = (said.name, *said.companies, *said.services, said.data, said.topic) if said else ()
            words = [device.id, device.name, device.model, device.decoder, *device.tags, *about]
        return " ".join(words).lower()

    def _row(self, device: Device | Sensor) -> dict[str, Any]:
        return self._sensor_row(device) if isinstance(device, Sensor) else self._device_row(device)

    def _sensor_row(self, sensor: Sensor) -> dict[str, Any]:
        activity = self._center.activities.get(sensor.eui)
        paths = self._center.paths.report(sensor.eui)
        best = paths[0] if paths else None
        return {
            "id": sensor_device(sensor.eui),
            "kind": MIOTY,
            "state": "known",
            "name": sensor.name,
            "model": sensor.type_eui or "",
            "decoder": sensor.decoder or "",
            "parent": "",
            "port": "",
            "location": dict(sensor.location or {}),
            "tags": list(sensor.tags),
            "first_seen": None,
            "last_seen": activity.last_seen_at if activity is not None else None,
            "count": activity.uplink_count if activity is not None else 0,
            "gateway": best["base_station_eui"] if best else "",
            "rssi": best["rssi"] if best else None,
            "said": None,
        }

    def _device_row(self, device: Device) -> dict[str, Any]:
        said = device.said
        return {
            "id": device.id,
            "kind": device.kind,
            "state": self._state(device),
            "name": device.name,
            "model": device.model,
            "decoder": device.decoder,
            "parent": device.parent,
            "port": device.port,
            "location": device.location,
            "tags": device.tags,
            "first_seen": device.first_seen,
            "last_seen": device.last_seen or None,
            "count": device.count,
            "gateway": device.gateway,
            "rssi": device.gateways[device.gateway][0] if device.gateways else None,
            "said": None
            if said is None
            else {
                "name": said.name,
                "companies": list(said.companies),
                "services": list(said.services),
                "data": said.data,
                "topic": said.topic,
            },
        }

    # gateways

    def gateways(self) -> dict[str, Any]:
        """Return every gateway, by kind and name."""
        rows = [_gateway_row(gateway) for gateway in self._center.gateways]
        rows.sort(key=lambda row: (row["kind"], (row["name"] or row["id"]).casefold()))
        return {"gateways": rows, "total": len(rows), "counts": self._center.gateways.counts()}

    def gateway(self, id: str) -> dict[str, Any]:
        """Return one gateway.

        :raises ApiError: 404: there is no such gateway.
        """
        gateway = self._center.gateways.get(id)
        if gateway is None:
            raise not_found(f"there is no gateway {id[:200]}")
        heard = sum(device.gateway == gateway.own_id for device in self._center.devices)
        return _gateway_row(gateway) | {"devices": heard}


def _gateway_row(gateway: Gateway) -> dict[str, Any]:
    return {
        "id": gateway.id,
        "kind": gateway.kind,
        "name": gateway.name,
        "state": gateway.state,
        "since": gateway.since or None,
        "reason": gateway.reason,
        "source": gateway.source,
        "first_seen": gateway.first_seen,
        "last_seen": gateway.last_seen,
        "count": gateway.count,
        "location": gateway.location,
        "tags": gateway.tags,
        "note": gateway.note,
        "status": gateway.status,
        "status_at": gateway.status_at,
    }


def _masked(parameters: Any) -> dict[str, Any]:
    return dict.fromkeys(parameters or {}, MASK)
