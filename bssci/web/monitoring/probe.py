"""Readiness of the service: whether the journal stores, ports are open, and sinks deliver."""

from __future__ import annotations

from typing import Any

from bssci.center.service_center import ServiceCenter
from bssci.web.outside import Outside


class Probe:
    """Checks of journal, ports and sinks for ``/readyz`` and the metrics."""

    def __init__(self, center: ServiceCenter, outside: Outside) -> None:
        self._center = center
        self._outside = outside

    async def look(self) -> dict[str, Any]:
        """Return ``ready`` and its parts. A failing sink does not affect it, as its backlog is kept."""
        storing = self._center.storing
        await storing.attempt()
        stores, listening = not storing.is_failing(), self._outside.listening()
        return {
            "ready": stores and listening,
            "journal": stores,
            "listening": listening,
            "sinks": self._center.deliveries.delivering(),
        }
