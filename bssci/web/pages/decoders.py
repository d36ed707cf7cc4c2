"""Pages of decoders: the list, and one decoder with its text, its examples and a form to try it."""

from __future__ import annotations

from typing import Any

from bssci.web.http.call import Call
from bssci.web.http.errors import not_found
from bssci.web.pages.base import PageData

NO_DECODERS: dict[str, Any] = {"directory": "", "decoders": [], "problems": [], "resting": []}
MAX_SENSORS = 200
"""sensors that are offered for a trial with their payloads"""
STARTER = """{
  /* The format byte 0: a temperature in two bytes, the battery in one. */
  "version": "1",
  "typeEui": "0000000000000000",
  "meta": {"vendor": "", "name": ""},
  "uplink": [
    {
      "id": 0,
      "payload": [
        {"name": "temperature", "size": 16, "type": "int", "func": "$ / 10", "unit": "°C"},
        {"name": "battery", "size": 8, "type": "uint", "unit": "%"}
      ]
    }
  ],
  "examples": [{"payload": "00D7 5F", "readings": {"temperature": 21.5, "battery": 95}}]
}
"""


class DecoderPages(PageData):
    """The data of the pages of decoders."""

    async def decoders(self, call: Call) -> dict[str, Any]:
        """Return the list of decoders, those with a file first."""
        if self._context.outside.decoders is None:
            return NO_DECODERS
        listed = await self._views.decoders.all()
        return listed | {"decoders": sorted(listed["decoders"], key=lambda row: row["file"] is None)}

    async def decoder(self, call: Call) -> dict[str, Any]:
        """Return one decoder. Query: sensor, payload and format for a trial."""
        if self._context.outside.decoders is None:
            raise not_found("this service runs without decoders")
        detail = await self._views.decoders.detail(call.path["name"])
        return detail | self._trial(call) | {"new": False}

    async def new_decoder(self, call: Call) -> dict[str, Any]:
        """Return a new decoder with a starting text."""
        empty: dict[str, Any] = {
            "name": "",
            "file": None,
            "decoder": None,
            "text": STARTER,
            "problems": [],
            "examples": [],
        }
        return empty | self._trial(call) | {"new": True}

    def _trial(self, call: Call) -> dict[str, Any]:
        activities = self._context.center.activities
        sensors = []
        for sensor in self._context.center.sensors:
            if activities.get(sensor.eui) is not None:
                sensors.append({"eui": sensor.eui, "name": sensor.name or sensor.eui})
            if len(sensors) == MAX_SENSORS:
                break
        return {
            "sensors": sensors,
            "trial": {
                "sensor": call.optional_eui("sensor") or "",
                "payload": call.text("payload"),
                "format": call.integer("format", 0, 0, 255),
            },
        }
