"""The intake ("door") of one source, which checks, limits and counts its telegrams."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import Any, cast

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.devices.device import DeviceVerdict
from bssci.center.telegrams.bounds import JournalShare, RateLimit, TelegramRate
from bssci.center.telegrams.telegrams import Telegrams
from bssci.model import Telegram, decode_event, encode_event
from bssci.model.device_id import parse_device_id
from bssci.model.own_words import one_line
from bssci.model.plain_text import control_fault
from bssci.model.repaired_json import repaired
from bssci.model.strict_json import DEEPEST, check_depth
from bssci.model.weight import is_json, json_weight
from bssci.system.clock import Clock, Timer

WAITING = 10_000
"""telegrams of one source that may wait for the rate limit and for the disk"""
WAITING_BYTES = 32 * 1024 * 1024
"""bytes of those telegrams"""
LARGEST = 64 * 1024
"""encoded bytes of a telegram, at most"""
HEAVIEST = 4 * LARGEST
"""bytes of memory that its envelope takes, at most: thousands of empty lists are a few KB of JSON"""
LONGEST_ID = 200
"""characters of the id of a telegram, device or gateway"""
REASONS = 64
"""reasons for rejecting messages that are counted separately"""
LOG_EVERY = 1000
"""the first message that is rejected for a reason is logged, and then one in this many"""
EXAMPLE = 200
"""characters of an example that are kept"""
LATEST = 16_725_225_600
"""Unix seconds of the year 2500, from which on nothing can have arrived"""
_ID = re.compile(r"[^\x00-\x20\x7f+#]+")


Judge = Callable[[Telegram], DeviceVerdict]
"""says what becomes of a telegram: kept, or not because its device is blocked, or is one of too many whose
addresses change all the time
"""


class TelegramsRefused(Exception):
    """A source brings more than it may; nothing was taken, and the same may be offered again later."""


class _UnfitError(Exception):
    """A telegram cannot be stored."""

    def __init__(self, reason: str, example: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.example = example


class _Offer:
    """Telegrams that wait for their turn."""

    __slots__ = ("cursors", "done", "size", "telegrams")

    def __init__(self, telegrams: list[Telegram], cursors: Mapping[str, int], size: int) -> None:
        self.telegrams = telegrams
        self.cursors = cursors
        self.size = size
        self.done: Deferred[None] = Deferred()


class SourceDoor:
    """Takes the telegrams of one source; implements :class:`bssci.center.interfaces.IIngest`.

    :param limit: limit on telegrams per second.
    :param share: limit on bytes in the journal.
    :param judge: decides whether a telegram is kept.
    """

    log = Logger()

    def __init__(
        self,
        name: str,
        clock: Clock,
        telegrams: Telegrams,
        limit: RateLimit,
        share: JournalShare,
        judge: Judge,
    ) -> None:
        self.name = name
        self._clock = clock
        self._telegrams = telegrams
        self.limit = limit
        self.share = share
        self._judge = judge
        self._queue: deque[_Offer] = deque()
        self._timer: Timer | None = None
        self._waiting = self._waiting_bytes = 0
        self._is_full = ""
        self._closed = False
        self._rate = TelegramRate(clock)
        self._kept = self._repeated = self._blocked = self._passed_over = self._refused = 0
        self._rejected: Counter[str] = Counter()
        self._remarks: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    @property
    def cursors(self) -> dict[str, int]:
        """Positions stored with telegrams by this and earlier runs, by their names."""
        return self._telegrams.cursors(self.name)

    def __call__(
        self, telegrams: Sequence[Telegram], cursors: Mapping[str, int] | None = None
    ) -> Deferred[None]:
        """Take telegrams; fires when each is on disk, or was skipped as a repetition or as unfit."""
        if self._closed:
            return fail(TelegramsRefused("the service stops"))
        positions = {} if cursors is None else cursors
        fault = position_fault(positions)
        if fault:
            self.reject(fault, repr(cursors))
            return fail(ValueError(fault))
        offered = list(islice(telegrams, WAITING + 1))
        if len(offered) > WAITING:
            return self._refuse(len(offered), f"more than {WAITING} telegrams were offered at once")
        taken, size = self._fitting(offered)
        if taken:  # else it cannot be told whether more would be taken
            excess = self._excess(len(taken), size)
            if excess:
                return self._refuse(len(taken), excess)
            self._note("")
        offer = _Offer(taken, dict(positions), size)
        self._waiting += len(taken)
        self._waiting_bytes += size
        self._queue.append(offer)
        self._serve()
        return offer.done

    def _refuse(self, count: int, excess: str) -> Deferred[None]:
        self._note(excess)
        self._refused += count
        return fail(TelegramsRefused(excess))

    def _fitting(self, offered: Iterable[Telegram]) -> tuple[list[Telegram], int]:
        """Return the telegrams that can be kept and are to be kept, and their encoded bytes."""
        taken: list[Telegram] = []
        size = 0
        for each in offered:
            try:
                telegram, length = self._fitted(each)
            except _UnfitError as error:
                self.reject(error.reason, error.example)
                continue
            verdict = self._judge(telegram)
            if verdict == "blocked":
                self._blocked += 1
            elif verdict == "passed over":
                self._passed_over += 1
            else:
                taken.append(telegram)
                size += length
        return taken, size

    def _fitted(self, telegram: Telegram) -> tuple[Telegram, int]:
        """Return a telegram with an envelope that can be stored, and its encoded bytes.

        :raises _UnfitError: it cannot be stored.
        """
        try:
            return _fitted(telegram)
        except (OverflowError, UnicodeEncodeError):
            pass  # single values of the envelope may be at fault
        try:
            envelope, faults = repaired(telegram.envelope)
            for fault in faults:
                self.remark(fault, telegram.device)
            return _fitted(msgspec.structs.replace(telegram, envelope=envelope))
        except RecursionError as error:
            raise _too_deep(telegram) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise _UnfitError("it cannot be stored", f"{telegram.device}: {error}") from error

    def configure(self, rate: float, share: float) -> None:
        """Change the limits; telegrams that wait because of the old ones are considered again."""
        self.limit.change(rate)
        self.share.change(share)
        if self._timer is not None:
            self._timer.cancel()
            self._again()

    def knows(self, id: str) -> bool:
        """Return whether a telegram with this id was taken lately."""
        return self._telegrams.knows(id)

    def reject(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count messages that cannot be read; see :meth:`bssci.center.interfaces.IIngest.reject`."""
        self._note_bad(
            self._rejected,
            "message not taken {source}: {reason}, {count} so far; for example {example}",
            reason,
            example,
            count,
        )

    def remark(self, reason: str, example: str = "") -> None:
        """Count a deviation in an accepted message; see :meth:`bssci.center.interfaces.IIngest.remark`."""
        self._note_bad(
            self._remarks,
            "message taken, but {source}: {reason}, {count} so far; for example {example}",
            reason,
            example,
            1,
        )

    def _note_bad(self, counts: Counter[str], text: str, reason: str, example: str, count: int) -> None:
        # A third party's source may give anything.
        reason, example = one_line(str(reason)), str(example)
        if reason not in counts and len(counts) >= REASONS:
            reason = "other"
        before = counts[reason]
        counts[reason] += count
        if before == 0 or before // LOG_EVERY != counts[reason] // LOG_EVERY:
            example = " ".join(example.split())[:EXAMPLE]
            self._examples[reason] = example
            self.log.warn(text, source=self.name, reason=reason, count=counts[reason], example=example)

    @property
    def trouble(self) -> str:
        """Reason why nothing more is taken now; empty: telegrams are taken."""
        return self._is_full

    def figures(self) -> dict[str, Any]:
        """Return the counts of this source as JSON values."""
        return {
            "kept": self._kept,
            "repeated": self._repeated,
            "blocked": self._blocked,
            "passed_over": self._passed_over,
            "refused": self._refused,
            "rejected": sum(self._rejected.values()),
            "reasons": [
                {
                    "reason": reason,
                    "count": count,
                    "taken": counts is self._remarks,
                    "example": self._examples[reason],
                }
                for counts in (self._rejected, self._remarks)
                for reason, count in counts.most_common()
            ],
            "waiting": self._waiting,
            "held_back": self._timer is not None,
            "rate": self._rate.value(),
            "rate_limit": self.limit.rate,
            "journal_bytes": self.share.bytes,
            "journal_limit": self.share.limit,
        }

    def close(self) -> None:
        """Take nothing more, and refuse telegrams that wait for the rate limit."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        queue, self._queue = self._queue, deque()
        for offer in queue:
            self._end(offer)
            offer.done.errback(TelegramsRefused("the service stops"))

    def _excess(self, count: int, size: int) -> str:
        if self._waiting + count > WAITING or self._waiting_bytes + size > WAITING_BYTES:
            return f"{self._waiting} telegrams wait already; at most {self.limit.rate:g} per second are taken"
        return self.share.excess()

    def _note(self, excess: str) -> None:
        if bool(excess) != bool(self._is_full):
            level = self.log.warn if excess else self.log.info
            level("source {source} {what}", source=self.name, what=excess or "is taken again")
        self._is_full = excess

    def _serve(self) -> None:
        while self._queue and self._timer is None:
            delay = self.limit.delay()
            if delay:
                self._timer = self._clock.callLater(delay, self._again)
                return
            offer = self._queue.popleft()
            self.limit.take(len(offer.telegrams))
            new, done = self._telegrams.take(self.name, offer.telegrams, offer.cursors)
            done.addCallbacks(
                self._stored, self._not_stored, callbackArgs=(offer, len(new)), errbackArgs=(offer,)
            )

    def _again(self) -> None:
        self._timer = None
        self._serve()

    def _stored(self, last_seq: int, offer: _Offer, new: int) -> None:
        self._end(offer)
        self._kept += new
        self._count_repeated(len(offer.telegrams) - new)
        self._rate.add(new)
        if new:
            self.share.add(last_seq, offer.size * new // len(offer.telegrams))
        offer.done.callback(None)

    def _count_repeated(self, count: int) -> None:
        if count and not self._repeated:
            self.log.info(
                "source {source} delivered messages again; they are counted, and stored once",
                source=self.name,
            )
        self._repeated += count

    def _not_stored(self, failure: Failure, offer: _Offer) -> None:
        self._end(offer)
        offer.done.errback(failure)

    def _end(self, offer: _Offer) -> None:
        self._waiting -= len(offer.telegrams)
        self._waiting_bytes -= offer.size


def _too_deep(telegram: Telegram) -> _UnfitError:
    return _UnfitError(f"an envelope of more than {DEEPEST} levels", telegram.device)


def _fitted(telegram: Telegram) -> tuple[Telegram, int]:
    """Return a telegram with an envelope of JSON, and its encoded bytes.

    :raises _UnfitError: it cannot be stored.
    :raises OverflowError: a whole number in it has more than 64 bits.
    :raises UnicodeEncodeError: a text in it holds half a character.
    """
    if not isinstance(telegram, Telegram):
        raise _UnfitError("it is not a Telegram", type(telegram).__name__)
    reason = misfit(telegram)
    if reason:
        raise _UnfitError(reason, " ".join(map(repr, (telegram.id, telegram.device, telegram.gateway))))
    try:
        device = _known_form(telegram.device)
        if device != telegram.device:
            telegram = msgspec.structs.replace(telegram, device=device)
        length = len(encode_event(telegram))
        # Each level takes a byte at least. Encoding follows more levels than those who get the telegram can.
        check_depth(telegram.envelope, length)
        if length <= LARGEST and json_weight(telegram.envelope, HEAVIEST) > HEAVIEST:
            raise _UnfitError("too many values, lists or objects in one message", telegram.device)
        if length <= LARGEST and not is_json(telegram.envelope):
            # A date becomes text, a tuple a list: all sinks get the same, at once and from the disk.
            envelope = msgspec.to_builtins(telegram.envelope, str_keys=True)
            stored = encode_event(msgspec.structs.replace(telegram, envelope=envelope))
            length, telegram = len(stored), cast(Telegram, decode_event(stored))
            check_depth(telegram.envelope, length)
    except RecursionError as error:
        raise _too_deep(telegram) from error
    except UnicodeEncodeError:
        raise
    except (TypeError, ValueError) as error:
        raise _UnfitError("it cannot be stored", f"{telegram.device}: {error}") from error
    if length > LARGEST:
        raise _UnfitError(f"larger than {LARGEST} bytes", telegram.device)
    return telegram, length


def misfit(telegram: Telegram) -> str:
    """Return what is wrong with the ids of a telegram, or with the type of a field; empty: nothing."""
    for id in (telegram.id, telegram.device, telegram.gateway):
        if not isinstance(id, str) or len(id) > LONGEST_ID or not _ID.fullmatch(id) or control_fault(id):
            return "an id is empty, too long or holds spaces, control characters, + or #"
    try:
        _known_form(telegram.device)
    except ValueError:
        return "a telegram's device is not an id with its kind in front"
    if not _is_number(telegram.at) or not 0 <= telegram.at < LATEST:
        return "a telegram's at is not in Unix seconds from 1970 to 2500"
    if not isinstance(telegram.payload, bytes):
        return "a telegram's payload is not bytes"
    for name in ("device_time", "gateway_time", "rssi"):
        value = getattr(telegram, name)
        if value is not None and not _is_number(value):
            return f"a telegram's {name} is not a number"
    if not isinstance(telegram.source, str):
        return "a telegram's source is not a text"
    return "" if isinstance(telegram.envelope, Mapping) else "a telegram's envelope is not an object"


@lru_cache(maxsize=4096)
def _known_form(device: str) -> str:
    """Return the id of a device as people name it too.

    :raises ValueError: it is no id of a device.
    """
    return parse_device_id(device)


def _is_number(value: object) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def position_fault(positions: object) -> str:
    """Return what is wrong with a source's positions; empty: nothing."""
    if isinstance(positions, Mapping) and all(
        isinstance(name, str) and len(name) <= LONGEST_ID and type(value) is int and 0 <= value < 1 << 63
        for name, value in positions.items()
    ):
        return ""
    return f"positions are not names of up to {LONGEST_ID} characters with whole numbers from 0 to 2^63 - 1"
