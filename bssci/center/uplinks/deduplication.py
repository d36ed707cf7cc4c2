"""Deduplication: merges the copies of an uplink that several base stations received.

An uplink's key is (end point, packet counter, payload). The first copy opens a window of ``delay`` seconds;
copies that arrive within it are merged, and the one with the best SNR comes first. All windows have the same
length, so one queue in order of arrival and one timer serve them all.

A reception with a counter above all earlier ones of its sensor cannot be a copy. Any other one is a suspect,
and is looked up in the journal first. It is a late copy if it arrives within 15 minutes of the recorded
uplink, or if its rxTime is within 300 s of the recorded one, as when a station was offline and now sends what
it kept. Otherwise it is a new uplink. A sensor that attaches over the air resets its counter: what arrives
after that is a late copy of an uplink from before only if the rxTimes of two stations agree.

    reception --+-- window open ----------------> merged
                +-- counter is higher ----------> opens a window
                +-- else: suspect -- journal? --+-- recorded: late copy
                                                +-- not: opens a window

    window --delay over--> uplink --journal--> sinks
"""

from __future__ import annotations

import os
from bisect import insort
from collections import deque
from collections.abc import Callable, Container, MutableMapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from typing import Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.uplinks.copies import best_first, is_repeat, late_copies
from bssci.model import EUI, AnyEvent, Reception, Uplink
from bssci.system.clock import Clock, Timer

TICK = 0.02
"""s; windows that end within one tick are closed and stored together"""
RETRY = 1.0
"""s until a failed access to the journal is retried"""
LOG_EVERY = 60
"""the first failure of the journal is logged, and then one in this many"""
STORED_AT_ONCE = 4 << 20
"""approximate encoded bytes of the uplinks that one commit stores; encoding them takes some milliseconds"""
MAX_SENSORS = 1_000_000
"""sensors whose highest counter is kept in memory; uplinks of others are looked up in the journal"""

UplinkKey = tuple[EUI, int, bytes]

_RANDOM_BYTES = 12
_SIZE = 128
"""encoded bytes of a reception without payload and subpackets"""
_SUBPACKET = 36
"""encoded bytes of a subpacket: four floating-point numbers"""


class Store(Protocol):
    """The part of the journal that deduplication uses."""

    def append(self, events: list[AnyEvent], *, taken_before: int | None = None) -> Deferred[int]: ...

    def find_uplinks(self, keys: list[tuple[EUI, int]]) -> Deferred[list[tuple[int, Uplink]]]: ...

    def append_late_copies(self, copies: list[tuple[int, Reception]]) -> Deferred[None]: ...


@dataclass
class Statistics:
    """Counts of uplinks since the service started."""

    total_messages: int = 0
    """receptions, including the first of each uplink"""
    duplicate_messages: int = 0
    published_messages: int = 0

    @property
    def duplication_rate(self) -> float:
        """Duplicates as a fraction of all receptions, 0..1."""
        return self.duplicate_messages / self.total_messages if self.total_messages else 0.0


@dataclass(slots=True)
class _Windows:
    """Deduplication windows that opened together, so that one timer serves them."""

    deadline: float
    position: int
    keys: list[UplinkKey]


@dataclass(slots=True)
class _Suspect:
    """Receptions of one uplink that wait for the look-up in the journal."""

    arrived: float
    position: int
    receptions: list[Reception]


_by_position = attrgetter("position")


