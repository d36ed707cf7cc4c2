"""Events: stored ones, and live ones."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.http import Request

from bssci.system.clock import pause
from bssci.web.api.schemas.common import EventJson, EventPage, told
from bssci.web.api.schemas.events import EventSelection, WantedBefore, WantedSince
from bssci.web.context import Context
from bssci.web.http.call import Call
from bssci.web.http.errors import ApiError
from bssci.web.http.outflow import Outflow, or_break_off
from bssci.web.http.replies import Streamed
from bssci.web.http.routing import route
from bssci.web.live.live import Filter, Viewer, encode_all
from bssci.web.live.names import names_in
from bssci.web.reports.facade import Views

MAX_RESUMED = 500
"""missed events that a returning viewer is sent, at most"""
MAX_EXPORTS = 4
"""exports that run at a time"""
MAX_EXPORTS_OF_ACCOUNT = 2
"""exports of one account or token"""
SLICE = 500
"""events of an export that are read at a time"""
PAUSE = 0.02
"""s between slices, which are everybody else's"""

_lines = msgspec.json.Encoder().encode_lines


class EventRoutes:
    """Routes for stored events and the live stream."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context
        self._views = views.events
        self._name_of = names_in(context.center)
        self._exports: list[str] = []
        """names of those whose exports are running"""

    @route(
        "GET",
        "/api/events",
        "viewer",
        "Stored events with readings, newest first; `next` is where to go on, also if few or none were found",
    )
    async def stored(self, call: Call, query: WantedBefore) -> EventPage:
        return told(EventPage, await self._views.read(query.filter(), query.before, query.limit))

    @route(
        "GET",
        "/api/events/export",
        "viewer",
        "All stored events, newest first, one a line, without readings",
        content_type="application/x-ndjson",
    )
    async def export(self, call: Call, query: EventSelection) -> Streamed:
        asked, request, who = query.filter(), call.request, call.identity.name
        if self._exports.count(who) >= MAX_EXPORTS_OF_ACCOUNT:
            raise ApiError(
                429,
                "too_many_exports",
                f"{MAX_EXPORTS_OF_ACCOUNT} exports of {who} are under way already",
                retry_after=30.0,
            )
        if len(self._exports) >= MAX_EXPORTS:
            raise ApiError(503, "busy", f"{MAX_EXPORTS} exports are under way already", retry_after=30.0)
        outflow = Outflow(request, self._context.clock)
        self._exports.append(who)
        try:
            read = await self._views.read(asked, limit=SLICE, decodes=False)
            request.setHeader("Content-Type", "application/x-ndjson; charset=utf-8")
            request.setHeader("Content-Disposition", 'attachment; filename="events.ndjson"')
            if request.method != b"HEAD":
                with or_break_off(outflow.abort):
                    await self._write(outflow, request, asked, read)
                if outflow.gone:
                    await outflow.lost
        finally:
            outflow.end()
            self._exports.remove(who)
        return Streamed()

    async def _write(self, outflow: Outflow, request: Request, asked: Filter, read: dict[str, Any]) -> None:
        """Write the events that were read, and all before them."""
        await outflow.write(_lines(read["events"]))
        while read["next"] is not None and not outflow.gone:
            await pause(self._context.clock, PAUSE)
            if not self._is_allowed(request):
                outflow.abort()
                return
            read = await self._views.read(asked, read["next"], SLICE, decodes=False)
            await outflow.write(_lines(read["events"]))

    def _is_allowed(self, request: Request) -> bool:
        """Return whether the reader may still see events; waiting for them does not prolong its session."""
        return self._context.guard.identify(request, is_seen=False) is not None

    @route("GET", "/api/events/{seq}", "viewer", "One event and its delivery to each sink")
    async def one(self, call: Call) -> EventJson:
        text = call.path["seq"]
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise ApiError(404, "not_found", "there is no such event")
        return await self._views.one(int(text))

    @route(
        "GET",
        "/api/live",
        "viewer",
        "Every event as it happens, with readings; goes on after Last-Event-ID",
        content_type="text/event-stream",
    )
    async def live(self, call: Call, query: WantedSince) -> Streamed:
        request, hub, journal = call.request, self._context.hub, self._context.journal
        asked, last = query.filter(), journal.events.last_seq
        since = last if query.since is None else query.since
        viewer = Viewer(call.identity.name, request, asked, lambda: self._is_allowed(request))
        hub.enter(viewer)
        gone: Deferred[None] = Deferred()
        request.notifyFinish().addBoth(lambda _: gone.callback(None))
        try:
            if request.method == b"HEAD":
                return Streamed()
            viewer.begin(last)
            seen = call.header("last-event-id")
            is_number = seen.isascii() and seen.isdigit() and len(seen) < 19
            with or_break_off(viewer.drop):
                await self._resume(viewer, int(seen) if is_number else since, last)
            await gone
        finally:
            hub.leave(viewer)
        return Streamed()

    async def _resume(self, viewer: Viewer, after: int, last: int) -> None:
        """Send the missed events, if they are not too many."""
        if not last - MAX_RESUMED <= after < last:
            viewer.past([], 0)
            if after < last:
                viewer.skip(last - after)
            return
        entries = await self._context.journal.events.read(after, MAX_RESUMED)
        decoded = await self._context.outside.decode_stored([event for _, event in entries])
        numbered = zip((seq for seq, _ in entries), decoded, strict=True)
        shown = encode_all(numbered, self._name_of)
        seen = entries[-1][0] if entries else last
        viewer.past(shown, seen)
        if seen < last:
            viewer.skip(last - seen)
