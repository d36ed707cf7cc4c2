"""Pages of controllers: their connectors and pins, the import, and the data points of a template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bssci.decoders.controller_states import NAME as STATES
from bssci.web.http.call import Call
from bssci.web.pages.base import PER_PAGE, PageData, page_number, paging, within
from bssci.web.pages.columns import in_short
from bssci.web.pages.devices import for_people
from bssci.web.reports.controllers import CONNECTORS

ENCODINGS = (
    *("Uint8", "Int8", "Uint16", "Int16", "Uint24", "Int24", "Uint32", "Int32", "Uint64", "Int64"),
    *("Float32", "Float64", "Boolean", "String", "Hex"),
)
"""encodings that are offered for a data point"""
COMPONENTS = (
    *(f"sensor-{number}" for number in range(1, 7)),
    *("strike-1", "strike-2", "door-sensors", "reader-1", "reader-2", "exit-buttons"),
    *("siren-1", "siren-2", *(f"motion-sensor-{number}" for number in range(1, 6))),
)
"""components that are offered for a connector"""


OFFERED = 200
"""controllers that are offered as another place for a device"""


class ControllerPages(PageData):
    """The data of the pages of controllers and templates."""

    async def controllers(self, call: Call) -> dict[str, Any]:
        """Return the lists of controllers, those that people know first, and of templates. Query: page."""
        views = self._views.controllers
        rows = sorted(views.all(), key=_is_made_up)
        page = within(page_number(call), PER_PAGE, len(rows))
        first = (page - 1) * PER_PAGE
        return {
            "rows": rows[first : first + PER_PAGE],
            "paging": paging(page, PER_PAGE, len(rows)),
            "templates": views.templates(),
        }

    async def controller(self, call: Call) -> dict[str, Any]:
        """Return one controller with the devices at each of its connectors."""
        found = self._views.controllers.one(call.path["address"])
        places = [row for rows in found["connectors"].values() for row in rows]
        latest = await self._views.readings.latest_of_many(row["id"] for row in places)
        decoders = [row["name"] for row in self._views.controllers.templates()]
        return {
            "controller": found,
            "short": {id: in_short(for_people(id, each.values, {})) for id, each in latest.items()},
            "sitting": [row for row in places if row["state"] != "unknown"],
            "controllers": sorted(self._views.controllers.all(), key=_is_made_up)[:OFFERED],
            "templates": decoders,
            "decoders": [*decoders, STATES],
            "connectors": CONNECTORS,
            "components": COMPONENTS,
        }

    async def controller_import(self, call: Call) -> dict[str, Any]:
        """Return nothing: the script of the page asks the API."""
        return {}

    async def template(self, call: Call) -> dict[str, Any]:
        """Return the data points of a template, for display and editing."""
        found = self._views.controllers.template(call.path["template"])
        return _shown(found) | {"new": False}

    async def new_template(self, call: Call) -> dict[str, Any]:
        """Return an empty template."""
        empty = {
            "name": "",
            "file": "",
            "model": "",
            "modbus": True,
            "points": [],
            "rest": {},
            "comments": False,
        }
        return _shown(empty) | {"new": True}


def _is_made_up(row: Mapping[str, Any]) -> bool:
    """Return whether people entered nothing about a controller and what is connected to it."""
    return not (row["known"] or row["entered"] or row["name"])


def _shown(template: dict[str, Any]) -> dict[str, Any]:
    """Return a template for its page; members without a field on the page are included as JSON."""
    points = [point | {"kept": json.dumps(point["rest"])} for point in template["points"]]
    return {
        "shown": template | {"points": points, "kept": json.dumps(template["rest"])},
        "encodings": ENCODINGS,
    }
