"""Traffic: which sensor sends when, and which stations deliver its uplinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from bssci.simulator.report import SimulationReport
from bssci.simulator.sensor import RadioTelegram, SimulatedSensor
from bssci.simulator.station import SimulatedStation, code_of
from bssci.system.clock import Ticker

TICK = 0.01
"""Seconds between checks which uplinks are due, with an open loop."""
COPY_SPREAD = (0.006, 0.061)
"""Seconds between deliveries of an uplink by two stations, at least and at most."""


class Traffic:
    """Has sensors send in turn; each uplink is delivered by every station that hears its sensor.

    :param limit: uplinks to send in total; None: no limit.
    :param finished: called once, when the limit is reached and everything is answered.
    """

    def __init__(
        self,
        stations: Sequence[SimulatedStation],
        sensors: Sequence[SimulatedSensor],
        *,
        clock: IReactorTime,
        random: Random,
        report: SimulationReport,
        limit: int | None = None,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        self._stations = stations
        self._sensors = sensors
        self._clock = clock
        self._random = random
        self._report = report
        self._limit = limit
        self._finished = finished
        self._begun = 0
        self._running = False
        self._outstanding = 0  # copies on their way or without an answer
        self._in_flight = 0  # uplinks to keep outstanding in a closed loop; 0 in an open loop
        self._ticker: Ticker | None = None
        by_eui = {sensor.eui: sensor for sensor in sensors}
        for station in stations:
            station.send_downlinks_to(
                lambda eui, counter, payload: (
                    by_eui[eui].receive_downlink(counter, payload) if eui in by_eui else None
                )
            )

    @property
    def outstanding(self) -> int:
        """Number of deliveries without an answer."""
        return self._outstanding

    def start_open(self, rate: float) -> None:
        """Send ``rate`` uplinks per second, independently of the answers."""
        self._running = True
        started = self._clock.seconds()
        self._ticker = Ticker(self._clock, TICK, lambda: self._send_due(started, rate))
        self._ticker.start(at_once=True)

    def start_closed(self, in_flight: int) -> None:
        """Keep ``in_flight`` uplinks unanswered: each answer triggers the next uplink."""
        self._running = True
        self._in_flight = in_flight
        for _ in range(in_flight):
            self._send_next()

    def stop(self) -> None:
        """Send no more uplinks."""
        self._running = False
        if self._ticker is not None:
            self._ticker.stop()

    def _send_due(self, started: float, rate: float) -> None:
        due = int((self._clock.seconds() - started) * rate) + 1
        while self._running and self._begun < due:
            self._send_next()

    def _send_next(self) -> None:
        if not self._running:
            return
        sensor = self._sensors[self._begun % len(self._sensors)]
        self._begun += 1
        if self._begun == self._limit:
            self.stop()
        if sensor.is_silent():
            self._passed_over()
            return
        telegram = sensor.transmit()
        copies = [len(sensor.heard_by)]  # number of copies without an answer, which all copies share
        self._outstanding += copies[0]
        delay = 0.0
        for station in sensor.heard_by:
            if delay:
                self._clock.callLater(delay, self._deliver, station, sensor, telegram, copies)
            else:
                self._deliver(station, sensor, telegram, copies)
            delay += self._random.uniform(*COPY_SPREAD)

    def _passed_over(self) -> None:
        """Continue after a sensor that sent nothing in its turn."""
        if self._begun == self._limit:
            if self._outstanding == 0:
                self._finished()
        elif self._in_flight:
            self._clock.callLater(0, self._send_next)

    def _deliver(
        self, station: int, sensor: SimulatedSensor, telegram: RadioTelegram, copies: list[int]
    ) -> None:
        if not self._stations[station].has_room:
            self._report.not_sent += 1
            self._answered(copies)
            return
        self._report.sent += 1
        sent_at = self._clock.seconds()
        delivered = self._stations[station].send_uplink(telegram, sensor.signal_at(station))
        delivered.addCallback(lambda _: self._report.acknowledge(self._clock.seconds() - sent_at))
        delivered.addErrback(self._refused)
        delivered.addCallback(lambda _: self._answered(copies))

    def _refused(self, failure: Failure) -> None:
        self._report.refused[code_of(failure)] += 1

    def _answered(self, copies: list[int]) -> None:
        self._outstanding -= 1
        copies[0] -= 1
        if copies[0] == 0 and self._in_flight:
            # In a later turn of the reactor: an answer during the delivery would cause endless recursion.
            self._clock.callLater(0, self._send_next)
        if self._outstanding == 0 and self._begun == self._limit:
            self._finished()
