"""The stream of events for pages: Server-Sent Events, encoded once for all viewers, with a limit for each.

    journal --Feed--> readings --> Hub --one encoding--> Viewer, Viewer ... --> browser

A viewer that does not read is dropped when its buffer is full, or after a minute. Browsers reconnect by
themselves with the number of the last event that they got, and get the events that they missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from bssci.journal import Journal
from bssci.model import EUI, AnyEvent
from bssci.model.event_json import kind_of
from bssci.system.clock import Clock, Ticker, boot_seconds
from bssci.system.line_limit import FaultLimit, telling
from bssci.web.http.errors import ApiError, invalid
from bssci.web.http.site import abort
from bssci.web.live.event_json import event_dict, parties
from bssci.web.live.event_search import contains, text_of, wanted
from bssci.web.live.feed import Feed, Watching
from bssci.web.live.names import NameOf, nameless
from bssci.web.live.sentences import KINDS
from bssci.web.outside import Decode

MAX_VIEWERS = 200
MAX_OF_ACCOUNT = 50
"""viewers of one account or token, so that nobody takes the places of all others"""
MAX_BUFFER = 512 * 1024
"""bytes that may wait for a viewer"""
MAX_HELD = 5000
"""events that may wait while a viewer gets past events"""
MAX_HELD_BYTES = 4 * 1024 * 1024
"""bytes of these events, as they are sent"""
KEEP_ALIVE = 10.0
"""s between signs of life; a browser that gets none for more than twice this time considers the connection
lost
"""
UNREAD_PINGS = 6
"""signs of life during which a viewer may read nothing of what waits for it; then it is dropped"""
CHECK_PERIOD = 1.0
"""s after which viewers are parted from whose token was revoked or whose session is over"""
RETRY = 3000
"""ms after which a browser reconnects"""

_encode = msgspec.json.Encoder().encode
_log = Logger()
_faults = FaultLimit(boot_seconds)


@dataclass(frozen=True)
class Encoded:
    """An event as it is sent, with the values that filters examine."""

    seq: int
    kind: str
    sensor: EUI | None
    stations: Sequence[EUI | None]
    described: dict[str, Any]
    data: bytes

    @cached_property
    def text(self) -> str:
        """Text that is searched."""
        return text_of(self.described)


def encoded(seq: int, event: AnyEvent, name_of: NameOf) -> Encoded:
    kind, described = kind_of(event), event_dict(seq, event, name_of)
    data = b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), _encode(described))
    return Encoded(seq, kind, *parties(event), described, data)


def encode_all(numbered: Iterable[tuple[int, AnyEvent]], name_of: NameOf) -> list[Encoded]:
    """Return events as they are sent; one that cannot be described is logged, and costs itself only."""
    found = []
    for seq, event in numbered:
        try:
            found.append(encoded(seq, event, name_of))
        except Exception as error:
            if (left_out := _faults.admit(error)) is not None:
                text = telling("event not shown to viewers {seq}", left_out)
                _log.failure(text, seq=seq, left_out=left_out)
    return found


@dataclass(frozen=True)
class Filter:
    """The choice of events that a viewer gets; empty fields mean all."""

    kinds: frozenset[str] = frozenset()
    sensor: EUI | None = None
    station: EUI | None = None
    text: tuple[str, ...] = ()
    """alternatives of the search, from :func:`bssci.web.live.event_search.wanted`"""

    def takes(self, event: Encoded) -> bool:
        return (
            (not self.kinds or event.kind in self.kinds)
            and (self.sensor is None or event.sensor == self.sensor)
            and (self.station is None or self.station in event.stations)
            and (not self.text or contains(event.text, self.text))
        )


@implementer(IPushProducer)
class Viewer:
    """A browser that watches events.

    :ivar who: name of its account or token.
    """

    def __init__(self, who: str, request: Request, wanted: Filter, still_allowed: Callable[[], bool]) -> None:
        self.who = who
        self.request = request
        self.still_allowed = still_allowed
        self._wanted = wanted
        self._paused = False
        self._unread_pings = 0
        """signs of life since it last read all that waited"""
        self._waiting: list[bytes] = []
        self._size = 0
        self._after = 0
        """events up to this number were sent already"""
        self._seen = 0
        """number of the newest event, wanted or not"""
        self._held: list[Encoded] | None = []
        """events that happen while past events are read; None afterwards"""
        self._held_bytes = 0
        self._skipped = 0
        """events that were skipped and are not reported yet"""
        self.gone = False

    def begin(self, seq: int) -> None:
        self._seen = seq
        request = self.request
        request.setHeader("Content-Type", "text/event-stream; charset=utf-8")
        request.setHeader("X-Accel-Buffering", "no")
        request.registerProducer(self, True)
        self._send(b"retry: %d\n\nevent: hello\ndata: %s\n\n" % (RETRY, _encode({"seq": seq})))

    def past(self, events: Sequence[Encoded], after: int) -> None:
        """Send the events that the viewer missed, then those that happened meanwhile."""
        held, self._held = self._held or [], None
        self.show(events)
        self._after = after
        self.show(held)
        if self._skipped:
            self.skip(self._skipped)

    def show(self, events: Sequence[Encoded]) -> None:
        if self._held is not None:
            for number, event in enumerate(events):
                if len(self._held) >= MAX_HELD or self._held_bytes + len(event.data) > MAX_HELD_BYTES:
                    self.skip(len(events) - number)
                    break
                self._held.append(event)
                self._held_bytes += len(event.data)
            return
        if events:
            self._seen = max(self._seen, events[-1].seq)
        wanted, after = self._wanted, self._after
        data = b"".join([each.data for each in events if each.seq > after and wanted.takes(each)])
        if data:
            self._send(data)

    def skip(self, count: int) -> None:
        """Tell the viewer that events were skipped; while past events are read, tell it afterwards."""
        if self._held is None:
            self._send(b"event: skipped\ndata: %s\n\n" % _encode({"count": count}))
        else:
            self._skipped += count

    def ping(self) -> None:
        """Send a sign of life with the number of the newest event, even if the filter excludes it; drop a
        viewer that has read nothing for long, as it takes the place of another.
        """
        if self._paused:
            self._unread_pings += 1
            if self._unread_pings > UNREAD_PINGS:
                self.drop()
        if self._held is None:
            self._send(b"id: %d\nevent: ping\ndata: {}\n\n" % self._seen)

    def drop(self) -> None:
        """Disconnect a viewer that does not read, or is no longer allowed to."""
        if not self.gone:
            self.gone = True
            self._waiting.clear()
            self.request.unregisterProducer()
            # The connection is aborted, as closing it would wait for data that is not read.
            abort(self.request)

    def _send(self, data: bytes) -> None:
        if self.gone:
            return
        if not self._paused:
            self.request.write(data)
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._size > MAX_BUFFER:
            self.drop()

    # IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._unread_pings = 0
        if self._waiting and not self.gone:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._size = 0
            self.request.write(data)

    def stopProducing(self) -> None:
        self.gone = True
        self._waiting.clear()


class Hub:
    """All viewers of the live stream: a :class:`bssci.web.live.feed.Watcher`.

    :param decode: adds readings to events.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, decode: Decode, name_of: NameOf = nameless) -> None:
        self._name_of = name_of
        watching = Watching(clock, self, lambda: decode if self._viewers else None)
        self._feed = Feed(clock, journal, watching)
        self._viewers: set[Viewer] = set()
        self._tickers = (
            Ticker(clock, KEEP_ALIVE, self._keep_alive),
            Ticker(clock, CHECK_PERIOD, self._part),
        )
        self.dropped = 0
        """viewers dropped since the start because they did not read"""

    def __len__(self) -> int:
        return len(self._viewers)

    def start(self) -> None:
        self._feed.start()
        for ticker in self._tickers:
            ticker.start()

    def stop(self) -> None:
        self._feed.stop()
        for ticker in self._tickers:
            ticker.stop()
        for viewer in list(self._viewers):
            viewer.drop()

    def enter(self, viewer: Viewer) -> None:
        """Add a viewer.

        :raises ApiError: 429: there are too many of its account; 503: there are too many in all.
        """
        if sum(each.who == viewer.who for each in self._viewers) >= MAX_OF_ACCOUNT:
            raise ApiError(
                429,
                "too_many_viewers",
                f"{viewer.who} has {MAX_OF_ACCOUNT} live streams open already: close pages, or programs that"
                " read them",
                retry_after=30.0,
            )
        if len(self._viewers) >= MAX_VIEWERS:
            raise ApiError(503, "busy", f"{MAX_VIEWERS} viewers are watching already", retry_after=30.0)
        self._viewers.add(viewer)

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    def events(self, numbered: Sequence[tuple[int, AnyEvent]]) -> None:
        if not self._viewers or not numbered:
            return
        events = encode_all(numbered, self._name_of)
        for viewer in list(self._viewers):
            viewer.show(events)
            self._check(viewer)

    def skipped(self, count: int) -> None:
        for viewer in list(self._viewers):
            viewer.skip(count)
            self._check(viewer)

    def _keep_alive(self) -> None:
        for viewer in list(self._viewers):
            viewer.ping()
            self._check(viewer)

    def _part(self) -> None:
        for viewer in [each for each in self._viewers if not each.still_allowed()]:
            viewer.drop()
            self.leave(viewer)

    def _check(self, viewer: Viewer) -> None:
        if viewer.gone:
            self.leave(viewer)
            self.dropped += 1
            self.log.info("viewer dropped, it does not read {dropped}", dropped=self.dropped)


def filter_of(kind: str, sensor: EUI | None, station: EUI | None, q: str) -> Filter:
    """Return the filter that a query describes.

    :param kind: kinds of events, separated by commas; empty: all.
    :param q: text to search for.
    :raises ApiError: 422: there is no such kind.
    """
    kinds = frozenset(filter(None, kind.split(",")))
    if not kinds <= set(KINDS):
        raise invalid("kind", f"must be of {', '.join(KINDS)}")
    return Filter(kinds, sensor, station, wanted(q))
