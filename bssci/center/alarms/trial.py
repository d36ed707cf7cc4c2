"""Sending a test alarm through every channel and sink, with the result of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import Literal, NamedTuple

from twisted.internet.defer import TimeoutError, ensureDeferred, gatherResults, maybeDeferred

from bssci.center.alarms.notices import Channel, Notice
from bssci.center.deliveries import Deliveries, Delivery
from bssci.journal import AlarmRecord, Journal
from bssci.model import AlarmChange
from bssci.model.commands import CommandError
from bssci.system.clock import Clock, pause, within

ID = "test"
PATIENCE = 20.0
"""s that each channel or sink may take"""
LOOK = 0.1
"""s between two checks whether a sink has taken the alarm"""


WayState = Literal["done", "failed", "not set"]


class WayTried(NamedTuple):
    """Result of the test for one channel or sink."""

    name: str
    """name of the channel or sink"""
    state: WayState
    text: str
    """one line for people: what was done, or the reason for the failure"""


class AlarmTrial:
    """Tests the channels and sinks that report alarms; one test at a time.

    A test is not an alarm: it opens none, and need not be acknowledged. Sinks get an alarm that opens and
    closes at once, so that nothing of it stays.

    :param alarms: the open alarms, whose number is in the messages.
    :param service: EUI of the service center.
    :param now: returns Unix seconds.
    """

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        alarms: Sized,
        channels: Sequence[Channel],
        deliveries: Deliveries,
        service: str,
        now: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._alarms = alarms
        self._channels = channels
        self._deliveries = deliveries
        self._service = service
        self._now = now
        self._is_running = False

    async def run(self, who: str) -> list[WayTried]:
        """Send a test alarm and wait for the results.

        :param who: name of the actor, for the text.
        :raises CommandError: ``busy``: another test has not ended yet.
        :raises bssci.journal.StorageError: the journal cannot store; nothing was sent.
        """
        if self._is_running:
            raise CommandError("busy", "another test is under way; its result comes within seconds")
        self._is_running = True
        try:
            text = f"Test alarm, requested by {who}: nothing is wrong"
            at = self._now()
            begin = AlarmChange(at=at, id=ID, number=0, state="open", severity="warning", text=text, since=at)
            end = AlarmChange(
                at=at, id=ID, number=0, state="closed", severity="warning", text=text, since=at, until=at
            )
            first = await self._journal.events.append([begin, end])
            record = AlarmRecord(number=0, id=ID, severity="warning", text=text, href="/alarms", since=at)
            notice = Notice(self._service, [record], [], len(self._alarms))
            tried: list[WayTried] = await gatherResults(
                [
                    *(ensureDeferred(self._by_channel(each, notice)) for each in self._channels),
                    *(ensureDeferred(self._by_sink(each, first + 1)) for each in self._deliveries),
                ]
            )
            return tried
        finally:
            self._is_running = False

    async def _by_channel(self, channel: Channel, notice: Notice) -> WayTried:
        if not channel.is_set():
            return WayTried(channel.name, "not set", f"it sends to nobody: set {channel.needs}")
        try:
            refused = await within(PATIENCE, maybeDeferred(channel.send, notice), self._clock)
        except TimeoutError:
            return WayTried(channel.name, "failed", f"no answer within {PATIENCE:.0f} s")
        except Exception as error:  # any failure of the remote side is a result
            return WayTried(channel.name, "failed", str(error) or type(error).__name__)
        if refused:
            return WayTried(channel.name, "failed", f"{refused}; others get it")
        return WayTried(channel.name, "done", "accepted by the server")

    async def _by_sink(self, sink: Delivery, seq: int) -> WayTried:
        end = self._clock.seconds() + PATIENCE
        while sink.cursor < seq:
            if self._clock.seconds() >= end:
                figures = sink.figures()
                trouble = figures["trouble"] or f"{figures['queued']} events wait before it"
                return WayTried(sink.name, "failed", f"not taken within {PATIENCE:.0f} s: {trouble}")
            await pause(self._clock, LOOK)
        return WayTried(sink.name, "done", "taken by the sink, as opened and closed")
