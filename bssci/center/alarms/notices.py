"""Messages about alarms: collected for a moment, sent through each channel, and limited per hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.alarms.alarms import Alarms
from bssci.center.alarms.conditions import ChannelState
from bssci.journal import AlarmRecord
from bssci.model.states import Severity
from bssci.settings.table import Settings
from bssci.system.clock import Clock, Timer

AS_ERROR, AS_WARNING = 1, 2
"""values of ``begin_told`` of an alarm, by its severity when it was told: as an error, a warning is news"""
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
    """Sends messages about alarms that begin, become errors and end through every channel.

    What a message says is decided when it is sent, by what the receivers of a channel know: of an alarm that
    came and went before they were told they learn nothing, and one that comes back before its end was told
    goes on. A message that a channel does not accept is retried, combined with what has changed since.

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
        self._desks = [_Desk(clock, alarms, each, settings, service, self._note) for each in channels]
        self._unwatch: Callable[[], None] | None = None

    def start(self) -> None:
        """Send what an earlier run left unsent, and watch the alarms."""
        for record in self._alarms.listed():
            for desk in self._desks:
                desk.learn(record)
            self._changed(record)
        self._unwatch = self._alarms.watch(self._changed)

    def stop(self) -> None:
        if self._unwatch is not None:
            self._unwatch()
        for desk in self._desks:
            desk.stop()

    def try_again(self) -> None:
        """Send what waits for a retry at once, and forget refused recipients: settings have changed."""
        for desk in self._desks:
            desk.try_again()

    def states(self) -> list[ChannelState]:
        """Return the state of the channels that are set."""
        return [ChannelState(desk.name, desk.needs, desk.trouble) for desk in self._desks if desk.is_set()]

    def _changed(self, record: AlarmRecord) -> None:
        for desk in self._desks:
            desk.changed(record)
        self._note(record.number)

    def _note(self, number: int) -> None:
        """Have the alarms remember what was told of one, unless a channel still has to tell it."""
        record = self._alarms.get(number)
        if record is None or any(desk.waits_for(number) for desk in self._desks):
            return
        told = [each for desk in self._desks if (each := desk.told.get(number)) is not None]
        if record.until is not None:
            self._alarms.told(number, record.begin_told, 1)
        elif told:
            begin_told = AS_ERROR if any(each.severity == "error" for each in told) else AS_WARNING
            self._alarms.told(number, begin_told, 0 if any(each.is_heard for each in told) else 1)


class _Told(NamedTuple):
    """An alarm that is not over for the receivers of a channel, as they know it."""

    severity: Severity
    is_heard: bool
    """a message was sent; else the channel was not set, and the end is not to be told either"""


class _Desk:
    """The queue of one channel: alarms that have changed since its last message.

    :ivar told: what its receivers know, by number of the alarm.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        alarms: Alarms,
        channel: Channel,
        settings: Callable[[], Settings],
        service: str,
        note: Callable[[int], None],
    ) -> None:
        self.name = channel.name
        self.needs = channel.needs
        self.trouble = ""
        self._clock = clock
        self._alarms = alarms
        self._channel = channel
        self._settings = settings
        self._service = service
        self._note = note
        self.told: dict[int, _Told] = {}
        self._waiting: dict[int, None] = {}
        """numbers of alarms that may be news"""
        self._under_way: list[AlarmRecord] = []
        """the alarms in the message that is being sent"""
        self._sent_at: deque[float] = deque()
        self._retry = FIRST_RETRY
        self._is_stopped = False
        self._timer: Timer | None = None
        self._sending: Deferred[str] | None = None

    def is_set(self) -> bool:
        return self._channel.is_set()

    def waits_for(self, number: int) -> bool:
        return number in self._waiting or any(each.number == number for each in self._under_way)

    def learn(self, record: AlarmRecord) -> None:
        """Take over from an earlier run what was told of an alarm."""
        if record.begin_told and (record.until is None or not record.end_told):
            severity: Severity = "warning" if record.begin_told == AS_WARNING else "error"
            self.told[record.number] = _Told(severity, not record.end_told)

    def changed(self, record: AlarmRecord) -> None:
        """Send a message soon, if there is news."""
        if not self._is_news(record) and not self.waits_for(record.number):
            self._pass(record)
            return
        self._waiting[record.number] = None
        if self._timer is None and self._sending is None:
            self._wait(self._settings().alarm_group_time)

    def _is_news(self, record: AlarmRecord) -> bool:
        if not self.is_set():
            return False
        told = self.told.get(record.number)
        if record.until is not None:
            return told is not None and told.is_heard
        if record.severity == "warning":
            return told is None and self._settings().alarm_least == "warning"
        return told is None or told.severity == "warning"

    def _pass(self, record: AlarmRecord) -> None:
        """Note what is not told: all while the channel is not set, and the end of what nobody heard of."""
        if record.until is not None or not self.is_set():
            self._know(record, False)

    def _know(self, record: AlarmRecord, is_heard: bool) -> None:
        told = self.told.pop(record.number, None)
        if record.until is None:
            is_heard = is_heard or (told is not None and told.is_heard)
            self.told[record.number] = _Told(record.severity, is_heard)

    def stop(self) -> None:
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sending is not None:
            self._sending.cancel()

    def try_again(self) -> None:
        self._retry = FIRST_RETRY
        if self.trouble and self._timer is not None:
            self._timer.cancel()
            self._wait(0.0)
        elif self._sending is None:
            self.trouble = (
                ""  # it was of other settings, and nothing waits that would show whether it is over
            )

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
        waiting, self._waiting = self._waiting, {}
        records = [record for number in waiting if (record := self._alarms.get(number)) is not None]
        self._under_way = [record for record in records if self._is_news(record)]
        for record in records:
            if record not in self._under_way:
                self._pass(record)
        for number in waiting:
            self._note(number)
        if not self._under_way:
            return
        notice = Notice(
            self._service,
            [record for record in self._under_way if record.until is None],
            [record for record in self._under_way if record.until is not None],
            len(self._alarms),
        )
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
        told, self._under_way = self._under_way, []
        for record in told:
            self._know(record, True)
            self._note(record.number)
        if self._waiting:
            self._wait(self._settings().alarm_group_time)

    def _failed(self, failure: Failure) -> None:
        self._sending = None
        if self._is_stopped:
            return  # it was cancelled, and the next run sends it
        self.trouble = failure.getErrorMessage()
        self._wait(self._retry)
        self._retry = min(LAST_RETRY, self._retry * 2)
        self._waiting = dict.fromkeys(each.number for each in self._under_way) | self._waiting
        self._under_way = []
        self.log.warn(
            "alarm message not sent {channel} {error} {waiting}",
            channel=self.name,
            error=self.trouble,
            waiting=len(self._waiting),
        )
