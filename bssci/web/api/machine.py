"""Routes for programs: metrics and the description of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bssci.web.api import asyncapi
from bssci.web.api.metrics import CONTENT_TYPE, Metrics
from bssci.web.http.call import Call
from bssci.web.http.errors import not_found
from bssci.web.http.guard import cookie_name
from bssci.web.http.replies import Reply
from bssci.web.http.routing import route


class MachineRoutes:
    """Routes for monitoring and for tools.

    :param description: returns the OpenAPI document, with the name of the session's cookie.
    :param version: version of the service.
    """

    def __init__(
        self, metrics: Metrics, description: Callable[[str], dict[str, Any]], version: str, base_topic: str
    ) -> None:
        self._metrics = metrics
        self._description = description
        self._version = version
        self._base_topic = base_topic

    @route("GET", "/metrics", "viewer", "Metrics for Prometheus", content_type="text/plain")
    async def metrics(self, call: Call) -> Reply[bytes]:
        return Reply(await self._metrics.page(), CONTENT_TYPE)

    @route("GET", "/api/openapi.json", "viewer", "This description")
    async def description(self, call: Call) -> dict[str, Any]:
        return self._description(cookie_name(call.request)) | {"servers": [{"url": call.prefix or "/"}]}

    @route("GET", "/api/asyncapi.json", "viewer", "Description of the messages by MQTT and live stream")
    async def messages(self, call: Call) -> dict[str, Any]:
        return asyncapi.asyncapi_document(self._version, self._base_topic, call.prefix)

    @route("GET", "/api/schemas/{name}.json", "viewer", "JSON Schema of one payload of that description")
    async def schema(self, call: Call) -> dict[str, Any]:
        try:
            return asyncapi.schema_of(call.path["name"])
        except KeyError:
            raise not_found("there is no such schema") from None
