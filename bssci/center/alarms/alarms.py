"""The alarms: opening, closing, acknowledging and storing them.

    condition holds for its patience      condition is over for the calm
    -------------------------------> OPEN -----------------------------> CLOSED
                                      ^                                     |
                                      +---- holds again within an hour -----+

The calm doubles with every return, from half a minute to half an hour, so that a flapping condition stays one
alarm. Until the calm is over, an alarm whose condition is over is open, and watched. An alarm is one even if
the journal cannot store it; an acknowledgement, which is a command, is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.alarms.conditions import Condition, bounded, condition_kind
from bssci.journal import AlarmRecord, Journal, Loaded, StorageLines
from bssci.model import AlarmChange, AnyEvent
from bssci.model.commands import CommandError
from bssci.model.own_words import one_line
from bssci.system.clock import Clock
from bssci.system.watchers import Watchers

CALM = 30.0
"""s for which a condition must be over before its alarm closes"""
MAX_DOUBLINGS = 6
RETURN = 3600.0
"""s after its end within which a condition that comes back reopens its alarm"""
MAX_KEPT = 1000
"""closed alarms that are kept"""


class Calm(NamedTuple):
    """The calm of an open alarm whose condition is over."""

    over_since: float
    """Unix seconds"""
    closes_at: float
    """Unix seconds at which the alarm closes, if the condition does not come back before"""


class _Holding(NamedTuple):
    """A condition that holds and is not an alarm yet."""

    since: float | None
    """Unix seconds, as the condition says"""
    begin: float
    """the same in reactor seconds: the clock may be set while its patience lasts"""


class Alarms:
    """The alarms, in memory and in the journal.

    :param clock: measures patience and calm; monotonic.
    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal, loaded: Loaded, now: Callable[[], float]) -> None:
        self._clock = clock
        self._journal = journal
        self._now = now
        self._all: dict[int, AlarmRecord] = dict(sorted(loaded.alarms.items()))
        self._open: dict[str, int] = {
            each.id: number for number, each in self._all.items() if each.until is None
        }
        self._holding: dict[str, _Holding] = {}
        """conditions that hold and are not alarms yet, by id"""
        self._over: dict[str, float] = {}
        """reactor seconds since when the condition of an open alarm has been over, by id"""
        self._lock = DeferredLock()
        """held while an acknowledgement is stored; other changes of alarms are written after it"""
        self._unsaved: set[int] = set()
        """numbers of the alarms that changed, or were deleted, and are not written yet"""
        self._untold: list[AnyEvent] = []
        self._lines = StorageLines(self.log, clock.seconds)
        self._watchers = Watchers[[AlarmRecord]]("alarms")

    # questions

    def __len__(self) -> int:
        """Return the number of open alarms."""
        return len(self._open)

    def listed(self) -> list[AlarmRecord]:
        """Return the alarms: the open ones, then the closed ones, both newest first."""
        newest = list(reversed(self._all.values()))
        return [each for each in newest if each.until is None] + [
            each for each in newest if each.until is not None
        ]

    def open(self) -> Iterator[AlarmRecord]:
        """Yield the open alarms, oldest first."""
        return (self._all[number] for number in self._open.values())

    def by_severity(self) -> dict[str, int]:
        """Return the number of open alarms of each severity."""
        counts = Counter(each.severity for each in self.open())
        return {severity: counts[severity] for severity in ("error", "warning")}

    def get(self, number: int) -> AlarmRecord | None:
        return self._all.get(number)

    def calm_of(self, record: AlarmRecord) -> Calm | None:
        """Return the calm of an open alarm; None: its condition holds, or it is closed."""
        begin = self._over.get(record.id) if record.until is None else None
        if begin is None:
            return None
        over_since = self._now() - (self._clock.seconds() - begin)
        return Calm(over_since, over_since + _calm_time(record))

    def watch(self, watcher: Callable[[AlarmRecord], None]) -> Callable[[], None]:
        """Call ``watcher`` with each alarm that opens, closes, is acknowledged or changes its severity.

        :return: a function that ends the watch.
        """
        return self._watchers.add(watcher)

    # changes

    def evaluate(self, kinds: Collection[str], conditions: Iterable[Condition]) -> None:
        """Open and close alarms according to the conditions that hold now.

        :param kinds: kinds that were checked: of these, conditions that are not given are over.
        :param conditions: conditions that hold now.
        """
        seconds, now = self._clock.seconds(), self._now()
        # What others call themselves stands in their texts: a line of it could pass for another alarm.
        found = {each.id: each._replace(text=one_line(each.text)) for each in bounded(conditions, self._open)}
        changed: list[AlarmRecord] = []
        for condition in found.values():
            self._over.pop(condition.id, None)
            number = self._open.get(condition.id)
            if number is not None:
                changed += self._described(self._all[number], condition)
            elif self._is_due(condition, seconds, now):
                changed.append(self._opened(condition, now))
        for alarm_id in [
            each for each in self._holding if condition_kind(each) in kinds and each not in found
        ]:
            del self._holding[alarm_id]
        for alarm_id, number in list(self._open.items()):
            if condition_kind(alarm_id) in kinds and alarm_id not in found:
                record = self._all[number]
                begin = self._over.setdefault(alarm_id, seconds)
                if seconds - begin >= _calm_time(record):
                    changed.append(self._closed(record, now))
        self._store(changed)

    async def acknowledge(self, alarm_id: str, who: str) -> AlarmRecord:
        """Acknowledge the open alarm of this id, or else the last one.

        :raises CommandError: ``unknown_alarm``.
        :raises StorageError: it cannot be stored; nothing changed.
        """
        self._write()  # what happened before it
        try:
            async with self._lock:
                return await self._acknowledge(alarm_id, who)
        finally:
            self._write()

    async def _acknowledge(self, alarm_id: str, who: str) -> AlarmRecord:
        number = self._open.get(alarm_id)
        record = self._all[number] if number is not None else self._last(alarm_id)
        if record is None:
            raise CommandError("unknown_alarm", f"there is no alarm {alarm_id}", "id")
        if record.acknowledged_by is not None:
            return record
        acknowledged: dict[str, Any] = {"acknowledged_by": who, "acknowledged_at": self._now()}
        stored = replace(record, **acknowledged)
        row = self._journal.tables.change(AlarmRecord, {record.number: stored})
        await self._journal.events.append([change_of(stored, self._now())], beside=[row])
        present = self._all.get(record.number)
        if present is None or present.returns != record.returns:
            return stored  # it was forgotten or came back meanwhile
        stored = self._all[record.number] = replace(present, **acknowledged)
        self._watchers.tell(stored)
        return stored

    def told(self, number: int, begin_told: int, end_told: int) -> None:
        """Note what people were told about an alarm: see :class:`bssci.journal.AlarmRecord`."""
        record = self._all.get(number)
        if record is not None and (record.begin_told, record.end_told) != (begin_told, end_told):
            self._all[number] = replace(record, begin_told=begin_told, end_told=end_told)
            self._unsaved.add(number)
            self._write()

    def _is_due(self, condition: Condition, seconds: float, now: float) -> bool:
        holding = self._holding.get(condition.id)
        if holding is None or holding.since != condition.since:
            held = 0.0 if condition.since is None else max(0.0, now - condition.since)
            holding = self._holding[condition.id] = _Holding(condition.since, seconds - held)
        return seconds - holding.begin >= condition.patience

    def _described(self, record: AlarmRecord, condition: Condition) -> list[AlarmRecord]:
        """Update text and severity of an open alarm; return it if the severity changed, which is an event."""
        if (record.text, record.severity) == (condition.text, condition.severity):
            return []
        new = replace(record, text=condition.text, severity=condition.severity)
        if record.severity != condition.severity:
            return [new]
        self._all[record.number] = new
        self._unsaved.add(record.number)
        return []

    def _opened(self, condition: Condition, now: float) -> AlarmRecord:
        self._holding.pop(condition.id, None)
        last = self._last(condition.id)
        if last is not None and last.until is not None and now - last.until < RETURN:
            record = replace(
                last,
                severity=condition.severity,
                text=condition.text,
                until=None,
                returns=last.returns + 1,
                acknowledged_by=None,
                acknowledged_at=None,
                # If its end was not told, its beginning still is.
                begin_told=0 if last.end_told else last.begin_told,
                end_told=0,
            )
        else:
            record = AlarmRecord(
                number=max(self._all, default=0) + 1,
                id=condition.id,
                severity=condition.severity,
                text=condition.text,
                href=condition.href,
                since=condition.since if condition.since is not None else now - condition.patience,
            )
        self._all[record.number] = record
        self._open[record.id] = record.number
        self.log.warn("alarm {alarm.id} {alarm.severity} {alarm.text}", alarm=record)
        return record

    def _closed(self, record: AlarmRecord, now: float) -> AlarmRecord:
        begin = self._over.pop(record.id)
        del self._open[record.id]
        self.log.info("alarm closed {alarm.id} {alarm.text}", alarm=record)
        return replace(record, until=now - (self._clock.seconds() - begin))

    def _last(self, alarm_id: str) -> AlarmRecord | None:
        return next((each for each in reversed(self._all.values()) if each.id == alarm_id), None)

    def _store(self, changed: Collection[AlarmRecord]) -> None:
        for record in changed:
            self._all[record.number] = record
            self._unsaved.add(record.number)
            self._untold.append(change_of(record, self._now()))
        over = [number for number, each in self._all.items() if each.until is not None]
        for number in over[: max(0, len(over) - MAX_KEPT)]:
            del self._all[number]
            self._unsaved.add(number)
        self._write()
        for record in changed:
            self._watchers.tell(record)

    def _write(self) -> None:
        if self._lock.locked or not self._unsaved:
            return
        numbers, self._unsaved = self._unsaved, set()
        events, self._untold = self._untold, []
        rows = {number: self._all.get(number) for number in numbers}
        change = self._journal.tables.change(AlarmRecord, rows)
        stored: Any = (
            self._journal.events.append(events, beside=[change])
            if events
            else self._journal.tables.apply(AlarmRecord, rows)
        )
        stored.addErrback(self._not_written, numbers, events)

    def _not_written(self, failure: Failure, numbers: set[int], events: list[AnyEvent]) -> None:
        # Written again with the next evaluation.
        self._unsaved |= numbers
        self._untold = [*events, *self._untold][-MAX_KEPT:]
        self._lines.note(failure, "alarms not stored")


def _calm_time(record: AlarmRecord) -> float:
    """Return the s for which the condition of an alarm must be over before the alarm closes."""
    return float(CALM * 2 ** min(record.returns, MAX_DOUBLINGS))


def change_of(record: AlarmRecord, now: float) -> AlarmChange:
    """Return the event for the present state of an alarm."""
    return AlarmChange(
        at=now,
        id=record.id,
        number=record.number,
        state="open" if record.until is None else "closed",
        severity=record.severity,
        text=record.text,
        since=record.since,
        until=record.until,
        returns=record.returns,
        acknowledged_by=record.acknowledged_by,
        href=record.href,
    )
