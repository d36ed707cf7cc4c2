"""Delivery of events from the journal to one sink, by the sink's own cursor.

    idle --events stored--> reading --batch--> decoding --> delivering --done--> cursor moved, reading
                               ^                                |
                               +----------- backoff <-----------+ failed

Events that a sink has not taken stay in the journal, so nothing here grows with its backlog, and no sink
affects another one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal, StorageLines
from bssci.model import AnyEvent
from bssci.sinks.self_report import SelfReport
from bssci.system.clock import Timer
from bssci.system.line_limit import is_logged

BATCH = 500
"""events that a sink gets at once, at most"""
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0
"""s from a failed delivery to the next attempt: at first, and at most"""
RATE_PERIOD = 60.0
"""s over which the delivery rate is measured"""
DRAIN_TIME = 1.5
"""s that a stop waits for what is queued"""
STOP_TIME = 2.0
"""s that a sink then has for its own stop"""
REMEMBERED = 5000
"""newest batches of which it is remembered when they were taken"""
LIVE_TURNS = 5
"""batches of the backlog that are delivered before a batch of a replay gets its turn"""
LIVE_PERIOD = 10.0
"""s after a delivery during which the sink counts as busy with new events"""
LIVE_SHARE = 8
"""number of deliveries over which their time is averaged, roughly"""
LONG_CALL = 1.0
"""s in which a sink's method should have returned: the whole service stands still meanwhile"""
LATELY = 600.0
"""s for which it counts as a warning that a method did not"""
MAX_LONG_CALLS = 1000
"""calls that took too long which are counted as those of lately"""
LONG_DELIVERY = 60.0
"""s after which a delivery under way counts as trouble"""
FAULTS = (LookupError, TypeError, AttributeError, NameError, ArithmeticError, AssertionError)
"""exceptions that are faults of a sink rather than of its other side: the log shows where"""


def next_backoff(backoff: float) -> float:
    """Return the s to wait after a failure, given the wait before it; 0: there was none."""
    return min(LAST_BACKOFF, backoff * 2 or FIRST_BACKOFF)


class _LongCall(NamedTuple):
    """A call of a sink's method that held up the whole service."""

    at: float
    """reactor seconds of its end"""
    method: str
    seconds: float


class _Beside(NamedTuple):
    """Events outside the backlog, and the Deferred of their delivery."""

    events: list[AnyEvent]
    done: Deferred[float]


Decode = Callable[[Sequence[AnyEvent]], "Deferred[list[AnyEvent]]"]


