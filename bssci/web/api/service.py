"""The service itself: status, charts, events, settings, log and audit, health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from bssci.center.configuration import setting_text
from bssci.settings import MASK, Settings, SettingsError
from bssci.web.api.schemas import (
    BEFORE,
    DRY_RUN,
    EUI,
    LIMIT,
    RANGE,
    TEXT,
    choice,
    json_body,
    object_of,
    success,
)
from bssci.web.broker_trial import EMBEDDED
from bssci.web.call import Call, Reply
from bssci.web.context import Context
from bssci.web.errors import ApiError, invalid
from bssci.web.logbook import LEVELS
from bssci.web.routing import Parameter, route
from bssci.web.sampler import METRICS
from bssci.web.settings_trial import refuse_unusable
from bssci.web.views.facade import Views

CHANGES = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}
"""settings by name, or in ``settings``"""
KIND = Parameter("kind", "kinds of events, separated by commas", TEXT)
SENSOR = Parameter("sensor", "only of this sensor", EUI)
STATION = Parameter("station", "only of this base station", EUI)


class ServiceRoutes:
    """See the module."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views

    @route("GET", "/api/bssci/status", "viewer", "What runs, and how far every sink is")
    @route("GET", "/api/service/status", "viewer", "What runs, and how far every sink is")
    async def status(self, call: Call) -> dict[str, Any]:
        return await self._views.status.status()

    @route(
        "GET", "/api/dashboard", "viewer", "Whether all is well, with figures and charts", parameters=(RANGE,)
    )
    async def dashboard(self, call: Call) -> dict[str, Any]:
        return await self._views.status.dashboard(
            call.choice("range", ("hour", "day", "week"), "hour") or "hour"
        )

    @route(
        "GET",
        "/api/history",
        "viewer",
        "One figure over time",
        parameters=(Parameter("metric", "which", choice(*METRICS)), RANGE),
    )
    async def history(self, call: Call) -> dict[str, Any]:
        return await self._views.charts.history(
            call.text("metric") or "uplinks", call.text("range") or "hour"
        )

    # events

    @route(
        "GET",
        "/api/events",
        "viewer",
        "Stored events, newest first",
        parameters=(KIND, SENSOR, STATION, Parameter("q", "is in the event's JSON", TEXT), LIMIT, BEFORE),
    )
    async def events(self, call: Call) -> dict[str, Any]:
        return await self._views.events.read(
            before=call.integer("before", 0, 1, 1 << 60) or None,
            kinds=tuple(kinds_of(call)),
            sensor=call.optional_eui("sensor"),
            station=call.optional_eui("station"),
            text=call.text("q"),
            limit=call.integer("limit", 100, 1, 1000),
        )

    @route("GET", "/api/events/{seq}", "viewer", "One event, and how far each sink is with it")
    async def event(self, call: Call) -> dict[str, Any]:
        text = call.path["seq"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ApiError(404, "not_found", "there is no such event")
        return await self._views.events.one(int(text))

    # settings

    @route("GET", "/api/config", "viewer", "Every setting; secrets masked")
    async def config(self, call: Call) -> dict[str, Any]:
        return await self._views.config.named()

    @route(
        "POST",
        "/api/config",
        "admin",
        "Change settings, all or none; a masked secret stays as it is",
        parameters=(DRY_RUN,),
        body=json_body(CHANGES),
        answer=success(),
    )
    async def change_config(self, call: Call) -> dict[str, Any]:
        configuration = self._context.configuration
        values = changes_of(call.json())
        if not values:
            return {"success": True, "changes": [], "needs_restart": self._views.config.needs_restart()}
        after = await self._usable(values)
        changes = await self._views.config.differences(values, after)
        if call.flag("dry_run"):
            return {"success": True, "dry_run": True, "changes": changes}
        await configuration.change(values)
        for change in changes:
            await self._context.audit.record(
                call, "config.change", change["name"], f"{change['before']} -> {change['after']}"
            )
        return {
            "success": True,
            "changes": changes,
            "needs_restart": self._views.config.needs_restart(),
        }

    async def _usable(self, values: Mapping[str, str]) -> Settings:
        """The settings with these values.

        :raises ApiError: the service could not start with them.
        :raises CommandError: they are not allowed.
        """
        configuration = self._context.configuration
        after = await configuration.check(values)
        try:
            await self._context.run_in_thread(refuse_unusable, after, values)
            if "SINKS" in values:
                await self._context.run_in_thread(configuration.check_sinks, after)
        except SettingsError as error:
            name = str(error).partition(":")[0].partition("=")[0]
            raise ApiError(422, "invalid", str(error), name) from error
        except ValueError as error:
            raise ApiError(422, "invalid", str(error), "SINKS") from error
        return after

    @route("POST", "/api/config/test/broker", "admin", "As test-broker", body=json_body(CHANGES))
    @route(
        "POST",
        "/api/config/test-broker",
        "admin",
        "Try to reach the MQTT broker, with settings that are not saved if some are given",
        body=json_body(CHANGES),
        answer=success(ok={"type": "boolean"}),
    )
    async def test_broker(self, call: Call) -> dict[str, Any]:
        values = changes_of(call.json()) if call.body() else {}
        configuration = self._context.configuration
        settings = await configuration.check(values) if values else configuration.current
        await self._context.audit.record(call, "config.test_broker", settings.mqtt_broker)
        well = f"{settings.mqtt_broker}:{settings.mqtt_port} took the connection"
        if settings.mqtt_broker == EMBEDDED:
            now = configuration.current
            if "mqtt" in now.sinks and (now.mqtt_broker, now.mqtt_port) == (EMBEDDED, settings.mqtt_port):
                settings = replace(
                    settings, mqtt_broker="127.0.0.1", mqtt_tls=False, mqtt_transport="tcp", mqtt_username=""
                )
            else:
                well = f"amqtt is installed, and port {settings.mqtt_port} of 127.0.0.1 is free"
        problem = await self._context.run_in_thread(self._context.outside.try_broker, settings)
        line = {"ok": not problem, "text": problem or well}
        return {"success": True, "ok": not problem, "lines": [line]}

    # log and audit

    @route(
        "GET",
        "/api/logs",
        "viewer",
        "The newest log lines",
        parameters=(
            Parameter("level", "the least serious", choice(*LEVELS)),
            Parameter("logger", "begins so", TEXT),
            Parameter("q", "is in the text", TEXT),
            LIMIT,
        ),
    )
    async def logs(self, call: Call) -> dict[str, Any]:
        return await self._views.logs.read(
            call.choice("level", LEVELS),
            call.text("logger"),
            call.text("q"),
            call.integer("limit", 200, 1, 1000),
        )

    @route(
        "GET",
        "/api/audit",
        "viewer",
        "Who did what",
        parameters=(
            Parameter("who", "account or token", TEXT),
            Parameter("action", "begins so", TEXT),
            LIMIT,
            BEFORE,
        ),
    )
    async def audit(self, call: Call) -> dict[str, Any]:
        return await self._views.audit.read(
            call.integer("limit", 100, 1, 1000),
            call.integer("before", 0, 1, 1 << 60) or None,
            call.text("who"),
            call.text("action"),
        )

    # health

    @route("GET", "/healthz", None, "The process answers", answer=object_of(("status",), status=TEXT))
    async def healthy(self, call: Call) -> dict[str, Any]:
        return {"status": "ok"}

    @route("GET", "/readyz", None, "Whether it can work: journal, listening", answer=object_of(("ready",)))
    async def ready(self, call: Call) -> Reply:
        answer = await self._context.probe.look()
        return Reply(msgspec.json.encode(answer), status=200 if answer["ready"] else 503)


def changes_of(body: dict[str, Any]) -> dict[str, str]:
    """The settings that a request names, as ``.env`` writes them; what is masked is left out."""
    values = body.get("settings", body)
    if not isinstance(values, dict):
        raise invalid("settings", "must be an object")
    return {name: setting_text(name, value) for name, value in values.items() if value != MASK}


def kinds_of(call: Call) -> list[str]:
    """The kinds of events that a query names."""
    return [kind for kind in call.text("kind").split(",") if kind]
