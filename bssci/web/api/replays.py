"""Replays: kept messages delivered again to a sink, decoded by the present decoders."""

from __future__ import annotations

from bssci.center.replays import Replaying, ReplayRequest
from bssci.web.api.schemas.common import told
from bssci.web.api.schemas.replays import ReplayAnswer, ReplayAsked, ReplayChanged, ReplayList
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError, not_found
from bssci.web.http.routing import route


class ReplayRoutes:
    """Routes for replays."""

    def __init__(self, context: Context) -> None:
        self._outside = context.outside
        self._commands = context.center.commands

    @route("GET", "/api/replays", "viewer", "Replays, the newest first; finished ones are kept for a while")
    async def all(self, call: Call) -> ReplayList:
        replays = self._outside.replays
        return told(ReplayList, {"replays": replays.listed() if replays is not None else []})

    @route("POST", "/api/replays", "admin", "Deliver kept messages again, decoded by the present decoders")
    async def begin(self, call: Call, body: ReplayAsked) -> ReplayChanged:
        request = ReplayRequest(
            body.sink, float(body.from_), float(body.to), tuple(body.devices), body.publish
        )
        begun = await self._commands.begin_replay(self._replays(), request, call.actor)
        return ReplayChanged(replay=told(ReplayAnswer, begun))

    @route("DELETE", "/api/replays/{id}", "admin", "End a replay early; what was delivered stays")
    async def cancel(self, call: Call) -> ReplayChanged:
        text = call.path["id"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise not_found("there is no such replay")
        ended = await self._commands.cancel_replay(self._replays(), int(text), call.actor)
        return ReplayChanged(replay=told(ReplayAnswer, ended))

    def _replays(self) -> Replaying:
        """Return the object that carries out replays.

        :raises ApiError: 503: replays are not available.
        """
        if self._outside.replays is None:
            raise ApiError(503, "unavailable", "replays are not possible now")
        return self._outside.replays
