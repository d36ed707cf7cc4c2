"""Alarms: listed, and acknowledged."""

from __future__ import annotations

from bssci.center.alarms.wording import alarm_json
from bssci.web.api.schemas.alarms import AlarmAcknowledged, AlarmList, AlarmRow, WantedAlarms
from bssci.web.api.schemas.common import told
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views


class AlarmRoutes:
    """Routes for alarms."""

    def __init__(self, context: Context, views: Views) -> None:
        self._commands = context.center.commands
        self._views = views.alarms

    @route("GET", "/api/alarms", "viewer", "What is wrong and what was, since when and until when")
    async def all(self, call: Call, query: WantedAlarms) -> AlarmList:
        return told(AlarmList, self._views.list(query.state or ""))

    @route("POST", "/api/alarms/{id}/acknowledge", "operator", "Note that somebody knows of it")
    async def acknowledge(self, call: Call) -> AlarmAcknowledged:
        record = await self._commands.acknowledge_alarm(call.path["id"], call.asker)
        return AlarmAcknowledged(alarm=told(AlarmRow, alarm_json(record)))
