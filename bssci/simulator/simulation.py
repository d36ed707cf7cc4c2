"""A run of simulated stations and sensors, from connecting to the summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, FirstError, ensureDeferred, gatherResults

from bssci.model.counts import many
from bssci.simulator import counters
from bssci.simulator.certs import Bundle, ClientTLS
from bssci.simulator.over_the_air import attach_all
from bssci.simulator.quirks import Quirks, Vendor
from bssci.simulator.report import SimulationReport, describe
from bssci.simulator.requests import Behaviour
from bssci.simulator.running import Course
from bssci.simulator.sensor import Signal, SimulatedSensor
from bssci.simulator.station import SimulatedStation, StationPhase
from bssci.simulator.traffic import Traffic
from bssci.system.clock import Ticker, pause

PROGRESS_INTERVAL = 5.0
"""Seconds between lines of progress."""
DRAIN_TIMEOUT = 10.0
"""Seconds to wait for outstanding answers at the end."""
INTERRUPTED_DRAIN = 2.0
"""Seconds to wait for outstanding answers after an interruption."""
KEEP_INTERVAL = 2.0
"""Seconds between writing the packet counters."""
EVERY, AWAY = 240.0, 45.0
"""Interval between absences of the station of ``--comes-and-goes``, and their length, in seconds."""
START_INTERVAL = 0.01
"""Seconds between the starts of stations."""


@dataclass(frozen=True)
class StationPlan:
    """Identity and behaviour of one station."""

    eui: int
    bundle: Bundle
    quirks: Quirks
    vendor: Vendor | None = None


@dataclass(frozen=True)
class SimulationPlan:
    """Stations, sensors, rates and duration of a simulation.

    :param rate: uplinks/s in total, or None to keep ``in_flight`` of them unanswered.
    :param over_the_air: the sensors attach themselves before they send.
    :param counters: file in which packet counters are kept.
    :param comes_and_goes: EUI of a station that disconnects from time to time.
    :param duration: s after which the run ends; ``count``: uplinks after which it ends. Without both it
        runs until it is interrupted.
    """

    host: str
    port: int
    stations: Sequence[StationPlan]
    sensors: Sequence[SimulatedSensor]
    random: Random
    behaviour: Behaviour
    rate: float | None = 1.0
    in_flight: int = 16
    duration: float | None = None
    count: int | None = None
    server_name: str | None = None
    connect_timeout: float = 10.0
    over_the_air: bool = False
    counters: Path | None = None
    comes_and_goes: int | None = None


def hear(sensors: Sequence[SimulatedSensor], stations: int, copies: int, random: Random) -> None:
    """Place the sensors so that each is heard by ``copies`` neighbouring stations, best by the first."""
    for number, sensor in enumerate(sensors):
        snr = random.uniform(4, 16)
        sensor.place(
            {
                (number + copy) % stations: Signal(snr - 3 * copy, -126 + 1.5 * (snr - 3 * copy))
                for copy in range(copies)
            }
        )


class Simulation:
    """Runs a plan once.

    :param say: called with lines of progress.
    :raises BundleError: a certificate cannot be used.
    """

    def __init__(self, plan: SimulationPlan, reactor: Any, say: Callable[[str], None]) -> None:
        self.report = SimulationReport()
        self.error: str | None = None
        """Reason why the stations could not connect."""
        self.refused_attaches: dict[int, str] = {}
        """Reasons why sensors could not attach over the air, by EUI."""
        self.seconds = 0.0
        self._plan = plan
        self._reactor = reactor
        self._say = say
        self._end: Deferred[None] = Deferred()
        self._drain_timeout = DRAIN_TIMEOUT
        self._course = Course()
        tls = {
            bundle: ClientTLS(bundle, plan.server_name)
            for bundle in {station.bundle for station in plan.stations}
        }
        self._endpoints = [
            tls[station.bundle].endpoint(reactor, plan.host, plan.port) for station in plan.stations
        ]
        self.stations = [
            SimulatedStation(
                station.eui,
                clock=reactor,
                random=Random(plan.random.random()),
                quirks=station.quirks,
                behaviour=plan.behaviour,
                identity=station.vendor,
            )
            for station in plan.stations
        ]
        self.traffic = Traffic(
            self.stations,
            plan.sensors,
            clock=reactor,
            random=plan.random,
            report=self.report,
            limit=plan.count,
            finished=self._conclude,
        )

    @property
    def exit_status(self) -> int:
        """Exit status: 0 if everything was sent and acknowledged, 1 if not, 2 if the stations could
        not connect.
        """
        if self.error is not None:
            return 2
        return 0 if self.report.is_complete and not self.refused_attaches else 1

    @property
    def summary(self) -> dict[str, Any]:
        """Report, with figures of the stations."""
        return self.report.summary(self.seconds) | {
            "stations": len(self.stations),
            "attached": sum(len(station.attached) for station in self.stations),
            "connections": sum(station.connections for station in self.stations),
            "refused_attaches": len(self.refused_attaches),
        }

    @property
    def description(self) -> str:
        """Summary for people, in one line."""
        return describe(self.summary)

    def start(self) -> Deferred[None]:
        """Run; fires when everything is closed."""
        return self._course.begin(self._run())

    def interrupt(self) -> Deferred[None] | None:
        """End early; fires when everything is closed."""
        self._drain_timeout = INTERRUPTED_DRAIN
        self._conclude()
        return self._course.when_ended()

    async def _run(self) -> None:
        progress = Ticker(self._reactor, PROGRESS_INTERVAL, self._tell_progress)
        beside = [
            Ticker(self._reactor, KEEP_INTERVAL, self._keep_counters),
            Ticker(self._reactor, EVERY, self._leave),
        ]
        for ticker in beside:
            ticker.start()
        try:
            if await self._connect():
                if self._plan.over_the_air:
                    await self._attach()
                started = self._reactor.seconds()
                progress.start()
                await self._send()
                self.seconds = self._reactor.seconds() - started
        finally:
            for ticker in (progress, *beside):
                ticker.stop()
            self._keep_counters()
            await gatherResults([station.stop() for station in self.stations])

    def _keep_counters(self) -> None:
        if self._plan.counters is not None:
            counters.keep(self._plan.counters, self._plan.sensors)

    def _leave(self) -> None:
        """Disconnect the station of ``--comes-and-goes``, and connect it again later."""
        for station, endpoint in zip(self.stations, self._endpoints, strict=True):
            if station.eui == self._plan.comes_and_goes:
                station.stop()
                self._reactor.callLater(AWAY, self._return, station, endpoint)

    def _return(self, station: SimulatedStation, endpoint: Any) -> None:
        if not self._end.called:
            station.start(endpoint)

    async def _connect(self) -> bool:
        for number, (station, endpoint) in enumerate(zip(self.stations, self._endpoints, strict=True)):
            self._reactor.callLater(number * START_INTERVAL, station.start, endpoint)
        connected = gatherResults([station.when_connected() for station in self.stations], consumeErrors=True)
        connected.addTimeout(self._plan.connect_timeout, self._reactor)
        self._end.addCallback(lambda _: connected.cancel())
        try:
            await connected
        except FirstError:
            missing = next(
                station for station in self.stations if station.state is not StationPhase.CONNECTED
            )
            reason = f": {missing.last_error}" if missing.last_error is not None else ""
            self.error = f"could not connect to {self._plan.host}:{self._plan.port}{reason}"
            return False
        count = len(self.stations)
        self._say(f"{many(count, 'station')} connected to {self._plan.host}:{self._plan.port}")
        return True

    async def _attach(self) -> None:
        sensors = self._plan.sensors
        attaching = ensureDeferred(attach_all(sensors, self.stations, self.refused_attaches))
        await DeferredList([attaching, self._end], fireOnOneCallback=True, fireOnOneErrback=True)
        self._say(
            f"{len(sensors) - len(self.refused_attaches)}/{many(len(sensors), 'sensor')}"
            " attached over the air"
        )
        for eui, reason in list(self.refused_attaches.items())[:1]:
            self._say(f"for example {eui:016X} did not: {reason}")

    async def _send(self) -> None:
        if self._plan.rate is None:
            self.traffic.start_closed(self._plan.in_flight)
        else:
            self.traffic.start_open(self._plan.rate)
        timer = None
        if self._plan.duration is not None:
            timer = self._reactor.callLater(self._plan.duration, self._conclude)
        await self._end
        if timer is not None and timer.active():
            timer.cancel()
        self.traffic.stop()
        deadline = self._reactor.seconds() + self._drain_timeout
        while self.traffic.outstanding and self._reactor.seconds() < deadline:
            await pause(self._reactor, 0.02)

    def _conclude(self) -> None:
        if not self._end.called:
            self._end.callback(None)

    def _tell_progress(self) -> None:
        connected = sum(station.state is StationPhase.CONNECTED for station in self.stations)
        self._say(
            f"{connected}/{many(len(self.stations), 'station')}, sent {self.report.sent}, "
            f"acknowledged {self.report.acknowledged}, refused {self.report.refused.total()}, "
            f"waiting {self.traffic.outstanding}"
        )
