"""Replays: events of the journal, from a span of time, delivered again to one sink with the present decoders.

    asked --stored--> waiting --turn of the sink--> looking for the span --> reading <---------+
                                                                                |              |
                                       done <--the span is over-- delivered between live ones ---+
                                                                                |
                                                                     failed: backoff, again

A replay has a position of its own in the journal. The pump of the sink gives it turns: new events go first,
and a turn is so short that new events wait for it only a fraction of the time of their own delivery. The
position is stored with each batch, so that the replay goes on there after a restart; as with any delivery,
the last batch may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.decoding.payloads import decodable, device_of
from bssci.center.replays import ReplayListener, ReplayRequest
from bssci.journal import Journal, Replay, StorageLines
from bssci.model import AnyEvent
from bssci.model.commands import CommandError
from bssci.sinks.pump import Decode, Pump, next_backoff
from bssci.sinks.replay_reading import SpanReader, last_before
from bssci.system.clock import Clock, pause

BATCH = 50
"""messages that a sink gets at once, at first"""
LEAST_BATCH, MOST_BATCH = 20, 500
SHARE = 0.2
"""time that a batch should take, as a share of the time for a batch of new events, which wait for it"""
LEAST_TIME, MOST_TIME = 0.002, 0.1
"""s that a batch should take at least and at most, whatever the share is"""
ALONE_TIME = 1.0
"""s that a batch should take while there are no new events"""
SLACK = 120.0
"""s by which an event's place in the journal may differ from its time"""
MAX_OPEN = 20
"""replays that are not over"""
MAX_ENDED = 100
"""replays that are over and still listed"""
REST = 1.0
"""pause after a batch, as a share of the time that it took; none while there are no new events"""


