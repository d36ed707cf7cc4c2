"""What programs read: metrics and the description of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bssci.web.api.metrics import CONTENT_TYPE, Metrics
from bssci.web.http.call import Call, Reply
from bssci.web.http.routing import route


class MachineRoutes:
    """See the module."""

    def __init__(self, metrics: Metrics, description: Callable[[], dict[str, Any]]) -> None:
        self._metrics = metrics
        self._description = description

    @route(
        "GET", "/metrics", "viewer", "For Prometheus", content_type="text/plain", answer={"type": "string"}
    )
    async def metrics(self, call: Call) -> Reply:
        return Reply(self._metrics.page(), CONTENT_TYPE)

    @route("GET", "/api/openapi.json", "viewer", "This description")
    async def description(self, call: Call) -> dict[str, Any]:
        return self._description()
