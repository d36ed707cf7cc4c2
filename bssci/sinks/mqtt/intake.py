"""Incoming requests: stored on disk before they are acknowledged, and carried out once.

    from the broker --> on disk --> PUBACK --> carried out --> answered, which ends it on disk as well

A request that is on disk and not answered is resumed at the next start. One that the broker delivers a
second time, because the acknowledgement was lost, is recognised by its packet identifier, topic and
payload.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal, StorageError
from bssci.journal.records import StoredRequest
from bssci.model import AnyEvent
from bssci.mqtt.values import MessageNotTaken, Received, ReplyTo
from bssci.system.clock import in_slices, pause
from bssci.system.line_limit import LineLimit

SOURCE = "mqtt"
"""name of the source in the journal's records of requests"""
MAX_RUNNING = 10_000
"""requests under way; one more is refused"""
MAX_BYTES = 16 * 1024 * 1024
"""bytes of the payloads of requests under way; beyond, a request is refused"""
RATE_PERIOD = 60.0
"""s over which the rate of answers is measured"""
RETRY = 5.0
"""s until a request or an answer that could not be stored is stored again"""
RESUMED_AT_ONCE = 20
"""requests of an earlier run, or that waited for the disk, that are begun in one turn of the reactor"""
LOOKED_BACK = 100
"""newest requests on a topic among which a repeated one is searched for"""


class Stopped(MessageNotTaken):
    """The service stops: the request is resumed at its next start, or delivered again by the broker."""


