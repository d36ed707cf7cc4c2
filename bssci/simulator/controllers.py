"""Simulated controllers, with sensors that answer in Modbus RTU, and strikes and sirens that take commands.

::

    tele/f2-{mac}/sensor-mode/J1/sensor-1..3          every 30 s, the answer of a soil probe with its checksum
    stat/f2-{mac}/access-control-mode/J2/door-sensors  when a door moves, and after connecting
    stat/f2-{mac}/alarm-mode/J3/motion-sensor-1        when somebody comes or goes
    cmnd/f2-{mac}/{mode}/J2/strike-1..2, J3/siren-1  --> stat of the same place
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from math import pi, sin
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred

from bssci.mqtt.client import MqttClient
from bssci.mqtt.values import Publication, Received
from bssci.scanner.cli import client_settings
from bssci.scanner.configuration import MqttPart, ScannerConfiguration
from bssci.simulator.instruments import DAY, HOUR, INSTALLED, own, wave
from bssci.system.clock import Ticker, Timer

FIRST_MAC = 0x5EF200000001
"""address of the first controller; the others are consecutive"""
SENSORS = 3
"""number of soil probes at connector 1"""
SWITCHES = {
    "access-control-mode/J2/strike-1": "strike",
    "access-control-mode/J2/strike-2": "strike",
    "alarm-mode/J3/siren-1": "siren",
}
"""kinds of the components that take commands, by mode, connector and component"""
DOORS = "access-control-mode/J2/door-sensors"
MOTION = "alarm-mode/J3/motion-sensor-1"
LOOK = 2.0
"""Seconds between checks of doors and motion."""
PULSE = 3.0
"""Seconds of a pulse without a ``period``."""
LONGEST_PULSE = 3600.0
GOODBYE = 1.0
"""Seconds to wait for outstanding messages when a controller stops."""

_encode = msgspec.json.Encoder().encode


class SwitchCommand(msgspec.Struct, rename={"power_flag": "power-flag"}):
    """A message on ``cmnd/…``."""

    power_flag: int
    """0: off, 1: on, 2: on for a period"""
    period: float | None = None
    """s for which a pulse lasts"""


class ControllerCounts(NamedTuple):
    """Counts of one controller since its start."""

    telemetry: int
    states: int
    commands: int
    """commands that were carried out"""
    refused: int
    """invalid commands"""


class SimulatedController:
    """A simulated controller.

    :param mac: address of the controller.
    :param interval: s between two answers of a sensor.
    :param zone: time zone of its clock, which is not part of timestamps.
    :param now: Unix seconds.
    """

    def __init__(
        self,
        reactor: Any,
        mac: int,
        broker: MqttPart,
        interval: float,
        zone: tzinfo,
        now: Callable[[], float],
        make_client: Callable[..., Any] = MqttClient,
    ) -> None:
        self.name = f"f2-{mac:012x}"
        self._mac = mac
        self._reactor = reactor
        self._zone = zone
        self._now = now
        self._telemetry = self._states = self._commands = self._refused = 0
        self._shown: dict[str, Mapping[str, Any]] = {}
        self._off: dict[str, Timer] = {}
        settings = replace(client_settings(ScannerConfiguration(mqtt=broker)), client_id=self.name, will=None)
        self.client = make_client(
            reactor,
            settings,
            on_online=self._online,
            on_offline=lambda reason: None,
            on_message=self._received,
        )
        self._tickers = (Ticker(reactor, interval, self._measure), Ticker(reactor, LOOK, self._look))

    def start(self) -> None:
        """Begin to connect and to measure."""
        self.client.subscribe([f"cmnd/{self.name}/#"])
        self.client.start()
        for ticker in self._tickers:
            ticker.start()

    def stop(self) -> Deferred[None]:
        """Disconnect; fires when the connection is closed."""
        for ticker in self._tickers:
            ticker.stop()
        for timer in self._off.values():
            timer.cancel()
        self._off.clear()
        stopped: Deferred[None] = self.client.stop(GOODBYE)
        return stopped

    @property
    def counts(self) -> ControllerCounts:
        return ControllerCounts(self._telemetry, self._states, self._commands, self._refused)

    # Publishing

    def _online(self) -> None:
        """Report every state again, as no message is retained."""
        self._shown.clear()
        for place in SWITCHES:
            self._show(place, {"status": int(place in self._off)})
        self._look()
        self._measure()

    def _measure(self) -> None:
        for number in range(1, SENSORS + 1):
            body = {"timestamp": self._time(), "data": soil_answer(self._mac, number, self._now())}
            if self._publish(f"tele/{self.name}/sensor-mode/J1/sensor-{number}", body):
                self._telemetry += 1

    def _look(self) -> None:
        at = self._now()
        doors = {f"door-sensor-{number}": int(_is_open(self._mac, number, at)) for number in (1, 2)}
        self._show(DOORS, doors)
        self._show(MOTION, {"status": int(_is_moving(self._mac, at))})

    def _show(self, place: str, state: Mapping[str, Any]) -> None:
        """Report a state if it differs from the last report."""
        if self._shown.get(place) == state:
            return
        if self._publish(f"stat/{self.name}/{place}", {"timestamp": self._time(), **state}):
            self._shown[place] = state
            self._states += 1

    def _publish(self, topic: str, body: Mapping[str, Any]) -> bool:
        """Publish a message; return whether the broker is connected."""
        if not self.client.online:
            return False
        self.client.publish([Publication(topic, _encode(body))]).addErrback(lambda failure: None)
        return True

    def _time(self) -> str:
        return datetime.fromtimestamp(self._now(), self._zone).strftime("%Y-%m-%d %H:%M:%S.%f")

    # Receiving

    def _received(self, message: Received) -> None:
        place = message.topic.removeprefix(f"cmnd/{self.name}/")
        if message.retained:
            return  # it may be old: a strike must not open because the controller connects
        try:
            if place not in SWITCHES:
                raise msgspec.ValidationError("nothing there takes commands")
            command = msgspec.json.decode(message.payload, type=SwitchCommand)
            if command.power_flag not in (0, 1, 2) or not 0 < (command.period or PULSE) <= LONGEST_PULSE:
                raise msgspec.ValidationError("out of range")
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._refused += 1
            return
        self._commands += 1
        self._switch(place, command)

    def _switch(self, place: str, command: SwitchCommand) -> None:
        timer = self._off.pop(place, None)
        if timer is not None:
            timer.cancel()
        # The state is reported even if it does not change, as the sender of the command waits for it.
        self._shown.pop(place, None)
        self._show(place, {"status": int(command.power_flag > 0)})
        if command.power_flag == 2:
            self._off[place] = self._reactor.callLater(command.period or PULSE, self._end_pulse, place)

    def _end_pulse(self, place: str) -> None:
        del self._off[place]
        self._show(place, {"status": 0})


def soil_answer(mac: int, number: int, at: float) -> str:
    """Return the answer of a soil probe as hexadecimal bytes: temperature in 0.1 °C, moisture in 0.1 %,
    conductivity in µS/cm.
    """
    seed = mac * 16 + number
    day = (at % DAY) / DAY
    celsius = (
        11 + 5 * own(seed, "soil") + 1.5 * sin(2 * pi * (day - 0.5)) + 0.3 * wave(seed, "soil", at, HOUR)
    )
    since = (at - INSTALLED + own(seed, "watered") * 3 * DAY) % (3 * DAY)
    percent = 22 + 20 * (1 - since / (3 * DAY)) + 0.5 * wave(seed, "moisture", at, HOUR)
    conductivity = 280 + 8 * percent + 20 * wave(seed, "salt", at, 5 * HOUR)
    registers = (round(celsius * 10) & 0xFFFF, round(percent * 10), round(conductivity))
    data = bytes([number, 3, 2 * len(registers)]) + b"".join(each.to_bytes(2, "big") for each in registers)
    return (data + modbus_checksum(data).to_bytes(2, "little")).hex(" ").upper()


def modbus_checksum(data: bytes) -> int:
    """Return the CRC of a Modbus RTU frame (Modbus over Serial Line V1.02, 6.2.2)."""
    checksum = 0xFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum >> 1) ^ 0xA001 if checksum & 1 else checksum >> 1
    return checksum


def _is_open(mac: int, number: int, at: float) -> bool:
    """Return whether a door is open, as it is for 20 s every few minutes."""
    seed = mac * 16 + number
    period = 120 + 240 * own(seed, "door")
    return (at + period * own(seed, "door phase")) % period < 20


def _is_moving(mac: int, at: float) -> bool:
    """Return whether there is motion, as there is for 15 s every few minutes."""
    period = 150 + 300 * own(mac, "motion")
    return (at + period * own(mac, "motion phase")) % period < 15
