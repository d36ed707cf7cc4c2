"""Pages of devices other than mioty sensors, and of the gateways that hear them."""

from __future__ import annotations

from typing import Any

from bssci.center.devices.controller_commands import takes_commands
from bssci.model.device_id import eui_of_device
from bssci.web.http.call import Call
from bssci.web.http.errors import not_found
from bssci.web.pages.base import PER_PAGE, PageData, arguments, page_number, paging
from bssci.web.pages.columns import in_short
from bssci.web.reports.devices import STATES

MODELS = 100
"""models that are offered when a device is added"""


class DevicePages(PageData):
    """The data of the pages of devices and gateways."""

    async def devices(self, call: Call) -> dict[str, Any]:
        """Return the list of devices. Query: q, kind, state, page."""
        page, state = page_number(call), call.choice("state", STATES)
        found = self._views.devices.list(
            kind=call.text("kind"), q=call.text("q"), state=state, page=page, per_page=PER_PAGE
        )
        counts, rows = found["counts"], found["devices"]
        latest = await self._views.readings.latest_of_many(row["id"] for row in rows)
        return {
            "rows": [row | {"short": in_short(latest[row["id"]].values)} for row in rows],
            "names": self._gateway_names(),
            "counts": {"all": sum(counts.values()), **counts},
            "paging": paging(page, PER_PAGE, found["total"]),
            "args": arguments(call, "q", "kind", "state"),
            "models": sorted({device.model for device in self._context.center.devices if device.model})[
                :MODELS
            ],
            "sources": self._context.center.sources.statistics(),
        }

    async def device(self, call: Call) -> dict[str, Any]:
        """Return one device, for display and editing."""
        id = call.path["id"]
        if eui_of_device(id) is not None:
            raise not_found("a mioty sensor has a page of its own")
        detail = self._views.devices.detail(id)
        decoders = self._context.outside.decoders
        names = sorted(decoders.decoding.decoders) if decoders is not None else []
        latest = await self._views.readings.latest(id)
        return {
            "device": detail,
            "latest": latest._asdict(),
            "choices": self._views.readings.choices() if latest.undecoded or latest.failure else [],
            "decoders": names,
            "takes_commands": takes_commands(id),
        }

    def _gateway_names(self) -> dict[str, str]:
        """Return the names of base stations and other gateways, by what devices call them."""
        gateways = {gateway.own_id: gateway.name for gateway in self._context.center.gateways if gateway.name}
        return gateways | self._names()

    async def gateways(self, call: Call) -> dict[str, Any]:
        """Return every scanner and controller."""
        found = self._views.devices.gateways()
        return {"rows": found["gateways"], "counts": found["counts"]}

    async def gateway(self, call: Call) -> dict[str, Any]:
        """Return one scanner or controller, for display and editing."""
        return {"gateway": self._views.devices.gateway(call.path["gateway"])}
