"""The service itself: status, charts, settings, log and audit, health."""

from __future__ import annotations

from typing import Any

from bssci.settings.configuration import Configuration, setting_change
from bssci.settings.rows import MASK
from bssci.web.api.schemas.common import DryRun, OfLastHour, TrialAnswer, told
from bssci.web.api.schemas.dashboard import Dashboard, MetricHistory, OfMetric
from bssci.web.api.schemas.health import Alive, Ready
from bssci.web.api.schemas.logs import AuditLines, LogLines, WantedEntries, WantedLines
from bssci.web.api.schemas.settings import SettingList, SettingsChanged, SettingValues
from bssci.web.api.schemas.status import FixedStatus, ServiceStatus
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import invalid, invalid_fields, not_found
from bssci.web.http.replies import Reply
from bssci.web.http.routing import JSON, route
from bssci.web.reports.facade import Views


class ServiceRoutes:
    """Routes for the service as a whole."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views

    @route("GET", "/api/bssci/status", "viewer", "State of the service and its sinks")
    @route("GET", "/api/service/status", "viewer", "State of the service and its sinks")
    async def status(self, call: Call) -> ServiceStatus:
        status = await self._views.status.status()
        told(FixedStatus, status)
        return status

    @route("GET", "/api/dashboard", "viewer", "Verdict, figures and charts of the dashboard")
    async def dashboard(self, call: Call, query: OfLastHour) -> Dashboard:
        return told(Dashboard, await self._views.status.dashboard(query.range))

    @route("GET", "/api/history", "viewer", "One figure over time")
    async def history(self, call: Call, query: OfMetric) -> MetricHistory:
        return told(MetricHistory, await self._views.charts.history(query.metric, query.range))

    # settings

    @route("GET", "/api/config", "viewer", "Every setting; secrets masked")
    async def config(self, call: Call) -> SettingList:
        return await self._views.config.named()

    @route(
        "POST",
        "/api/config",
        "admin",
        "Change settings, all or none; a masked secret stays as it is",
        takes={JSON: SettingValues},
    )
    async def change_config(self, call: Call, query: DryRun) -> SettingsChanged:
        configuration = self._context.configuration
        values = changes_of(configuration, call.json())
        if not values:
            return SettingsChanged(changes=[], needs_restart=self._views.config.needs_restart())
        wrong = configuration.faults(values)
        if len(wrong) > 1:
            raise invalid_fields(wrong)
        after = await configuration.check(values)
        changes = await self._views.config.differences(values, after)
        if query.dry_run:
            return told(SettingsChanged, {"changes": changes, "dry_run": True})
        details = {
            each["name"]: setting_change(each["name"], each["before"], each["after"]) for each in changes
        }
        await self._context.center.commands.settings.change(values, details, call.actor)
        return told(
            SettingsChanged, {"changes": changes, "needs_restart": self._views.config.needs_restart()}
        )

    @route(
        "POST",
        "/api/config/test/{group}",
        "admin",
        "Try to reach the other side of a group of settings, with some that are not saved if they are given",
        takes={JSON: SettingValues},
    )
    async def test_group(self, call: Call) -> TrialAnswer:
        configuration = self._context.configuration
        groups = {group.key: group for group in configuration.catalogue.groups if group.trial is not None}
        group = groups.get(call.path["group"])
        if group is None:
            raise not_found(f"no such group of settings; there are {', '.join(groups)}")
        values = changes_of(configuration, call.json()) if call.body() else {}
        commands = self._context.center.commands.settings
        problem = await commands.try_group(group, values, call.actor, self._context.run_in_thread)
        line = {"ok": not problem, "text": problem or f"{group.title}: the other side took the connection"}
        return told(TrialAnswer, {"ok": not problem, "lines": [line]})

    # log and audit

    @route("GET", "/api/logs", "viewer", "The newest log lines")
    async def logs(self, call: Call, query: WantedLines) -> LogLines:
        read = await self._views.logs.read(query.level or "", query.logger, query.q, query.limit)
        return told(LogLines, read)

    @route("GET", "/api/audit", "viewer", "Audit log")
    async def audit(self, call: Call, query: WantedEntries) -> AuditLines:
        read = await self._views.audit.read(query.limit, query.before, query.who, query.action, query.q)
        return told(AuditLines, read)

    # health

    @route("GET", "/healthz", None, "Liveness: the process answers")
    async def healthy(self, call: Call) -> Alive:
        return Alive()

    @route("GET", "/readyz", None, "Readiness: journal and listeners")
    async def ready(self, call: Call) -> Reply[Ready]:
        answer = told(Ready, await self._context.probe.look())
        return Reply(answer, status=200 if answer.ready else 503)


def changes_of(configuration: Configuration, body: dict[str, Any]) -> dict[str, str]:
    """Return the settings that a request names, as ``.env`` writes them, without what is masked.

    :raises CommandError: a value is of another type than its setting has.
    """
    values = body.get("settings", body)
    if not isinstance(values, dict):
        raise invalid("settings", "must be an object")
    return configuration.texts({name: value for name, value in values.items() if value != MASK})
