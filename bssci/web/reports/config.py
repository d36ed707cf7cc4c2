"""Every setting with its purpose, its value and the value's origin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.settings.catalogue import shown
from bssci.settings.groups import Group
from bssci.settings.rows import Setting
from bssci.settings.table import Settings
from bssci.web.context import Context


class ConfigViews:
    """Reports on the settings."""

    def __init__(self, context: Context) -> None:
        self._configuration = context.configuration

    async def get(self) -> dict[str, Any]:
        """Return all settings; secrets masked."""
        catalogue = self._configuration.catalogue
        settings = [self._entry(group, row) for group in catalogue.groups for row in group]
        return {
            "settings": settings,
            "needs_restart": [each["name"] for each in settings if each["pending"]],
            "warnings": list(self._configuration.warnings),
        }

    async def named(self) -> dict[str, Any]:
        """Return all settings, and each value under its setting's name."""
        configuration = self._configuration
        return configuration.shown(list(configuration.catalogue.rows)) | await self.get()

    def needs_restart(self) -> list[str]:
        """Return the names of changed settings that need a restart."""
        return [name for name, row in self._configuration.catalogue.rows.items() if self._is_pending(row)]

    async def differences(self, changes: Mapping[str, str], after: Settings) -> list[dict[str, Any]]:
        """Return the settings whose value a change would alter, with the values before and after."""
        before, rows = self._configuration.current, self._configuration.catalogue.rows
        return [
            {
                "name": name,
                "before": shown(rows[name], before.value(name)),
                "after": shown(rows[name], after.value(name)),
                "restart": not rows[name].live,
            }
            for name in changes
            if before.value(name) != after.value(name)
        ]

    def _entry(self, group: Group, row: Setting) -> dict[str, Any]:
        configuration = self._configuration
        return {
            "name": row.name,
            "value": shown(row, configuration.current.value(row.name)),
            "default": row.default,
            "description": row.description,
            "unit": row.unit,
            "allowed": row.parser.allowed,
            "origin": configuration.origins[row.name],
            "editable": not configuration.is_fixed(row.name),
            "restart": not row.live,
            "reread": row.reread,
            "secret": row.secret,
            "pending": self._is_pending(row),
            "group": group.title,
        }

    def _is_pending(self, row: Setting) -> bool:
        started, now = self._configuration.at_start, self._configuration.current
        return not row.live and started.value(row.name) != now.value(row.name)