def _undecoded(events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
    return succeed(list(events))


@dataclass(frozen=True)
class SinkStatistics:
    """Counts of a sink's deliveries, and its backlog."""

    queued: int
    """events in the journal that it has not taken"""
    oldest_seconds: float
    """age of the oldest of them"""
    delivered: int
    failed: int
    """deliveries that failed since the start; each was, or will be, repeated"""
    rate: float
    """events delivered per second, over the last minute"""
    failing: bool
    """the last delivery failed, or the sink says that it cannot deliver now"""
    last_error: str
    trouble: str
    """reason why the sink cannot deliver now, in its own words; empty if it gives none"""
    warning: str
    """something that is wrong although the sink delivers: in its own words, or that it held up the whole
    service lately; empty if there is nothing
    """
    set_aside: int
    """events that the sink could not store and skipped, since the start"""
    set_aside_reason: str
    """reason why the sink set aside the newest of them; empty: there is none"""


class Pump:
    """Delivers to one sink what the journal holds after its cursor.

    :param sink: an :class:`bssci.sinks.ISink`.
    :param cursor: the sequence number of the last event that the sink has taken.
    :param now: Unix seconds.
    :param decode: gives events their readings, in the same order; never fails, and takes a bounded time.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        journal: Journal,
        name: str,
        sink: Any,
        cursor: int,
        now: Callable[[], float],
        decode: Decode = _undecoded,
    ) -> None:
        self.name = name
        self.sink = sink
        self.cursor = cursor
        self._report = SelfReport(name, sink)
        self._clock = clock
        self._journal = journal
        self._now = now
        self._decode = decode
        self._unsubscribe: Callable[[], None] | None = None
        self._busy = False
        """true from reading a batch of the backlog to its end"""
        self._giving = False
        """true while the sink has events outside the backlog"""
        self._running = False
        self._begun = False
        self._backoff = 0.0
        self._timer: Timer | None = None
        self._idle: list[Deferred[None]] = []
        self._beside: deque[_Beside] = deque()
        self._turns = 0
        """batches of the backlog since the last one outside it"""
        self._live_at = float("-inf")
        self._live_seconds = 0.0
        self._oldest_at: float | None = None
        self._delivered = 0
        self._failed = 0
        self._failures = 0
        """failures in a row"""
        self._lines = StorageLines(self.log, clock.seconds)
        self._last_error = ""
        self._last_fault = ""
        """name of the exception with which the last delivery failed"""
        self._long_calls = 0
        self._long_calls_lately: deque[_LongCall] = deque(maxlen=MAX_LONG_CALLS)
        self._delivering_since: float | None = None
        self._taken_at: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._history: deque[tuple[float, int]] = deque([(clock.seconds(), 0)])

    def start(self) -> None:
        self._running = True
        self._taken_at.append((self.cursor, self._now()))
        self._unsubscribe = self._journal.events.subscribe(self._pump)
        self._pump()

    async def stop(self) -> None:
        """Deliver what is already there, for a limited time, then stop the sink."""
        await self._drained()
        self._running = False
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._begun:
            stopped: Deferred[Any] = maybeDeferred(self.sink.stop)
            await stopped.addTimeout(STOP_TIME, self._clock).addErrback(self._not_stopped)

    def _not_stopped(self, failure: Failure) -> None:
        self.log.failure("sink not stopped properly {name}", failure, name=self.name)

    def _drained(self) -> Deferred[None]:
        """Fire when the sink has taken everything, fails, or takes too long."""
        is_busy = self._busy or self._giving
        if self._backoff or (self.cursor >= self._journal.events.last_seq and not is_busy):
            return succeed(None)
        drained: Deferred[None] = Deferred(self._idle.remove)
        self._idle.append(drained)
        return drained.addTimeout(DRAIN_TIME, self._clock).addErrback(lambda failure: None)

    @property
    def replayable(self) -> bool | Literal["asked"]:
        """Return whether the sink takes stored messages again; ``"asked"``: only if the request says so."""
        return self._report.replayable

    @property
    def live_seconds(self) -> float | None:
        """Average time in s of a delivery of new events; None: there was none lately."""
        if self._clock.seconds() - self._live_at > LIVE_PERIOD:
            return None
        return self._live_seconds

    def deliver_beside(self, events: list[AnyEvent]) -> Deferred[float]:
        """Deliver events outside the backlog, which goes first; the cursor does not move.

        A sink that has ``deliver_again`` gets them there. The Deferred fires with the s that the sink took
        for them, or fails as the sink does: they are not repeated here. Cancelling it takes them back, if
        they still wait.
        """
        done: Deferred[float] = Deferred(lambda _: self._take_back(done))
        self._beside.append(_Beside(events, done))
        self._pump()
        return done

    def _take_back(self, done: Deferred[float]) -> None:
        self._beside = deque(each for each in self._beside if each.done is not done)

    def _give_turn(self) -> None:
        """Deliver the next events outside the backlog."""
        self._giving = True
        self._turns = 0
        events, done = self._beside.popleft()
        deliver = getattr(self.sink, "deliver_again", self.sink.deliver)
        began = self._clock.seconds()

        def given(result: Any) -> None:
            self._giving = False
            self._clock.callLater(0, self._pump)
            if not done.called:
                done.callback(result if isinstance(result, Failure) else self._clock.seconds() - began)

        done_giving = maybeDeferred(deliver, events)
        self._note_long_call(getattr(deliver, "__name__", "deliver"), began)
        done_giving.addBoth(given)

    def statistics(self) -> SinkStatistics:
        queued = max(0, self._journal.events.last_seq - self.cursor)
        self._forget_old_rates()
        since, before = self._history[0]
        seconds = self._clock.seconds() - since
        trouble = self._report.trouble or self._without_words()
        set_aside, set_aside_reason = self._report.set_aside()
        return SinkStatistics(
            queued=queued,
            oldest_seconds=max(0.0, self._now() - self._oldest_at) if queued and self._oldest_at else 0.0,
            delivered=self._delivered,
            failed=self._failed,
            failing=self._failures > 0 or bool(trouble),
            rate=(self._delivered - before) / seconds if seconds > 0 else 0.0,
            last_error=self._last_error,
            trouble=trouble,
            warning="; ".join(filter(None, [self._report.warning, self._held_up_lately()])),
            set_aside=set_aside,
            set_aside_reason=set_aside_reason,
        )

    def is_delivering(self) -> bool:
        """Return whether the sink takes events: it does not fail, and has taken some since the start or has
        none to take."""
        statistics = self.statistics()
        has_begun = self._delivered > 0 or not statistics.queued
        return has_begun and self._report.reached and not statistics.failing

    def _without_words(self) -> str:
        """Return the trouble of a sink that has no words for it; empty: none is known."""
        if self._failures:
            what = "deliver" if self._begun else "start"
            return f"{what} failed with {self._last_fault}; see the log"
        since = self._delivering_since
        if since is None or self._clock.seconds() - since < LONG_DELIVERY:
            return ""
        return f"a delivery has not ended for {self._clock.seconds() - since:.0f} s"

    def _held_up_lately(self) -> str:
        """Return how the sink held up the whole service lately; empty: it did not."""
        calls, since = self._long_calls_lately, self._clock.seconds() - LATELY
        while calls and calls[0].at <= since:
            calls.popleft()
        if not calls:
            return ""
        longest = max(calls, key=lambda call: call.seconds)
        times = "once" if len(calls) == 1 else f"{len(calls)} times"
        return (
            f"it held up the whole service {times} in the last {LATELY / 60:.0f} minutes:"
            f" {longest.method} returned after {longest.seconds:.1f} s"
        )

    def figures(self) -> dict[str, Any]:
        """Return the statistics for JSON, without the last error: other software's text stays in the log."""
        figures = asdict(self.statistics())
        del figures["last_error"]
        return figures

    def taken(self) -> list[tuple[int, float]]:
        """Return the last sequence number and the Unix seconds of the newest batches taken, oldest first.

        The first pair is where the pump began: when earlier events were taken is unknown.
        """
        return list(self._taken_at)

    def requests(self) -> dict[str, Any] | None:
        """Return the figures of the requests that the sink takes; None if it takes none, or cannot tell."""
        return self._report.requests()

    def _pump(self) -> None:
        if self._giving or not self._running or self._timer is not None:
            return
        if self._busy:
            if self._beside and self._report.gathering:
                self._give_turn()
            return
        idle = self._begun and self.cursor >= self._journal.events.last_seq
        if self._begun and self._beside and (idle or self._turns >= LIVE_TURNS):
            self._give_turn()
            return
        if idle:
            self._oldest_at = None
            self._fire_idle()
            return
        self._busy = True
        self._turns += 1
        done = ensureDeferred(self._deliver())
        done.addCallbacks(self._taken, self._not_taken)
        done.addErrback(lambda failure: self.log.failure("delivery stopped {name}", failure, name=self.name))

    async def _deliver(self) -> int:
        """Return the number of events that the sink took."""
        last_seq = self._journal.events.last_seq
        entries = await self._journal.events.read(self.cursor, BATCH)
        self._oldest_at = entries[0][1].at if entries else None
        if not self._begun:
            began = self._clock.seconds()
            self.sink.start()
            self._note_long_call("start", began)
            self._begun = True
        if not entries:
            # Everything up to there is unreadable.
            self.cursor = max(self.cursor, last_seq)
            return 0
        events = await self._decode([event for _, event in entries])
        began = self._delivering_since = self._clock.seconds()
        try:
            done = maybeDeferred(self.sink.deliver, events)
            self._note_long_call("deliver", began)
            if self._beside and not done.called:
                self._clock.callLater(0, self._pump)  # the sink may gather events meanwhile
            await done
        finally:
            self._delivering_since = None
        took = self._clock.seconds() - began
        before = took if self.live_seconds is None else self._live_seconds
        self._live_seconds = before + (took - before) / LIVE_SHARE
        self._live_at = began + took
        self.cursor = entries[-1][0]
        return len(entries)

    def _note_long_call(self, method: str, began: float) -> None:
        """Note a method that held up the whole service; log it the first time, and every so many times."""
        took = self._clock.seconds() - began
        if took <= LONG_CALL:
            return
        self._long_calls_lately.append(_LongCall(began + took, method, took))
        if is_logged(self._long_calls + 1):
            self.log.warn(
                "sink held up the whole service {name}: {method} returned after {seconds:.1f} s;"
                " {count} so far",
                name=self.name,
                method=method,
                seconds=took,
                count=self._long_calls + 1,
            )
        self._long_calls += 1

    def _taken(self, count: int) -> None:
        self._busy = False
        self._backoff = 0.0
        if self._failures:
            self.log.info(
                "delivery goes on {name} after {failed} failures", name=self.name, failed=self._failures
            )
            self._failures = 0
        self._delivered += count
        self._remember_rate()
        if count:
            self._taken_at.append((self.cursor, self._now()))
            self._journal.cursors.move(self.name, self.cursor).addErrback(self._cursor_not_stored)
        self._clock.callLater(0, self._pump)

    def _cursor_not_stored(self, failure: Failure) -> None:
        self._lines.note(failure, "cursor not stored {name}", name=self.name)

    def _not_taken(self, failure: Failure) -> None:
        self._busy = False
        self._failed += 1
        self._last_error = failure.getErrorMessage() or type(failure.value).__name__
        self._last_fault = type(failure.value).__name__
        self._backoff = next_backoff(self._backoff)
        if is_logged(self._failures + 1):
            self._log_failure(failure)
        self._failures += 1
        if self._running:
            self._timer = self._clock.callLater(self._backoff, self._again)
        self._fire_idle()

    def _log_failure(self, failure: Failure) -> None:
        text = (
            "delivery failed {name}, {failed} in a row: {error}"
            if self._begun
            else "sink not started {name}, {failed} attempts failed: {error}"
        )
        fields: dict[str, Any] = {"name": self.name, "failed": self._failures + 1}
        if failure.check(*FAULTS):
            self.log.failure(text, failure, error=f"{self._last_fault}: {self._last_error}", **fields)
        else:
            self.log.warn(text, error=self._last_error, **fields)

    def _again(self) -> None:
        self._timer = None
        self._pump()

    def _fire_idle(self) -> None:
        waiting, self._idle = self._idle, []
        for deferred in waiting:
            deferred.callback(None)

    def _remember_rate(self) -> None:
        now = self._clock.seconds()
        if now - self._history[-1][0] >= 1.0:
            self._history.append((now, self._delivered))
        self._forget_old_rates()

    def _forget_old_rates(self) -> None:
        history, since = self._history, self._clock.seconds() - RATE_PERIOD
        while len(history) > 1 and history[1][0] < since:
            history.popleft()
        if history[0][0] < since and history[0][1] == self._delivered:
            history[0] = (since, self._delivered)
