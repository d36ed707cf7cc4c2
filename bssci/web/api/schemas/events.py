"""Events."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bssci.web.api.schemas.common import Before, Limit
from bssci.web.http.call import LARGEST
from bssci.web.http.reading import TypedEui
from bssci.web.live.live import Filter, filter_of
from bssci.web.live.sentences import KINDS


class EventSelection(msgspec.Struct, kw_only=True):
    """Selection of events."""

    kind: Annotated[str, Meta(description=f"kinds of events, separated by commas: {', '.join(KINDS)}")] = ""
    sensor: Annotated[TypedEui | None, Meta(description="only of this sensor")] = None
    station: Annotated[TypedEui | None, Meta(description="only of this base station")] = None
    q: Annotated[
        str,
        Meta(
            description="text in the event's JSON or as pages show it; bytes as 0a1b, 0A 1B or 0x0a1b",
        ),
    ] = ""

    def filter(self) -> Filter:
        """Return the filter for events that the query asks for.

        :raises ApiError: 422, there is no such kind.
        """
        return filter_of(self.kind, self.sensor, self.station, self.q)


class WantedBefore(EventSelection):
    """Selection of events, a part at a time."""

    limit: Limit = 100
    before: Before = None


class WantedSince(EventSelection):
    """Selection of events as they happen."""

    since: (
        Annotated[int, Meta(ge=0, le=LARGEST, description="as Last-Event-ID, for the first connection")]
        | None
    ) = None
