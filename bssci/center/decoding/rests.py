"""Pauses of decoders that take too long.

A script is interrupted in its thread. A decoder of a plugin runs in the reactor's thread and cannot be
interrupted: while it decodes, or looks whether it can, nothing else happens. After five payloads in a row for
which one of the two took too long, it is paused for a minute, then for twice as long each time, up to an
hour; after a pause, one is enough for the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from twisted.logger import Logger

from bssci.decoders.interfaces import DecodeError
from bssci.decoders.running import label
from bssci.system.line_limit import is_logged

PAYLOAD_TIME = 0.1
"""s that a decoder may take for a payload"""
TIMEOUTS_IN_A_ROW = 5
FIRST_REST = 60.0
LONGEST_REST = 3600.0
"""s for which a decoder is paused, at most"""

TimedMethod = Literal["matches", "decode"]
"""methods of a decoder whose time counts"""


class Rest(msgspec.Struct, frozen=True):
    """The pause of a decoder."""

    decoder: str
    """name and version: ``name@version``"""
    seconds: float
    """length of the pause; infinite: until the script's threads end, or the service restarts"""
    reason: str


class _Record(msgspec.Struct):
    """Conduct of one decoder so far."""

    slow: int = 0
    """payloads for which it took too long"""
    in_a_row: dict[TimedMethod, int] = {}
    """payloads in a row for which a method took too long; a method that was quick last time is absent"""
    rests: int = 0
    """pauses in a row"""
    rest: Rest | None = None
    rest_until: float = 0.0


class PluginRests:
    """Pauses of plugins' decoders, by the time that they take in the reactor's thread.

    :param seconds: returns the time for measuring durations.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._records: dict[str, _Record] = {}
        """decoders that took too long at least once, by their labels"""

    @property
    def resting(self) -> list[Rest]:
        """Pauses in force."""
        now = self._seconds()
        return [
            each.rest for each in self._records.values() if each.rest is not None and now < each.rest_until
        ]

    def refuse_resting(self, decoder: Any) -> None:
        """Check whether a decoder may run now.

        :raises DecodeError: ``resting``: it is paused.
        """
        if not self._records:
            return
        record = self._records.get(label(decoder))
        if record is None or record.rest is None:
            return
        left = record.rest_until - self._seconds()
        if left > 0:
            text = f"the decoder is paused for another {left:.0f} s: {record.rest.reason}"
            raise DecodeError("resting", text)

    def count(self, decoder: Any, seconds: float, method: TimedMethod = "decode") -> None:
        """Count a payload for which a method took ``seconds``, and pause the decoder if it must be."""
        if seconds <= PAYLOAD_TIME:
            if self._records:
                self._count_quick(decoder, method)
            return
        record = self._records.setdefault(label(decoder), _Record())
        record.slow += 1
        record.in_a_row[method] = record.in_a_row.get(method, 0) + 1
        if is_logged(record.slow):
            self.log.warn(
                "decoder held up the whole service {decoder} for {seconds:.2f} s; {count} so far",
                decoder=label(decoder),
                seconds=seconds,
                count=record.slow,
            )
        if record.in_a_row[method] >= TIMEOUTS_IN_A_ROW:
            record.in_a_row[method] = TIMEOUTS_IN_A_ROW - 1
            self._begin(decoder, record)

    def _count_quick(self, decoder: Any, method: TimedMethod) -> None:
        record = self._records.get(label(decoder))
        if record is None:
            return
        record.in_a_row.pop(method, None)
        if not record.in_a_row:
            record.rests, record.rest = 0, None

    def _begin(self, decoder: Any, record: _Record) -> None:
        length = min(FIRST_REST * 2.0**record.rests, LONGEST_REST)
        record.rests += 1
        reason = f"it held up the whole service for over {PAYLOAD_TIME * 1000:.0f} ms, five times in a row"
        record.rest = Rest(label(decoder), length, reason)
        record.rest_until = self._seconds() + length
        self.log.warn("decoder paused {decoder} for {seconds:.0f} s: {reason}", **_fields(record.rest))


def _fields(rest: Rest) -> dict[str, Any]:
    return {"decoder": rest.decoder, "seconds": rest.seconds, "reason": rest.reason}