class Replays:
    """All replays. See :class:`bssci.center.replays.Replaying`.

    :param pumps: pump of each sink, by its name.
    :param stored: replays of earlier runs from the journal, by number.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        pumps: Mapping[str, Pump],
        decode: Decode,
        stored: Mapping[int, Replay],
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._pumps = pumps
        self._decode = decode
        self._now = now
        self._all = dict(sorted(stored.items()))
        self._locks = {name: DeferredLock() for name in pumps}
        self._changing = DeferredLock()
        """held while the beginning or the end of a replay is stored"""
        self._running: dict[int, Deferred[None]] = {}
        self._troubles: dict[int, str] = {}
        self._readers: dict[int, SpanReader] = {}
        self._ending: set[int] = set()
        """replays whose end is being stored"""
        self._sizes = dict.fromkeys(pumps, BATCH)
        self._listeners: list[ReplayListener] = []
        self._lines = StorageLines(self.log, clock.seconds)

    def start(self) -> None:
        """Continue the replays that an earlier run began."""
        for number, record in self._all.items():
            if record.state == "open":
                self._begin(number)

    def stop(self) -> None:
        """Stop; the next run continues the open replays."""
        running, self._running = self._running, {}
        for deferred in running.values():
            deferred.cancel()

    async def begin(self, request: ReplayRequest, by: str) -> dict[str, Any]:
        async with self._changing:
            self._check(request)
            number = max(self._all, default=0) + 1
            record = Replay(
                number=number,
                sink=request.sink,
                from_at=request.from_at,
                to_at=request.to_at,
                devices=request.devices,
                asked_by=by,
                asked_at=self._now(),
            )
            over = [each for each, record in self._all.items() if record.state != "open"]
            old: dict[int, Replay | None] = dict.fromkeys(over[: max(0, len(over) - MAX_ENDED)])
            await self._journal.tables.apply(Replay, {number: record, **old})
            self._all[number] = record
            for each in old:
                del self._all[each]
        self._begin(number)
        return self._said(number)

    async def cancel(self, number: int) -> dict[str, Any]:
        async with self._changing:
            record = self._all.get(number)
            if record is None:
                raise CommandError("unknown_replay", f"there is no replay {number}", "id")
            if record.state != "open":
                raise CommandError("conflict", f"replay {number} is over: {record.state}")
            await self._end(number, "cancelled")
        running = self._running.pop(number, None)
        if running is not None:
            running.cancel()
        return self._said(number)

    def sinks(self) -> dict[str, bool]:
        replayable = {name: pump.replayable for name, pump in self._pumps.items()}
        return {name: how == "asked" for name, how in replayable.items() if how}

    def listen(self, listener: ReplayListener) -> None:
        self._listeners.append(listener)

    def listed(self) -> list[dict[str, Any]]:
        return [self._said(number) for number in reversed(self._all)]

    def _check(self, request: ReplayRequest) -> None:
        """Check a replay.

        :raises CommandError: it cannot be carried out.
        """
        pump = self._pumps.get(request.sink)
        if pump is None:
            known = ", ".join(self._pumps) or "none"
            raise CommandError(
                "invalid", f"no sink {request.sink!r} is in use; sinks in use: {known}", "sink"
            )
        replayable = pump.replayable
        if not replayable:
            raise CommandError("invalid", f"the sink {request.sink} takes no replays", "sink")
        if replayable == "asked" and not request.publish:
            text = f"publish is needed for the sink {request.sink}, whose readers get the messages again"
            raise CommandError("invalid", text, "publish")
        if not request.from_at < request.to_at:
            raise CommandError("invalid", "from must lie before to", "from")
        if sum(record.state == "open" for record in self._all.values()) >= MAX_OPEN:
            raise CommandError("busy", f"{MAX_OPEN} replays are under way already")

    def _begin(self, number: int) -> None:
        lock = self._locks.get(self._all[number].sink)
        if lock is None:
            self._troubles[number] = f"the sink {self._all[number].sink} is not in use"
            return
        running = lock.run(lambda: ensureDeferred(self._run(number)))
        self._running[number] = running
        running.addErrback(self._broken_off, number)

    def _broken_off(self, failure: Failure, number: int) -> None:
        if not failure.check(CancelledError):
            self._troubles[number] = f"broken off: {failure.getErrorMessage()}"
            self.log.failure("replay failed {number}", failure, number=number)

    async def _run(self, number: int) -> None:
        backoff = 0.0
        while self._all[number].state == "open":
            try:
                rest = await self._step(number)
                if rest is None:
                    await self._finish(number)
            except CancelledError:
                raise
            except Exception as error:  # of the sink or the journal; it is tried again
                self._readers.pop(number, None)  # it is already past what was not taken
                backoff = next_backoff(backoff)
                self._troubles[number] = str(error) or type(error).__name__
                self.log.warn("replay waits {number} {error}", number=number, error=str(error))
                await pause(self._clock, backoff)
            else:
                backoff = 0.0
                self._troubles.pop(number, None)
                await pause(self._clock, rest or 0.0)
        self._running.pop(number, None)

    async def _step(self, replay: int) -> float | None:
        """Deliver the next messages; return the s to pause afterwards, or None if there are no more."""
        record = self._all[replay]
        if record.seq is None or record.last_seq is None:
            first = await last_before(self._journal, record.from_at - SLACK)
            last = await last_before(self._journal, record.to_at + SLACK)
            self._store(replace(record, first_seq=first, seq=first, last_seq=last))
            return 0.0
        if record.seq >= record.last_seq:
            return None
        reader = self._readers.get(replay)
        if reader is None:
            reader = self._readers[replay] = SpanReader(
                self._journal, record.seq, record.last_seq, partial(_is_chosen, record)
            )
        chosen, seq = await reader.take(self._sizes[record.sink])
        took = await self._deliver(record.sink, chosen) if chosen else 0.0
        self._store(replace(record, seq=seq, delivered=record.delivered + len(chosen)))
        return REST * took if self._pumps[record.sink].live_seconds is not None else 0.0

    async def _deliver(self, sink: str, events: list[AnyEvent]) -> float:
        """Deliver events, adapt the size of the next batch, and return the s that the sink took."""
        pump = self._pumps[sink]
        decoded = await self._decode(events)
        took = await pump.deliver_beside(decoded)
        if pump.replayable == "asked":
            for listener in self._listeners:
                await listener(decoded)
        size, live = self._sizes[sink], pump.live_seconds
        if len(events) < size:
            return took
        wanted = ALONE_TIME if live is None else min(max(LEAST_TIME, SHARE * live), MOST_TIME)
        fitting = len(events) * wanted / took if took > 0 else MOST_BATCH
        # At most double or half, so that one slow delivery changes little.
        fitting = min(max(fitting, size / 2), size * 2)
        self._sizes[sink] = min(max(round(fitting), LEAST_BATCH), MOST_BATCH)
        return took

    def _store(self, record: Replay) -> None:
        """Store the position of a replay, without waiting for the disk: a few messages may be repeated."""
        if self._all[record.number].state != "open":
            return
        self._all[record.number] = record
        if record.number in self._ending:
            return  # it would undo the end, which is on its way to the disk
        self._journal.tables.put([record]).addErrback(
            lambda failure: self._lines.note(failure, "replay not stored")
        )

    async def _finish(self, number: int) -> None:
        async with self._changing:
            if self._all[number].state == "open":
                await self._end(number, "done")

    async def _end(self, number: int, state: Any) -> None:
        ended = replace(self._all[number], state=state, ended_at=self._now())
        self._ending.add(number)
        try:
            await self._journal.tables.put([ended])
        finally:
            self._ending.discard(number)
        self._all[number] = ended
        self._readers.pop(number, None)
        self._troubles.pop(number, None)
        self.log.info(
            "replay {state} {number} {delivered}", state=state, number=number, delivered=ended.delivered
        )

    def _said(self, number: int) -> dict[str, Any]:
        record = self._all[number]
        state = record.state
        if record.first_seq is None or record.last_seq is None or record.seq is None:
            progress = 0.0
        else:
            length = record.last_seq - record.first_seq
            progress = (record.seq - record.first_seq) / length if length > 0 else 1.0
        return {
            "id": number,
            "sink": record.sink,
            "from": record.from_at,
            "to": record.to_at,
            "devices": list(record.devices),
            "state": ("running" if progress or record.delivered else "waiting") if state == "open" else state,
            "progress": 1.0 if state == "done" else round(progress, 4),
            "delivered": record.delivered,
            "trouble": self._troubles.get(number, ""),
            "asked_by": record.asked_by,
            "asked_at": record.asked_at,
            "ended_at": record.ended_at,
        }


def _is_chosen(record: Replay, event: AnyEvent) -> bool:
    if not decodable(event) or not record.from_at <= event.at <= record.to_at:
        return False
    return not record.devices or device_of(event) in record.devices