class Deduplication:
    """Deduplication of receptions that are on disk, with a window for each uplink.

    :param clock: measures the windows.
    :param delay: s that an uplink waits for better copies.
    :param sensors: configured sensors, for :attr:`Uplink.known`.
    :param counters: highest counter received from each sensor; updated here.
    :param now: returns Unix seconds, for :attr:`Uplink.at`.
    :param began: returns the Unix seconds when a sensor reset its counter; 0: never.
    :param published: called with uplinks once they are in the journal, and the number of the first.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        store: Store,
        *,
        delay: float,
        sensors: Container[EUI],
        counters: MutableMapping[EUI, int],
        now: Callable[[], float],
        began: Callable[[EUI], float] = lambda eui: 0.0,
        published: Callable[[list[Uplink], int], None] = lambda uplinks, first_seq: None,
    ) -> None:
        self.delay = delay
        self.statistics = Statistics()
        self._clock = clock
        self._store = store
        self._sensors = sensors
        self._counters = counters
        self._now = now
        self._began = began
        self._published = published
        self._open: dict[UplinkKey, list[Reception]] = {}
        self._queue: deque[_Windows] = deque()
        self._suspects: dict[UplinkKey, _Suspect] = {}
        self._unasked: list[UplinkKey] = []
        self._closed: list[Uplink] = []
        self._storing: list[Uplink] = []
        self._last_position = 0
        self._timer: Timer | None = None
        self._timer_deadline = 0.0
        self._retry: Timer | None = None
        self._flushed: Deferred[None] | None = None
        """fires when all is stored, at a clean stop"""
        self._failures = 0
        """number of failures of the journal"""

    def configure(self, delay: float) -> None:
        """Change the length in s of the windows that open from now on."""
        self.delay = delay

    @property
    def open_windows(self) -> int:
        return len(self._open) + len(self._suspects)

    def add(self, receptions: Sequence[Reception], position: int) -> None:
        """Take receptions that are stored at ``position`` of the inbox."""
        self.statistics.total_messages += len(receptions)
        self._last_position = position
        opened = self._take(receptions, position)
        if opened:
            self._queue.append(_Windows(self._clock.seconds() + self.delay, position, opened))
            if self._timer is None:
                self._schedule()
        if self._unasked and not self._closed:
            self._ask()

    def recover(self, batches: Sequence[tuple[int, list[Reception]]]) -> None:
        """Take the receptions that an earlier run stored and may not have published."""
        for _, receptions in batches:
            for reception in receptions:
                counter = self._counters.get(reception.end_point_eui, -1)
                self._counters[reception.end_point_eui] = max(counter, reception.packet_counter)
        for position, receptions in batches:
            self.add(receptions, position)

    def restart(self, eui: EUI) -> None:
        """Close the open windows of a sensor that has reset its counter.

        Its highest counter stays: what is not above may be a copy from before.
        """
        keys = [key for key in self._open if key[0] == eui]
        if keys:
            self._close(keys)
            gone = set(keys)
            for windows in self._queue:
                windows.keys = [key for key in windows.keys if key not in gone]
            self._store_uplinks()

    def flush(self) -> Deferred[None]:
        """Close all windows now, at a clean stop; fires when they are stored, or cannot be."""
        self._flushed = flushed = Deferred[None]()
        for windows in self._queue:
            windows.deadline = 0.0
        self._close_due()
        self._cancel_timers()
        self._store_uplinks()
        return flushed

    def _cancel_timers(self) -> None:
        for timer in (self._timer, self._retry):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._retry = None

    # receptions

    def _take(self, receptions: Sequence[Reception], position: int) -> list[UplinkKey]:
        """Merge receptions into windows; return the keys of the windows that were opened."""
        windows, counters, suspects = self._open, self._counters, self._suspects
        opened: list[UplinkKey] = []
        for reception in receptions:
            eui, counter = reception.end_point_eui, reception.packet_counter
            key = (eui, counter, reception.payload)
            window = windows.get(key)
            if window is not None:
                self._merge(window, reception)
            elif suspects and key in suspects:
                # Its sensor may have reset its counter meanwhile; two windows for one key would never close.
                self._suspect(key, reception, position)
            elif counter > counters.get(eui, -1 if len(counters) < MAX_SENSORS else counter):
                counters[eui] = counter
                windows[key] = [reception]
                opened.append(key)
            else:
                self._suspect(key, reception, position)
        return opened

    def _merge(self, window: list[Reception], reception: Reception) -> None:
        if is_repeat(window, reception):
            self.statistics.total_messages -= 1
        else:
            self.statistics.duplicate_messages += 1
            window.append(reception)

    def _suspect(self, key: UplinkKey, reception: Reception, position: int) -> None:
        suspect = self._suspects.get(key)
        if suspect is not None:
            self._merge(suspect.receptions, reception)
            return
        self._suspects[key] = _Suspect(self._clock.seconds(), position, [reception])
        self._unasked.append(key)

    # suspects

    def _ask(self) -> None:
        """Look up the suspects in the journal; all uplinks closed before must have been submitted."""
        if self._retry is not None:
            return
        keys, self._unasked = self._unasked, []
        found = self._store.find_uplinks([(eui, counter) for eui, counter, _ in keys])
        found.addCallbacks(
            self._answered,
            self._not_answered,
            callbackArgs=(keys, self._failures),
            errbackArgs=(keys,),
        )
        found.addErrback(self._log_failure)

    def _not_answered(self, failure: Failure, keys: list[UplinkKey]) -> None:
        self._unasked = keys + self._unasked
        self._retry_later("look-up in the journal failed, will be retried", failure)

    def _answered(self, found: list[tuple[int, Uplink]], keys: list[UplinkKey], failures: int) -> None:
        if failures != self._failures:
            # Uplinks that were submitted before the look-up may not have been stored.
            self._unasked = keys + self._unasked
            if self._retry is None and not self._closed:
                self._ask()
            return
        recorded: dict[UplinkKey, list[tuple[int, Uplink]]] = {}
        for seq, uplink in found:
            recorded.setdefault(uplink.best.key, []).append((seq, uplink))
        copies: list[tuple[int, Reception]] = []
        for key in keys:
            suspect, late = self._suspects.pop(key), 0
            for seq, uplink in recorded.get(key, ()):
                taken = late_copies(suspect.receptions, uplink, self._began(key[0]))
                late += len(taken)
                copies += self._late(seq, uplink, taken)
                suspect.receptions = [copy for copy in suspect.receptions if copy not in taken]
            if suspect.receptions:
                self._open_late(key, suspect)
            elif late:
                # The first one of a suspect counts as no duplicate before.
                self.statistics.duplicate_messages += 1
        if copies:
            self._store.append_late_copies(copies).addErrback(self._late_copies_not_stored)
        self._schedule()

    def _late(self, seq: int, uplink: Uplink, taken: list[Reception]) -> list[tuple[int, Reception]]:
        fresh = [copy for copy in taken if not is_repeat(uplink.receptions, copy)]
        repeats = len(taken) - len(fresh)
        self.statistics.total_messages -= repeats
        self.statistics.duplicate_messages -= repeats
        return [(seq, copy) for copy in fresh]

    def _open_late(self, key: UplinkKey, suspect: _Suspect) -> None:
        """Open the window that should have opened when the suspect arrived."""
        eui, counter, _ = key
        if len(self._counters) < MAX_SENSORS:
            self._counters[eui] = max(counter, self._counters.get(eui, -1))
        self._open[key] = suspect.receptions
        windows = _Windows(suspect.arrived + self.delay, suspect.position, [key])
        insort(self._queue, windows, key=_by_position)

    # ends of windows

    def _schedule(self) -> None:
        """Set the timer to the end of the first window."""
        if not self._queue:
            return
        deadline = self._queue[0].deadline
        if self._timer is not None:
            if deadline >= self._timer_deadline:
                return
            self._timer.cancel()
        self._timer_deadline = deadline
        self._timer = self._clock.callLater(max(TICK, deadline - self._clock.seconds()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        try:
            self._close_due()
        except Exception:  # they stay open: what is in them was acknowledged
            self.log.failure("deduplication windows not closed, will be retried")
            self._timer = self._clock.callLater(RETRY, self._tick)
        else:
            self._schedule()

    def _close_due(self) -> None:
        now = self._clock.seconds()
        due = list(takewhile(lambda windows: windows.deadline <= now, self._queue))
        keys = [key for windows in due for key in windows.keys]
        if keys:
            self._close(keys)
        for _ in due:
            self._queue.popleft()
        if keys:
            self._store_uplinks()

    def _close(self, keys: list[UplinkKey]) -> None:
        self._closed += self._uplinks(keys)
        for key in keys:
            del self._open[key]

    def _uplinks(self, keys: list[UplinkKey]) -> list[Uplink]:
        at = self._now()
        randomness = os.urandom(_RANDOM_BYTES * len(keys)).hex()
        digits = 2 * _RANDOM_BYTES
        uplinks = []
        for number, key in enumerate(keys):
            receptions = self._open[key]
            copies = len(receptions)
            if copies > 1:
                receptions = best_first(receptions)
            uplinks.append(
                Uplink(
                    at=at,
                    id=randomness[number * digits : (number + 1) * digits],
                    known=key[0] in self._sensors,
                    receptions=receptions,
                    duplicates=copies - 1,
                )
            )
        return uplinks

    # storing, one batch at a time so that uplinks of a sensor stay in order

    def _store_uplinks(self) -> None:
        if self._storing or self._retry is not None:
            return
        count = _stored_at_once(self._closed)
        self._storing, self._closed = self._closed[:count], self._closed[count:]
        if self._storing:
            taken_before = None if self._closed else self._oldest_open_position()
            stored = maybeDeferred(self._store.append, list(self._storing), taken_before=taken_before)
            stored.addCallbacks(self._stored, self._not_stored)
            stored.addErrback(self._log_failure)
        elif self._flushed is not None and not self._flushed.called:
            self._flushed.callback(None)
        if self._unasked and not self._closed:
            self._ask()

    def _oldest_open_position(self) -> int:
        """Return the position of the inbox below which all receptions belong to closed windows."""
        positions = [suspect.position for suspect in self._suspects.values()]
        if self._queue:
            positions.append(self._queue[0].position)
        return min(positions, default=self._last_position + 1)

    def _stored(self, first_seq: int) -> None:
        uplinks, self._storing = self._storing, []
        self.statistics.published_messages += len(uplinks)
        try:
            self._published(uplinks, first_seq)
        finally:
            self._store_uplinks()

    def _not_stored(self, failure: Failure) -> None:
        self._closed = self._storing + self._closed
        self._storing = []
        if self._flushed is None:
            self._retry_later("uplinks not stored, will be retried", failure)
        elif not self._flushed.called:
            self._flushed.callback(None)  # the next start finds them in the inbox

    def _retry_later(self, what: str, failure: Failure) -> None:
        if self._failures % LOG_EVERY == 0:
            self.log.warn(
                "{what} {uplinks} {error}",
                what=what,
                uplinks=len(self._closed),
                error=failure.getErrorMessage(),
            )
        self._failures += 1
        if self._retry is None:
            self._retry = self._clock.callLater(RETRY, self._try_again)

    def _late_copies_not_stored(self, failure: Failure) -> None:
        self.log.warn("late copies not recorded {error}", error=failure.getErrorMessage())

    def _try_again(self) -> None:
        self._retry = None
        self._store_uplinks()

    def _log_failure(self, failure: Failure) -> None:
        self.log.failure("deduplication failed", failure)


def _stored_at_once(uplinks: Sequence[Uplink]) -> int:
    """Return how many of the first uplinks one commit stores: at least one, if there is one."""
    room = STORED_AT_ONCE
    for count, uplink in enumerate(uplinks):
        if room <= 0:
            return count
        room -= sum(map(_size, uplink.receptions))
    return len(uplinks)


def _size(reception: Reception) -> int:
    """Return approximately how many bytes a reception has when it is encoded."""
    subpackets = 0 if reception.subpackets is None else len(reception.subpackets.snr)
    return _SIZE + len(reception.payload) + _SUBPACKET * subpackets
