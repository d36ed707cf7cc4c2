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
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Change, Journal, StorageError
from bssci.journal.records import StoredRequest
from bssci.model import AnyEvent
from bssci.model.states import RequestOutcome
from bssci.mqtt.values import Received, ReplyTo
from bssci.sinks.mqtt.disk_order import DiskOrder, Stopped
from bssci.system.clock import Clock, in_slices
from bssci.system.line_limit import LineLimit

SOURCE = "mqtt"
"""name of the source in the journal's records of requests"""
MAX_RUNNING = 10_000
"""requests under way; one more is refused"""
MAX_BYTES = 16 * 1024 * 1024
"""bytes of the payloads of requests under way; beyond, a request is refused"""
MAX_REFUSING = 1000
"""refusals that wait for the disk, at most"""
RATE_PERIOD = 60.0
"""s over which the rate of answers is measured"""
RESUMED_AT_ONCE = 20
"""requests of an earlier run that are begun in one turn of the reactor"""
LOOKED_BACK = MAX_RUNNING
"""newest requests on a topic among which a repeated one is searched for"""
UNACKNOWLEDGED = 600.0
"""s before the newest of them in which it came, since its acknowledgement, sent at once, was lost: an earlier
one of the same content may have had the same packet identifier"""


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
    note: bytes | None = None
    """see :meth:`Intake.noting`"""
    reply: ReplyTo | None = None
    expires_at: float | None = None
    """Unix seconds; None: never"""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A request as it is stored."""

    packet_id: int
    payload: bytes
    reply: ReplyTo | None = None
    expires_at: float | None = None


_NOTHING_ELSE = 2 * msgspec.msgpack.encode(None)
"""the other fields, if they are None"""

CarryOut = Callable[[IntakeRequest], Coroutine[Deferred[Any], Any, None]]
"""Does what a request asks for, and answers it."""


class Intake:
    """Stores requests, has them carried out, and stores their outcomes.

    :param clock: times the retries.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, now: Callable[[], float]) -> None:
        self._clock = clock
        self._journal = journal
        self._now = now
        self._stopped = False
        self._looking = 0
        """repeated requests that are being searched for; requests that come after them wait"""
        self._lines = lines = LineLimit(clock.seconds, lines=1)
        self._to_store, self._to_answer, self._to_refuse = (DiskOrder(clock, lines) for _ in range(3))
        self._refusals = 0
        self._refusing = 0
        """refusals that wait for the disk"""
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
            "failing": any(order.is_waiting for order in (self._to_store, self._to_answer, self._to_refuse)),
            "misaddressed": self.misaddressed,
        }

    def stop(self) -> None:
        """Stop answering: requests that are not answered yet are resumed at the next start."""
        self._stopped = True
        for order in (self._to_store, self._to_answer, self._to_refuse):
            order.stop()

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
            note=stored.answer,
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
        received_at = self._now()
        entry = self._enter(received_at, message.payload)
        is_begun = False
        try:
            await self._to_store.enter(entry)
            request = await self._stored(entry, topic, message, told, received_at)
            if request is not None:
                self._begin(request, carry_out, entry)
                is_begun = True
        finally:
            if not is_begun:
                self._leave(entry, message.payload)
            self._to_store.leave(entry)

    async def _stored(
        self, entry: int, topic: str, message: Received, told: Callable[[], None], received_at: float
    ) -> IntakeRequest | None:
        """Store a request; return None if it was stored before."""
        if message.repeated or self._looking:
            self._looking += 1
            try:
                known = await self._is_known(entry, topic, message)
            finally:
                self._looking -= 1
            if known:
                return None
        expires_at = None if message.expires_in is None else received_at + message.expires_in
        kept = _Kept(message.packet_id, message.payload, message.reply, expires_at)
        number = await self._store(entry, topic, msgspec.msgpack.encode(kept), received_at, told)
        return IntakeRequest(
            number, topic, message.payload, received_at, reply=message.reply, expires_at=expires_at
        )

    async def _is_known(self, entry: int, topic: str, message: Received) -> bool:
        if not message.repeated:
            # Only to keep its place behind those that are searched for; what is found does not matter.
            with suppress(StorageError):
                await self._journal.requests.newest(SOURCE, topic, 1)
            return False
        beginning = _beginning(message)
        while True:
            try:
                return bool(
                    await self._journal.requests.newest(
                        SOURCE, topic, LOOKED_BACK, beginning=beginning, within=UNACKNOWLEDGED
                    )
                )
            except StorageError as error:
                await self._to_store.again(entry, error)

    async def _store(self, entry: int, topic: str, kept: bytes, at: float, told: Callable[[], None]) -> int:
        while True:
            if self._stopped:
                raise Stopped("the service stops")
            storing = self._journal.requests.receive(SOURCE, topic, kept, at)
            told()
            try:
                return await storing
            except StorageError as error:
                await self._to_store.again(entry, error)

    def refuse(self, answers: Sequence[AnyEvent]) -> Deferred[None]:
        """Store the answers to a request that is refused, and itself not stored.

        :return: fires when they are on disk, or if too many wait for that; fails with :class:`Stopped`.
        """
        if self._refusing >= MAX_REFUSING:
            stored = self._journal.events.append(list(answers))
            return stored.addCallbacks(lambda _: None, self._not_refused)
        return ensureDeferred(self._refuse(list(answers)))

    async def _refuse(self, answers: list[AnyEvent]) -> None:
        self._refusals += 1
        number, order = self._refusals, self._to_refuse
        self._refusing += 1
        try:
            await order.enter(number)
            while True:
                try:
                    await self._journal.events.append(answers)
                    return
                except StorageError as error:
                    await order.again(number, error)
        finally:
            self._refusing -= 1
            order.leave(number)

    def _not_refused(self, failure: Failure) -> None:
        if self._lines.admit() is not None:
            error = failure.getErrorMessage()
            self.log.error("refused request not answered, too many wait for the disk {error}", error=error)

    def noting(self, request: IntakeRequest, note: bytes) -> Change:
        """Return the change that keeps a note of what was done for a request.

        It is stored in the commit of what was done, so that a later run does not do that again.
        """
        return self._journal.requests.noting(request.number, note)

    async def answer(
        self,
        request: IntakeRequest,
        state: RequestOutcome,
        answer: bytes,
        event: AnyEvent | None = None,
    ) -> None:
        """Store the outcome of a request.

        :param answer: what the sender is told, as JSON.
        :param event: the answer as an event, stored in the same commit; None: it was published otherwise.
        """
        order = self._to_answer
        try:
            await order.enter(request.number)
            while not self._stopped:
                try:
                    await self._store_answer(request.number, state, answer, event)
                except StorageError as error:
                    await order.again(request.number, error)
                else:
                    self._answered += 1
                    self._answers.append(self._clock.seconds())
                    self._refused += state == "failed"
                    return
        finally:
            order.leave(request.number)

    async def _store_answer(
        self, number: int, state: RequestOutcome, answer: bytes, event: AnyEvent | None
    ) -> None:
        requests, at = self._journal.requests, self._now()
        if event is None:
            await requests.answer(number, state, answer, at)
        else:
            change = requests.answering(number, state, answer, at)
            await self._journal.events.append([event], beside=[change])

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


def _beginning(message: Received) -> bytes:
    """Return the first bytes of a request as it is stored: its packet identifier and its payload."""
    return msgspec.msgpack.encode(_Kept(message.packet_id, message.payload))[: -len(_NOTHING_ELSE)]


def _read(stored: StoredRequest) -> _Kept | None:
    try:
        return msgspec.msgpack.decode(stored.payload, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
