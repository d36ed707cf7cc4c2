"""Answers of a base station that could not be stored, to be stored with what comes next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred

from bssci.journal import Registration
from bssci.model import EUI, AnyEvent
from bssci.stations.read_batch import ReadBatch
from bssci.wire.session import DEFAULT_MAX_OPEN

MAX_DOUBTS = DEFAULT_MAX_OPEN
"""refused requests of one session that may have been accepted before: more were never open at once"""


class Unstored:
    """Answers of a station in its present session that are not on disk.

    A later run would begin the operations again whose end it does not find stored, and tell the station again
    of sensors whose registration it does not find. It would not resume the session of a station that knows
    of an operation of its own that is not found either, though it was refused.
    """

    def __init__(self) -> None:
        self._last_op_id = 0
        self._closed: list[int] = []
        self._registrations: dict[EUI, Registration] = {}
        self._news: list[AnyEvent] = []
        self._under_way: Counter[EUI] = Counter()
        """number of registrations of each sensor on their way to the disk, which they reach in their order"""
        self._doubts = 0

    def __bool__(self) -> bool:
        return bool(self._last_op_id or self._closed or self._registrations or self._news)

    @property
    def registrations(self) -> list[Registration]:
        """Return the registrations that the station has answered with."""
        return list(self._registrations.values())

    def add(self, last_op_id: int, closed: Iterable[int], registrations: Iterable[Registration]) -> None:
        """Note answers that could not be stored.

        :param last_op_id: the last opId of the station that was seen.
        :param closed: opIds of operations of ours that are over.
        """
        self._last_op_id = last_op_id
        self._closed += closed
        self._registrations |= {each.end_point_eui: each for each in registrations}

    def note(self, last_op_id: int) -> None:
        """Note the last opId of the station that was seen, though nothing may be stored of what it began."""
        self._last_op_id = last_op_id

    def may_doubt(self) -> bool:
        """Return whether one more refused request may have been accepted before, or is made up."""
        self._doubts += 1
        return self._doubts <= MAX_DOUBTS

    def doubt(self, last_op_id: int, eui: EUI, at: float) -> None:
        """Note that a station may not have of a sensor what is on disk: it is told when it is back.

        :param last_op_id: as for :meth:`add`.
        :param at: Unix seconds.
        """
        unlike_any = Registration(end_point_eui=eui, fingerprint=b"?", state="detached", at=at)
        self.add(last_op_id, (), [unlike_any])

    def follow(self, registrations: Iterable[Registration], stored: Deferred[Any]) -> None:
        """Follow registrations that are on their way to the disk, behind all others.

        :param stored: fires or fails with the end of that.
        """
        sensors = [each.end_point_eui for each in registrations]
        if sensors:
            self._under_way.update(sensors)
            stored.addBoth(self._ended, sensors)

    def _ended(self, result: object, sensors: Iterable[EUI]) -> object:
        for eui in sensors:
            self._under_way[eui] -= 1
            if not self._under_way[eui]:
                del self._under_way[eui]
        return result

    def put_back(self, last_op_id: int, batch: ReadBatch) -> None:
        """Note the answers in a batch that could not be stored, but those about which newer ones follow it.

        :param last_op_id: as for :meth:`add`.
        """
        newest = [each for each in batch.answered if each.end_point_eui not in self._under_way]
        self.add(last_op_id, batch.closed, newest)
        self._news += batch.news

    def join(self, batch: ReadBatch) -> int:
        """Put all answers in front of those of a batch, to be stored with it; nothing is left here.

        :return: the last opId of the station that was seen; 0: it is stored.
        """
        if not self:
            return 0
        batch.closed[:0], batch.answered[:0], batch.news[:0] = self._closed, self.registrations, self._news
        last_op_id = self._last_op_id
        self._last_op_id, self._closed, self._registrations, self._news = 0, [], {}, []
        return last_op_id
