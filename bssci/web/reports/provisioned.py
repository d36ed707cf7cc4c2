"""Provisioned devices: the list, and everything about one of them."""

from __future__ import annotations

from typing import Any

import msgspec

from bssci.center.devices.gateways import Gateway
from bssci.center.devices.provisioned import STATES
from bssci.certificates.provisioned import Provisioned, ProvisioningError, device_name
from bssci.web.context import Context
from bssci.web.http.errors import not_found
from bssci.web.reports.stations import days_left

STATE_NAMES: tuple[str, ...] = STATES
_URGENCY = {"ended": 0, "ending": 1, "active": 2, "revoked": 3}


class ProvisionedViews:
    """Reports on provisioned devices."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._devices = context.center.provisioned

    async def list(
        self, *, q: str = "", state: str = "", page: int = 1, per_page: int = 50
    ) -> dict[str, Any]:
        """Return one page of devices: those that need attention first, then by name."""
        await self._devices.refresh()
        needle = q.strip().lower()
        states = {name: self._devices.state(each) for name, each in self._devices.entries.items()}
        chosen = [
            name
            for name, each in self._devices.entries.items()
            if (not state or states[name] == state)
            and (not needle or needle in f"{name} {each.mac_address} {each.serial_number}".lower())
        ]
        chosen.sort(key=lambda name: (_URGENCY[states[name]], name))
        first = (page - 1) * per_page
        gateways = self._gateways()
        return {
            "devices": [self._row(name, gateways) for name in chosen[first : first + per_page]],
            "total": len(chosen),
            "page": page,
            "per_page": per_page,
            "counts": self._devices.counts(),
            "trouble": self._devices.trouble,
        }

    async def detail(self, text: str) -> dict[str, Any]:
        """Return one device, with its client configuration.

        :param text: its name, or its MAC address in any spelling.
        :raises ApiError: 404: it is not registered.
        """
        name = self.name_of(text)
        await self._devices.refresh()
        if name not in self._devices.entries:
            raise not_found(f"{name} is not registered")
        configuration = msgspec.json.decode(await self._devices.configuration_of(name))
        return self._row(name, self._gateways()) | {"configuration": configuration}

    def name_of(self, text: str) -> str:
        """Return the device's name for the text in a path.

        :raises ApiError: 404: the text cannot be a name.
        """
        try:
            return device_name(text)
        except ProvisioningError as error:
            raise not_found(str(error)) from None

    def _gateways(self) -> dict[str, Gateway]:
        """Return scanners and controllers by their names at the broker."""
        return {gateway.own_id: gateway for gateway in self._context.center.gateways}

    def _row(self, name: str, gateways: dict[str, Gateway]) -> dict[str, Any]:
        device: Provisioned = self._devices.entries[name]
        gateway = gateways.get(name)
        return {
            "id": name,
            "mac_address": device.mac_address,
            "serial_number": device.serial_number,
            "status": device.status,
            "state": self._devices.state(device),
            "registered_at": device.registered_at,
            "certificate_expires": device.certificate_expires,
            "certificate_serial": device.certificate_serial,
            "not_after": device.ends_at,
            "days_left": days_left(device.ends_at, self._context.now()),
            "bundle_waits": device.status == "active" and self._devices.has_key(name),
            "last_heard": gateway.last_seen if gateway is not None else None,
        }
