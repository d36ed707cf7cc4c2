"""The live stream's route."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bssci.web.api.service import KIND, SENSOR, STATION, kinds_of
from bssci.web.call import Call, Streamed
from bssci.web.context import Context
from bssci.web.live import Filter, Viewer, encoded, skipped_line
from bssci.web.routing import Parameter, route
from bssci.web.views.facade import Views

MAX_RESUMED = 500
"""events that a viewer who comes back is shown again"""

SINCE = Parameter("since", "as Last-Event-ID, for the first connection", {"type": "integer", "minimum": 0})


class LiveRoutes:
    """See the module."""

    def __init__(self, context: Context, views: Views) -> None:
        self._context = context

    @route(
        "GET",
        "/api/live",
        "viewer",
        "Every event as it happens; goes on after Last-Event-ID",
        parameters=(KIND, SENSOR, STATION, SINCE),
        content_type="text/event-stream",
        answer={"type": "string"},
    )
    async def live(self, call: Call) -> Streamed:
        wanted = Filter(frozenset(kinds_of(call)), call.optional_eui("sensor"), call.optional_eui("station"))
        request, hub, journal = call.request, self._context.hub, self._context.journal
        identity = self._context.guard.identify
        viewer = Viewer(request, wanted, lambda: identity(request, is_seen=False) is not None)
        hub.enter(viewer)
        gone: Deferred[None] = Deferred()
        request.notifyFinish().addBoth(lambda _: gone.callback(None))
        try:
            if request.method == b"HEAD":
                return Streamed()
            last = journal.last_seq
            viewer.begin(last)
            await self._resume(viewer, call.header("last-event-id") or call.text("since"), last)
            await gone
        finally:
            hub.leave(viewer)
        return Streamed()

    async def _resume(self, viewer: Viewer, last_id: str, last: int) -> None:
        """Show what was missed, if it is not too much."""
        after = int(last_id) if last_id.isascii() and last_id.isdigit() and len(last_id) < 19 else last
        if not last - MAX_RESUMED <= after < last:
            viewer.past([], 0)
            if after < last:
                viewer.tell(skipped_line(last - after))
            return
        entries = await self._context.journal.read_events(after, MAX_RESUMED)
        viewer.past([encoded(seq, event) for seq, event in entries], entries[-1][0] if entries else last)
