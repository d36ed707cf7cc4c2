"""A run of simulated scanners and controllers at an MQTT broker, from connecting to the summary."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from bssci.model.counts import many
from bssci.mqtt.client import MqttClient
from bssci.scanner.agent import ended
from bssci.scanner.configuration import MqttPart
from bssci.simulator.bluetooth import BluetoothDevice
from bssci.simulator.controllers import FIRST_MAC, SimulatedController
from bssci.simulator.running import Course
from bssci.simulator.scanners import Surroundings, make_scanner
from bssci.system.clock import Ticker, pause

PROGRESS_INTERVAL = 5.0
"""Seconds between lines of progress."""
LOOK = 0.05
"""Seconds between checks whether all are connected."""


@dataclass(frozen=True)
class GatewayPlan:
    """The plan of a run: scanners, controllers and the devices that they hear.

    :param devices: Bluetooth devices around all scanners.
    :param advertised_every: s between two advertisements of a device.
    :param measured_every: s between two answers of a sensor at a controller.
    :param zone: time zone of the controllers' clocks.
    :param duration: length of the run in s; None: until it is interrupted.
    :param connect_timeout: s in which all have to connect.
    """

    broker: MqttPart
    scanners: int = 0
    controllers: int = 0
    devices: int = 12
    advertised_every: float = 10.0
    measured_every: float = 30.0
    zone: tzinfo = UTC
    scanner_prefix: str = "simulated"
    duration: float | None = None
    connect_timeout: float = 10.0
    random: Random = Random()


def scanner_names(prefix: str, count: int) -> list[str]:
    """Return the ids of simulated scanners."""
    return [f"{prefix}-{number}" for number in range(1, count + 1)]


class GatewaySimulation:
    """Runs a plan once.

    :param say: called with lines of progress.
    :ivar error: reason why the run failed to connect; None if it did not.
    """

    def __init__(
        self,
        plan: GatewayPlan,
        reactor: Any,
        say: Callable[[str], None],
        now: Callable[[], float] = time.time,
        **how: Any,
    ) -> None:
        self.error: str | None = None
        self._began: float | None = None
        self._lasted: float | None = None
        self._plan = plan
        self._reactor = reactor
        self._say = say
        self._end: Deferred[None] = Deferred()
        self._course = Course()
        devices = [BluetoothDevice(number) for number in range(plan.devices)]
        around = Surroundings(reactor, devices, plan.scanners, plan.advertised_every, plan.random, now)
        self.scanners = [
            make_scanner(reactor, name, number, plan.broker, around, now, **how)
            for number, name in enumerate(scanner_names(plan.scanner_prefix, plan.scanners))
        ]
        self.controllers = [
            SimulatedController(
                reactor, FIRST_MAC + number, plan.broker, plan.measured_every, plan.zone, now, **how
            )
            for number in range(plan.controllers)
        ]
        self._clients: list[MqttClient] = [each.client for each in self.scanners]
        self._clients += [each.client for each in self.controllers]

    @property
    def seconds(self) -> float:
        """Time for which all have been connected, in s."""
        if self._lasted is not None or self._began is None:
            return self._lasted or 0.0
        return float(self._reactor.seconds() - self._began)

    @property
    def exit_status(self) -> int:
        """Exit status: 0 if everything that was heard was sent, 1 if not, 2 if a connection failed."""
        if self.error is not None:
            return 2
        return 0 if all(scanner.outbox.dropped == 0 for scanner in self.scanners) else 1

    @property
    def summary(self) -> dict[str, Any]:
        """Counts as plain values."""
        counts = [controller.counts for controller in self.controllers]
        return {
            "scanners": len(self.scanners),
            "controllers": len(self.controllers),
            "connected": sum(client.online for client in self._clients),
            "advertisements_received": sum(scanner.radio.received for scanner in self.scanners),
            "messages_sent": sum(scanner.outbox.sent for scanner in self.scanners),
            "messages_dropped": sum(scanner.outbox.dropped for scanner in self.scanners),
            "telemetry": sum(each.telemetry for each in counts),
            "states": sum(each.states for each in counts),
            "commands": sum(each.commands for each in counts),
            "commands_refused": sum(each.refused for each in counts),
            "seconds": round(self.seconds, 3),
        }

    @property
    def description(self) -> str:
        """Summary for people, in one line."""
        found = self.summary
        return (
            f"scanners heard {found['advertisements_received']} advertisements, "
            f"sent {found['messages_sent']}, dropped {found['messages_dropped']}; "
            f"controllers sent {found['telemetry']} measurements and {found['states']} states, "
            f"carried out {found['commands']} commands, in {found['seconds']:.1f} s"
        )

    def start(self) -> Deferred[None]:
        """Run; fires when everything is closed."""
        return self._course.begin(self._run())

    def interrupt(self) -> Deferred[None] | None:
        """End early; fires when everything is closed."""
        if not self._end.called:
            self._end.callback(None)
        return self._course.when_ended()

    async def _run(self) -> None:
        for scanner in self.scanners:
            scanner.start()
        for controller in self.controllers:
            controller.start()
        progress = Ticker(self._reactor, PROGRESS_INTERVAL, lambda: self._say(self.description))
        try:
            if await self._connect():
                self._began = self._reactor.seconds()
                progress.start()
                if self._plan.duration is not None:
                    over = self._reactor.callLater(self._plan.duration, self.interrupt)
                    self._end.addCallback(lambda _: over.active() and over.cancel())
                await self._end
                self._lasted = self.seconds
        finally:
            progress.stop()
            await gatherResults(
                [*map(ended, self.scanners), *(each.stop() for each in self.controllers)], consumeErrors=True
            )

    async def _connect(self) -> bool:
        """Wait until all are connected; return whether they are."""
        deadline = self._reactor.seconds() + self._plan.connect_timeout
        while not all(client.online for client in self._clients):
            if self._end.called:
                return False
            if self._reactor.seconds() >= deadline:
                reason = next((each.trouble for each in self._clients if each.trouble), "no answer")
                self.error = f"broker {self._plan.broker.broker}:{self._plan.broker.port}: {reason}"
                return False
            await pause(self._reactor, LOOK)
        self._say(
            f"{many(len(self.scanners), 'scanner')} and {many(len(self.controllers), 'controller')} connected"
            f" to {self._plan.broker.broker}:{self._plan.broker.port}"
        )
        return True
