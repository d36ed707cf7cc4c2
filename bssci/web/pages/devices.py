"""Pages of devices other than mioty sensors, and of the gateways that hear them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bssci.center.devices.controller_commands import takes_commands
from bssci.decoders.bluetooth.presence import PLACE
from bssci.model.device_id import MIOTY, eui_of_device
from bssci.web.http.call import Call
from bssci.web.http.errors import not_found
from bssci.web.pages.base import PER_PAGE, PageData, arguments, page_number, paging, within
from bssci.web.pages.columns import in_short
from bssci.web.pins import pin_value
from bssci.web.reports.devices import STATES
from bssci.web.reports.readings import LastValue

MODELS = 100
"""models that are offered when a device is added"""


class DevicePages(PageData):
    """The data of the pages of devices and gateways."""

    async def devices(self, call: Call) -> dict[str, Any]:
        """Return the list of devices. Query: q, kind, state, page."""
        page, state = page_number(call), call.choice("state", STATES)
        asked: dict[str, Any] = {
            "kind": call.text("kind"),
            "q": call.text("q"),
            "state": state,
            "per_page": PER_PAGE,
        }
        found = self._views.devices.list(**asked, page=page)
        if (last := within(page, PER_PAGE, found["total"])) != page:
            page = last
            found = self._views.devices.list(**asked, page=page)
        counts, rows = found["counts"], found["devices"]
        latest = await self._views.readings.latest_of_many(row["id"] for row in rows)
        names = self._gateway_names()
        return {
            "rows": [
                row
                | {
                    "short": in_short(for_people(row["id"], latest[row["id"]].values, names)),
                    "model": self._model(row),
                }
                for row in rows
            ],
            "names": names,
            "counts": {"all": sum(counts.values()), **counts},
            "paging": paging(page, PER_PAGE, found["total"]),
            "args": arguments(call, "q", "kind", "state"),
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
        values = for_people(id, latest.values, self._gateway_names())
        return {
            "device": detail,
            "latest": latest._replace(values=tuple(values))._asdict(),
            "choices": self._views.readings.choices() if latest.undecoded or latest.failure else [],
            "decoders": names,
            "models": self._models(),
            "gateways": self._gateways(),
            "takes_commands": takes_commands(id),
        }

    def _model(self, row: Mapping[str, Any]) -> str:
        """Return the make and model of a device; of a sensor that of its blueprint, or else its type."""
        if row["kind"] != MIOTY or not row["model"]:
            return str(row["model"])
        decoders = self._context.outside.decoders
        blueprint = decoders.decoding.blueprint_of(decoders.wanted(row["id"])) if decoders else None
        return (blueprint.title if blueprint is not None else "") or f"type {row['model']}"

    def _models(self) -> list[str]:
        """Return models that other devices have."""
        return sorted({device.model for device in self._context.center.devices if device.model})[:MODELS]

    async def gateways(self, call: Call) -> dict[str, Any]:
        """Return the list of scanners and controllers, those about which people entered something first.
        Query: page.
        """
        found = self._views.devices.gateways()
        rows = sorted(found["gateways"], key=_is_not_entered)
        page = within(page_number(call), PER_PAGE, len(rows))
        first = (page - 1) * PER_PAGE
        return {
            "rows": rows[first : first + PER_PAGE],
            "counts": found["counts"],
            "paging": paging(page, PER_PAGE, len(rows)),
        }

    async def gateway(self, call: Call) -> dict[str, Any]:
        """Return one scanner or controller, for display and editing."""
        found = self._views.devices.gateway(call.path["gateway"])
        own_id = found["id"].partition(":")[2]
        return {
            "gateway": found,
            "heard": sum(own_id in device.gateways for device in self._context.center.devices),
        }


def _is_not_entered(row: Mapping[str, Any]) -> bool:
    return not (row["name"] or row["location"] or row["tags"] or row["note"])


def for_people(device: str, values: Iterable[LastValue], names: Mapping[str, str]) -> list[LastValue]:
    """Return last values with names and words: the name of the scanner as the place, instead of its id, and
    a door that is open or closed.

    :param names: names of gateways, by what devices call them.
    """
    return [
        each._replace(
            value=names.get(str(each.value), each.value)
            if each.name == PLACE
            else pin_value(device, each.name, each.value)
        )
        for each in values
    ]
