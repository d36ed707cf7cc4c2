"""Simulated scanners: the agent of :mod:`bssci.scanner` with a radio that hears simulated devices.

Topics, reports, last will, deduplication and commands are therefore those of ``bssci scan``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import pi, sin
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed

from bssci.mqtt.client import MqttClient
from bssci.scanner.advertisement import HeardAdvertisement
from bssci.scanner.agent import Agent
from bssci.scanner.cli import client_settings
from bssci.scanner.configuration import BufferPart, MqttPart, ScannerConfiguration, ScannerPart
from bssci.scanner.radio import Scan
from bssci.simulator.bluetooth import BluetoothDevice
from bssci.system.clock import Clock, Ticker

TICK = 0.1
"""Seconds between checks which devices are due to send."""
NEAR, STEP, WEAKEST = -58.0, 13.0, -96.0
"""dBm at the nearest scanner, dB less at each further one, and dBm below which nothing is heard."""
WALK = 360.0
"""Seconds in which a carried device passes all scanners and comes back."""


class Surroundings:
    """The devices around the scanners, each near one of them.

    :param interval: s between two advertisements of a device.
    :param now: Unix seconds.
    """

    def __init__(
        self,
        clock: Clock,
        devices: Sequence[BluetoothDevice],
        scanners: int,
        interval: float,
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self.devices = devices
        self._clock = clock
        self._scanners = scanners
        self._interval = interval
        self._random = random
        self._now = now

    def rssi(self, device: BluetoothDevice, scanner: int) -> int | None:
        """Return the present signal of a device at a scanner in dBm; None if it is too far away."""
        if device.wanders:
            turn = (self._now() / WALK + 0.37 * device.number) % 1
            home = (self._scanners - 1) * (0.5 + 0.5 * sin(2 * pi * turn))
        else:
            home = float(device.number % self._scanners)
        signal = NEAR - STEP * abs(home - scanner) - 1.7 * (device.number % 5) + self._random.gauss(0, 1.5)
        return round(signal) if signal >= WEAKEST else None

    def start_scan(self, scanner: int, heard: Callable[[HeardAdvertisement], None]) -> Deferred[Scan]:
        """Begin the scan of a scanner, counted from 0, which hears the devices."""
        return succeed(_Scan(self._clock, lambda device: self._hear(device, scanner, heard), self))

    def _hear(
        self, device: BluetoothDevice, scanner: int, heard: Callable[[HeardAdvertisement], None]
    ) -> None:
        signal = self.rssi(device, scanner)
        if signal is not None:
            heard(device.advertisement(self._now(), signal))

    @property
    def rate(self) -> float:
        """Number of advertisements per second that all devices send together."""
        return len(self.devices) / self._interval


class _Scan:
    """A running scan, in which the devices take turns."""

    def __init__(
        self, clock: Clock, hear: Callable[[BluetoothDevice], None], surroundings: Surroundings
    ) -> None:
        self._clock = clock
        self._hear = hear
        self._surroundings = surroundings
        self._began = clock.seconds()
        self._done = 0
        self._ticker = Ticker(clock, TICK, self._hear_due)
        self._ticker.start()

    def stop(self) -> Deferred[None]:
        self._ticker.stop()
        return succeed(None)

    def _hear_due(self) -> None:
        devices = self._surroundings.devices
        due = int((self._clock.seconds() - self._began) * self._surroundings.rate)
        while self._done < due:
            self._hear(devices[self._done % len(devices)])
            self._done += 1


def make_scanner(
    reactor: Any,
    name: str,
    number: int,
    broker: MqttPart,
    surroundings: Surroundings,
    now: Callable[[], float],
    make_client: Callable[..., Any] = MqttClient,
) -> Agent:
    """Return a scanner, which is not started yet.

    :param name: id of the scanner in topics.
    :param number: number of the scanner, from 0.
    """
    configuration = ScannerConfiguration(
        scanner=ScannerPart(id=name, bluetooth_adapter="simulated", mode="passive"),
        mqtt=broker,
        # Advertisements that are heard before the broker has answered are sent, too.
        buffer=BufferPart(while_offline="keep"),
    )
    return Agent(
        reactor,
        configuration,
        lambda: configuration,
        lambda passive, heard: surroundings.start_scan(number, heard),
        lambda **callbacks: make_client(reactor, client_settings(configuration), **callbacks),
        now,
    )
