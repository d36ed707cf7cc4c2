"""Messages about alarms: collected for a moment, sent through each channel, and limited per hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.alarms.alarms import Alarms
from bssci.center.alarms.conditions import ChannelState
from bssci.journal import AlarmRecord
from bssci.model.states import Severity
from bssci.settings.table import Settings
from bssci.system.clock import Clock, Timer

ToldPart = Literal["begin_told", "end_told"]
HOUR = 3600.0
FIRST_RETRY, LAST_RETRY = 30.0, 1800.0
"""s until a message that could not be sent is retried; the delay doubles from the first to the last"""


@dataclass(frozen=True)
class Notice:
    """One message: the alarms that began, those that are over, and the number of open ones."""

    service: str
    """EUI of the service center"""
    begun: Sequence[AlarmRecord]
    over: Sequence[AlarmRecord]
    open: int
    """number of alarms that are open now"""


class Channel(Protocol):
    """A notification channel, such as e-mail."""

    name: str
    needs: str
    """settings that the channel needs, in words"""

    def is_set(self) -> bool:
        """Return whether these settings are set."""

    def send(self, notice: Notice) -> Deferred[str]:
        """Send a message.

        Fires when the remote side has accepted it, with one line about recipients that it refused meanwhile;
        empty: there are none. Fails with a one-line reason.
        """


class Notices:
    """Sends messages about alarms that begin and end through every channel.

    An alarm that is over before a message about its beginning was sent is not reported at all, and one that
    comes back before a message about its end was sent goes on. A message that a channel does not accept is
    retried, combined with what has changed since.

    :param settings: returns the settings in force.
    :param service: EUI of the service center.
    """

    def __init__(
        self,
        clock: Clock,
        alarms: Alarms,
        channels: Sequence[Channel],
        settings: Callable[[], Settings],
        service: str,
    ) -> None:
        self._alarms = alarms
        self._settings = settings
        self._desks = [_Desk(clock, alarms, each, settings, service, self._taken) for each in channels]
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> None:
        """Send what an earlier run left unsent, and watch the alarms."""
        for record in self._alarms.listed():
            self._changed(record)
        self._unwatch = self._alarms.watch(self._changed)

    def stop(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        for desk in self._desks:
            desk.stop()

    def try_again(self) -> None:
        """Send what waits for a retry at once: the settings of a channel have changed."""
        for desk in self._desks:
            desk.try_again()

    def states(self) -> list[ChannelState]:
        """Return the state of the channels that are set."""
        return [ChannelState(desk.name, desk.needs, desk.trouble) for desk in self._desks if desk.is_set()]

    def _changed(self, record: AlarmRecord) -> None:
        part: ToldPart = "begin_told" if record.until is None else "end_told"
        if getattr(record, part):
            return
        # Of an alarm whose beginning was sent the end is, too, whatever its severity at the end.
        is_wanted = (
            part == "end_told" or record.severity == "error" or self._settings().alarm_least == "warning"
        )
        desks = [desk for desk in self._desks if desk.is_set()] if is_wanted else []
        for desk in desks:
            desk.add(record.number, part)
        if not desks:
            self._alarms.told([record.number], part)
            self._alarms.told([record.number], "end_told")

    def _taken(self, number: int, part: ToldPart) -> None:
        record = self._alarms.get(number)
        if part == "end_told" and record is not None and record.until is None:
            return  # it has come back: its next end is still to be told
        if not any(desk.waits_for(number, part) for desk in self._desks):
            self._alarms.told([number], part)


class _Desk:
    """The queue of one channel: beginnings and ends of alarms that are still to be sent."""

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        alarms: Alarms,
        channel: Channel,
        settings: Callable[[], Settings],
        service: str,
        taken: Callable[[int, ToldPart], None],
    ) -> None:
        self.name = channel.name
        self.needs = channel.needs
        self.trouble = ""
        self._clock = clock
        self._alarms = alarms
        self._channel = channel
        self._settings = settings
        self._service = service
        self._taken = taken
        self._waiting: dict[tuple[int, ToldPart], None] = {}
        self._under_way: dict[tuple[int, ToldPart], Severity] = {}
        """contents of the message that is being sent, with the severities in it"""
        self._sent_at: deque[float] = deque()
        self._retry = FIRST_RETRY
        self._is_stopped = False
        self._timer: Timer | None = None
        self._sending: Deferred[str] | None = None

    def is_set(self) -> bool:
        return self._channel.is_set()

    def waits_for(self, number: int, part: ToldPart) -> bool:
        return (number, part) in self._waiting or (number, part) in self._under_way

    def add(self, number: int, part: ToldPart) -> None:
        other: ToldPart = "end_told" if part == "begin_told" else "begin_told"
        if self._waiting.pop((number, other), 0) is None:
            # Neither was sent: together they are no news.
            self._taken(number, "begin_told")
            self._taken(number, "end_told")
            return
        record = self._alarms.get(number)
        if record is not None and self._under_way.get((number, part)) != record.severity:
            self._waiting[number, part] = None
        if self._timer is None and self._sending is None:
            self._wait(self._settings().alarm_group_time)

    def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sending is not None:
            self._sending.cancel()

    def try_again(self) -> None:
        if self.trouble and self._timer is not None:
            self._timer.cancel()
            self._retry = FIRST_RETRY
            self._wait(0.0)

    def _wait(self, seconds: float) -> None:
        if not self._is_stopped:
            self._timer = self._clock.callLater(max(seconds, self._held_back()), self._send)

    def _held_back(self) -> float:
        """Return the seconds until the limit per hour allows another message."""
        now, most = self._clock.seconds(), self._settings().alarm_max_per_hour
        while self._sent_at and now - self._sent_at[0] >= HOUR:
            self._sent_at.popleft()
        return HOUR - (now - self._sent_at[-most]) if len(self._sent_at) >= most else 0.0

    def _send(self) -> None:
        self._timer = None
        records = {key: self._alarms.get(key[0]) for key in self._waiting}
        found = {key: record for key, record in records.items() if record is not None}
        self._under_way, self._waiting = {key: record.severity for key, record in found.items()}, {}
        notice = Notice(
            self._service,
            [record for (_, part), record in found.items() if part == "begin_told"],
            [record for (_, part), record in found.items() if part == "end_told"],
            len(self._alarms),
        )
        if not self.is_set() or not (notice.begun or notice.over):
            self._done()
            return
        sending = self._sending = maybeDeferred(self._channel.send, notice)
        sending.addCallbacks(self._took, self._failed)
        sending.addErrback(lambda failure: self.log.failure("message about alarms failed", failure))

    def _took(self, refused: str) -> None:
        self._sending = None
        self.trouble = refused
        if refused:
            self.log.warn("alarm message refused in part {channel} {error}", channel=self.name, error=refused)
        self._retry = FIRST_RETRY
        self._sent_at.append(self._clock.seconds())
        self._done()

    def _done(self) -> None:
        told, self._under_way = self._under_way, {}
        for number, part in told:
            self._taken(number, part)
        if self._waiting:
            self._wait(self._settings().alarm_group_time)

    def _failed(self, failure: Failure) -> None:
        self._sending = None
        if self._is_stopped:
            return  # it was cancelled, and the next run sends it
        self.trouble = failure.getErrorMessage()
        self._wait(self._retry)
        self._retry = min(LAST_RETRY, self._retry * 2)
        later, self._waiting, self._under_way = self._waiting, dict.fromkeys(self._under_way), {}
        for number, part in later:
            self.add(number, part)
        self.log.warn(
            "alarm message not sent {channel} {error} {waiting}",
            channel=self.name,
            error=self.trouble,
            waiting=len(self._waiting),
        )
