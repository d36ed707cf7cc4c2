"""The service itself: status, charts, events, settings, log and audit, health."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import msgspec

from bssci.settings.configuration import setting_text
from bssci.settings.rows import MASK
from bssci.web.api.schemas import (
    BEFORE,
    DRY_RUN,
    TEXT,
    choice,
    json_body,
    limit,
    object_of,
    span,
    success,
)
from bssci.web.context import Context
from bssci.web.http.call import Call, Reply
from bssci.web.http.errors import invalid, not_found
from bssci.web.http.routing import Parameter, route
from bssci.web.monitoring.logbook import LEVELS
from bssci.web.monitoring.sampler import METRICS
from bssci.web.reports.facade import Views

CHANGES = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}
"""settings by name, or in ``settings``"""


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
        "GET",
        "/api/dashboard",
        "viewer",
        "Whether all is well, with figures and charts",
        parameters=(span("hour"),),
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
        parameters=(Parameter("metric", "which", choice(*METRICS, default="uplinks")), span("hour")),
    )
    async def history(self, call: Call) -> dict[str, Any]:
        return await self._views.charts.history(
            call.text("metric") or "uplinks", call.text("range") or "hour"
        )

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
        after = await configuration.check(values)
        changes = await self._views.config.differences(values, after)
        if call.flag("dry_run"):
            return {"success": True, "dry_run": True, "changes": changes}
        async with AsyncExitStack() as entries:
            for change in changes:
                detail = f"{change['before']} -> {change['after']}"
                await entries.enter_async_context(
                    self._context.audit.around(call.asker, "config.change", change["name"], detail)
                )
            await configuration.change(values)
        return {
            "success": True,
            "changes": changes,
            "needs_restart": self._views.config.needs_restart(),
        }

    @route(
        "POST",
        "/api/config/test/{group}",
        "admin",
        "Try to reach the other side of a group of settings, with some that are not saved if they are given",
        body=json_body(CHANGES),
        answer=success(ok={"type": "boolean"}),
    )
    async def test_group(self, call: Call) -> dict[str, Any]:
        configuration = self._context.configuration
        groups = {group.key: group for group in configuration.catalogue.groups if group.trial is not None}
        group = groups.get(call.path["group"])
        if group is None or group.trial is None:
            raise not_found(f"there are {', '.join(groups)}")
        values = changes_of(call.json()) if call.body() else {}
        settings = await configuration.draft(values) if values else configuration.current
        await self._context.audit.record(call.asker, "config.test", group.key)
        problem = await self._context.run_in_thread(group.trial, settings.values())
        line = {"ok": not problem, "text": problem or f"{group.title}: the other side took the connection"}
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
            limit(200),
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
            limit(100),
            BEFORE,
        ),
    )
    async def audit(self, call: Call) -> dict[str, Any]:
        return await self._views.audit.read(
            call.integer("limit", 100, 1, 1000),
            call.before(),
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
