"""Alarms: listed, acknowledged, and tested."""

from __future__ import annotations

from bssci.web.api.schemas.alarms import (
    AlarmAcknowledged,
    AlarmIds,
    AlarmList,
    AlarmRow,
    AlarmsAcknowledged,
    AlarmsTested,
    WantedAlarms,
    WayTold,
)
from bssci.web.api.schemas.common import TrialLine, told
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError
from bssci.web.http.routing import route
from bssci.web.reports.facade import Views


class AlarmRoutes:
    """Routes for alarms."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._commands = context.center.commands
        self._views = views.alarms

    @route("GET", "/api/alarms", "viewer", "Open and past alarms")
    async def all(self, call: Call, query: WantedAlarms) -> AlarmList:
        return told(AlarmList, self._views.list(query.state or "", query.q))

    @route(
        "POST", "/api/alarms/test", "operator", "Send a test alarm by every channel and report the results"
    )
    async def test(self, call: Call) -> AlarmsTested:
        trial = self._context.outside.alarm_trial
        if trial is None:
            raise ApiError(503, "unavailable", "this service sends no messages about alarms")
        tried = await self._commands.test_alarms(trial, call.actor)
        signs = {"done": "", "failed": "failed, ", "not set": "not set, "}
        return AlarmsTested(
            ok=all(each.state != "failed" for each in tried),
            lines=[
                TrialLine(ok=each.state == "done", text=f"{each.name}: {signs[each.state]}{each.text}")
                for each in tried
            ],
            ways=[WayTold(name=each.name, state=each.state, text=each.text) for each in tried],
        )

    @route("POST", "/api/alarms/acknowledge", "operator", "Acknowledge several alarms, in their order")
    async def acknowledge_many(self, call: Call, body: AlarmIds) -> AlarmsAcknowledged:
        for id in (ids := list(dict.fromkeys(body.ids))):
            self._views.known(id)
        records = [await self._commands.acknowledge_alarm(id, call.actor) for id in ids]
        return AlarmsAcknowledged(alarms=told(list[AlarmRow], [self._views.row(each) for each in records]))

    @route("POST", "/api/alarms/{id}/acknowledge", "operator", "Acknowledge an alarm")
    async def acknowledge(self, call: Call) -> AlarmAcknowledged:
        record = await self._commands.acknowledge_alarm(call.path["id"], call.actor)
        return AlarmAcknowledged(alarm=told(AlarmRow, self._views.row(record)))
