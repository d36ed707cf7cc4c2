"""Collection of the base stations' answers to a command."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.defer import Deferred

from bssci.model import EUI
from bssci.model.commands import AWAY, UNANSWERED, Outcome, Outcomes
from bssci.system.clock import Clock, Timer


class Answers:
    """The answers that a command waits for.

    :param time: s after which the command no longer waits.
    :param sensors: those that the command is about.
    """

    def __init__(self, clock: Clock, time: float, sensors: Collection[EUI]) -> None:
        self._outcomes = Outcomes({sensor: {} for sensor in sensors})
        self._missing = 1  # one too many until all() is called
        self._done: Deferred[Outcomes] = Deferred()
        self._clock = clock
        self._timer: Timer | None = clock.callLater(time, self._finish)

    def expect(self, station: EUI, sensors: Collection[EUI]) -> None:
        """Note that a station was asked about sensors."""
        for sensor in sensors:
            self._outcomes.asked[sensor][station] = UNANSWERED
        self._missing += len(sensors)

    def away(self, station: EUI) -> None:
        """Note that a station is away, and gets the command when it is back."""
        self._outcomes.away.append(station)

    def left(self, station: EUI, sensors: Collection[EUI]) -> None:
        """Note that a station has gone away before it was asked about these sensors, after others."""
        for sensor in sensors:
            self._outcomes.asked[sensor][station] = AWAY

    def answered(self, station: EUI, sensor: EUI, outcome: Outcome) -> None:
        """Record a station's answer, or that it disconnected before it answered."""
        self._outcomes.asked[sensor][station] = outcome
        self._missing -= 1
        if not self._missing:
            self._finish()

    def all(self) -> Deferred[Outcomes]:
        """Fire with all outcomes when no answer is missing, or in time; to be called once all were asked."""
        self._missing -= 1
        if not self._missing:
            self._finish()
        return self._done

    def _finish(self) -> None:
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
            # Not at once: the consequences of the last answer are passed to the journal first.
            self._clock.callLater(0, self._done.callback, self._outcomes)
