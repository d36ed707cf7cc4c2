"""Every setting with what it is for, its value and where that comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bssci.settings.table import MASK, SETTINGS, Setting, Settings
from bssci.web.context import Context

GROUPS = (
    ("Base stations", ("LISTEN_", "CERT_", "KEY_", "CA_", "STATION_", "SC_", "MAX_", "STATUS_")),
    ("Sensors and journal", ("SENSOR_", "STATE_", "RETENTION_", "JOURNAL_", "DEDUPLICATION_", "AUTO_")),
    ("Delivery", ("SINKS", "MQTT_", "BASE_TOPIC")),
    ("Web admin", ("WEB_",)),
    ("Log", ("LOG_", "TIMEZONE")),
)


class ConfigViews:
    """Questions about the settings."""

    def __init__(self, context: Context) -> None:
        self._configuration = context.configuration

    async def get(self) -> dict[str, Any]:
        """All settings; secrets masked."""
        settings = [self._entry(setting) for setting in SETTINGS.values()]
        return {
            "settings": settings,
            "needs_restart": [each["name"] for each in settings if each["pending"]],
            "warnings": list(self._configuration.warnings),
        }

    async def named(self) -> dict[str, Any]:
        """The same, and each value under its setting's name."""
        values = {name: shown(setting, self._configuration.current) for name, setting in SETTINGS.items()}
        return values | await self.get()

    def needs_restart(self) -> list[str]:
        """Settings whose change is not in force."""
        return [name for name, setting in SETTINGS.items() if self._is_pending(setting)]

    async def differences(self, changes: Mapping[str, str], after: Settings) -> list[dict[str, Any]]:
        """What a change would change."""
        before = self._configuration.current
        return [
            {
                "name": name,
                "before": shown(SETTINGS[name], before),
                "after": shown(SETTINGS[name], after),
                "restart": SETTINGS[name].restart,
            }
            for name in changes
            if _value(SETTINGS[name], before) != _value(SETTINGS[name], after)
        ]

    def _entry(self, setting: Setting) -> dict[str, Any]:
        configuration = self._configuration
        return {
            "name": setting.name,
            "value": shown(setting, configuration.current),
            "default": setting.default,
            "description": setting.description,
            "unit": setting.unit,
            "allowed": setting.parser.allowed,
            "origin": configuration.origins[setting.name],
            "editable": not configuration.is_fixed(setting.name),
            "restart": setting.restart,
            "secret": setting.secret,
            "pending": self._is_pending(setting),
            "group": group_of(setting.name),
        }

    def _is_pending(self, setting: Setting) -> bool:
        configuration = self._configuration
        return setting.restart and _value(setting, configuration.at_start) != _value(
            setting, configuration.current
        )


def group_of(name: str) -> str:
    """The part of the service that a setting is about."""
    return next((group for group, begins in GROUPS if name.startswith(begins)), "Other")


def shown(setting: Setting, settings: Settings) -> Any:
    """A value as JSON knows it; masked if it is a secret."""
    value = _value(setting, settings)
    if setting.secret:
        return MASK if value else ""
    if isinstance(value, tuple):
        return list(value)
    if value is None:
        return ""
    return value if isinstance(value, (bool, int, float)) else str(value)


def _value(setting: Setting, settings: Settings) -> Any:
    return getattr(settings, setting.attribute)