@dataclass(frozen=True, slots=True)
class IntakeRequest:
    """A request that is on disk."""

    number: int
    topic: str
    """without BASE_TOPIC and in one spelling: ``ep/{EUI}/dl``"""
    payload: bytes
    received_at: float
    """Unix seconds"""
    resumed: bool = False
    """an earlier run stored it, and may have carried it out"""
    reply: ReplyTo | None = None
    expires_at: float | None = None
    """Unix seconds; None: never"""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A request as it is stored."""

    packet_id: int
    payload: bytes
    reply: ReplyTo | None = None
    expires_at: float | None = None


CarryOut = Callable[[IntakeRequest], Coroutine[Deferred[Any], Any, None]]
"""Does what a request asks for, and answers it."""


class Intake:
    """Stores requests, has them carried out, and stores their outcomes.

    :param clock: times the retries.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(self, clock: Any, journal: Journal, now: Callable[[], float]) -> None:
        self._clock = clock
        self._journal = journal
        self._now = now
        self._stopped = False
        self._looking = 0
        """repeated requests that are being searched for; requests that come after them wait"""
        self._came = 0
        """requests that have come in this run"""
        self._first: int | None = None
        """number of the request that is tried again because the disk refused it; None: there is none"""
        self._behind: dict[int, Deferred[None]] = {}
        """requests that wait behind it, by their numbers"""
        self._retries: set[Deferred[None]] = set()
        self._lines = LineLimit(clock.seconds, lines=1)
        self._bytes = 0
        """bytes of the payloads of requests under way"""
        self._under_way: dict[int, float] = {}
        """Unix seconds when each request came in, by its number in this run"""
        self._last = 0
        self._answered = 0
        self._answers: deque[float] = deque(maxlen=MAX_RUNNING)
        """times of the newest answers, s of the clock"""
        self._began_at: float = clock.seconds()
        self._refused = 0
        self.misaddressed = 0
        """requests that cannot be answered, because their topic names no sensor or base station"""

    @property
    def busy(self) -> bool:
        """Return whether one more request must be refused."""
        return len(self._under_way) >= MAX_RUNNING or self._bytes >= MAX_BYTES

    def figures(self) -> dict[str, Any]:
        """Return the figures of the queue of requests, in the form of those of sinks."""
        oldest = next(iter(self._under_way.values()), None)
        now = self._clock.seconds()
        while self._answers and self._answers[0] <= now - RATE_PERIOD:
            self._answers.popleft()
        measured = min(RATE_PERIOD, now - self._began_at)
        return {
            "queued": len(self._under_way),
            "oldest_seconds": 0.0 if oldest is None else max(0.0, self._now() - oldest),
            "answered": self._answered,
            "failed": self._refused,
            "rate": len(self._answers) / measured if measured > 0 else 0.0,
            "failing": bool(self._retries),
            "misaddressed": self.misaddressed,
        }

    def stop(self) -> None:
        """Stop answering: requests that are not answered yet are resumed at the next start."""
        self._stopped = True
        for waiting in list(self._retries):
            waiting.cancel()

    def resume(
        self, requests: Sequence[StoredRequest], choose: Callable[[str], CarryOut | None]
    ) -> Deferred[None]:
        """Carry out requests that an earlier run stored and did not answer.

        The reactor has turns in between: to begin thousands at once would take seconds.

        :param choose: returns what carries out the requests of a topic; None: nothing does.
        :return: fires when each has begun, so that newer requests come after them.
        """
        return ensureDeferred(self._resume(requests, choose))

    async def _resume(
        self, requests: Sequence[StoredRequest], choose: Callable[[str], CarryOut | None]
    ) -> None:
        async for some in in_slices(self._clock, requests, RESUMED_AT_ONCE):
            for stored in some:
                if self._stopped:
                    return
                self._resume_one(stored, choose(stored.topic))

    def _resume_one(self, stored: StoredRequest, carry_out: CarryOut | None) -> None:
        kept = _read(stored)
        if carry_out is None or kept is None:
            self.log.warn("stored request cannot be read {topic}", topic=stored.topic[:200])
            self._journal.requests.answer(stored.number, "failed", b"", self._now()).addErrback(self._failed)
            return
        request = IntakeRequest(
            number=stored.number,
            topic=stored.topic,
            payload=kept.payload,
            received_at=stored.received_at,
            resumed=True,
            reply=kept.reply,
            expires_at=kept.expires_at,
        )
        self._begin(request, carry_out, self._enter(stored.received_at, kept.payload))

    def take(
        self, topic: str, message: Received, told: Callable[[], None], carry_out: CarryOut
    ) -> Deferred[None]:
        """Store a request and have it carried out.

        :param topic: without BASE_TOPIC and in one spelling.
        :param told: called while it is being stored, to tell the sender that it has arrived.
        :return: fires when it is on disk, or was already; fails with :class:`Stopped`.
        """
        return ensureDeferred(self._take(topic, message, told, carry_out))

    async def _take(
        self, topic: str, message: Received, told: Callable[[], None], carry_out: CarryOut
    ) -> None:
        came = self._came = self._came + 1
        try:
            if self._first is not None or self._behind:
                await self._wait_behind(came)
            await self._take_next(came, topic, message, told, carry_out)
        finally:
            self._go_on(came)

    async def _take_next(
        self, came: int, topic: str, message: Received, told: Callable[[], None], carry_out: CarryOut
    ) -> None:
        if message.repeated or self._looking:
            self._looking += 1
            try:
                known = await self._is_known(came, topic, message)
            finally:
                self._looking -= 1
            if known:
                return
        entry, received_at = self._enter(self._now(), message.payload), self._now()
        expires_at = None if message.expires_in is None else received_at + message.expires_in
        kept = _Kept(message.packet_id, message.payload, message.reply, expires_at)
        try:
            number = await self._store(came, topic, msgspec.msgpack.encode(kept), received_at, told)
        except BaseException:
            self._leave(entry, message.payload)
            raise
        request = IntakeRequest(
            number, topic, message.payload, received_at, reply=message.reply, expires_at=expires_at
        )
        self._begin(request, carry_out, entry)

    async def _is_known(self, came: int, topic: str, message: Received) -> bool:
        if not message.repeated:
            # Only to keep its place behind those that are searched for; what is found does not matter.
            with suppress(StorageError):
                await self._journal.requests.newest(SOURCE, topic, 1)
            return False
        looked_for = (message.packet_id, message.payload)
        while True:
            try:
                stored = await self._journal.requests.newest(SOURCE, topic, LOOKED_BACK)
            except StorageError as error:
                await self._wait_in_order(came, error)
            else:
                kept = [_read(each) for each in stored]
                return any(each and (each.packet_id, each.payload) == looked_for for each in kept)

    async def _store(self, came: int, topic: str, kept: bytes, at: float, told: Callable[[], None]) -> int:
        while True:
            if self._stopped:
                raise Stopped("the service stops")
            storing = self._journal.requests.receive(SOURCE, topic, kept, at)
            told()
            try:
                return await storing
            except StorageError as error:
                await self._wait_in_order(came, error)

    async def _wait_in_order(self, came: int, error: StorageError) -> None:
        """Wait before the next attempt to store a request: the first one for a while, others for the first.

        :raises Stopped: the service stops meanwhile, or has stopped.
        """
        if self._first is None:
            self._first = came
        await (self._wait(error) if self._first == came else self._wait_behind(came))

    async def _wait_behind(self, came: int) -> None:
        waiting = self._behind[came] = Deferred()
        try:
            await self._until_stopped(waiting)
        finally:
            self._behind.pop(came, None)

    def _go_on(self, came: int) -> None:
        """Let the requests behind one that is done follow it, if it is the first."""
        if self._first == came:
            self._first = None
            self._follow()

    def _follow(self) -> None:
        """Let those that wait behind the first go on, some at a time, in the order in which they came."""
        if self._first is not None:
            return  # one that has just followed was refused, too
        for came in sorted(self._behind)[:RESUMED_AT_ONCE]:
            self._behind.pop(came).callback(None)
        if self._behind:
            self._clock.callLater(0, self._follow)

    async def answer(
        self,
        request: IntakeRequest,
        state: Literal["done", "failed"],
        answer: bytes,
        event: AnyEvent | None = None,
    ) -> None:
        """Store the outcome of a request.

        :param answer: what the sender is told, as JSON.
        :param event: the answer as an event, stored in the same commit; None: it was published otherwise.
        """
        requests, at = self._journal.requests, self._now()
        while not self._stopped:
            try:
                if event is None:
                    await requests.answer(request.number, state, answer, at)
                else:
                    change = requests.answering(request.number, state, answer, at)
                    await self._journal.events.append([event], beside=[change])
            except StorageError as error:
                await self._wait(error)
            else:
                self._answered += 1
                self._answers.append(self._clock.seconds())
                self._refused += state == "failed"
                return

    async def _wait(self, error: StorageError) -> None:
        """Wait before the next attempt to store a request.

        :raises Stopped: the service stops meanwhile, or has stopped.
        """
        if self._stopped:
            raise Stopped("the service stops")
        if self._lines.admit() is not None:
            self.log.warn("request waits for the disk {error}", error=error)
        await self._until_stopped(pause(self._clock, RETRY))

    async def _until_stopped(self, waiting: Deferred[None]) -> None:
        self._retries.add(waiting)
        try:
            await waiting
        except CancelledError as cancelled:
            raise Stopped("the service stops") from cancelled
        finally:
            self._retries.discard(waiting)

    def _enter(self, at: float, payload: bytes) -> int:
        self._last += 1
        self._bytes += len(payload)
        self._under_way[self._last] = at
        return self._last

    def _begin(self, request: IntakeRequest, carry_out: CarryOut, entry: int) -> None:
        done = ensureDeferred(carry_out(request)).addErrback(self._failed)
        done.addBoth(lambda _: self._leave(entry, request.payload))

    def _leave(self, entry: int, payload: bytes) -> None:
        del self._under_way[entry]
        self._bytes -= len(payload)

    def _failed(self, failure: Failure) -> None:
        if not self._stopped:
            self.log.failure("MQTT request failed", failure)


def _read(stored: StoredRequest) -> _Kept | None:
    try:
        return msgspec.msgpack.decode(stored.payload, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
