"""Sensors to simulate: generated or read from an endpoints.json; one can also be written for them."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from random import Random

from bssci.simulator.instruments import instrument_for
from bssci.simulator.sensor import SimulatedSensor

FIRST_STATION = 0xCAFEBA5E00000001
FIRST_SENSOR = 0xCAFE5E0000000001


class ArgumentError(ValueError):
    """An argument is impossible; the message names the option and its value."""


def check_least(arguments: Namespace, option: str, least: int) -> None:
    """Check a number that may be absent.

    :param option: name of the option in ``arguments``.
    :raises ArgumentError: it is less than that.
    """
    value = getattr(arguments, option)
    if value is not None and value < least:
        raise ArgumentError(f"{_spelled(option)} {value}: must be at least {least}")


def check_above_zero(arguments: Namespace, option: str) -> None:
    """Check a number that may be absent.

    :raises ArgumentError: it is 0, negative or not a number.
    """
    value = getattr(arguments, option)
    if value is not None and not value > 0:
        raise ArgumentError(f"{_spelled(option)} {value}: must be above 0")


def _spelled(option: str) -> str:
    return "--" + option.replace("_", "-")


def eui_option(text: str, option: str) -> int:
    """Return as an integer an EUI that is written in either case, with or without ``-`` or ``:``.

    :raises ArgumentError: if the text is not an EUI, naming ``option``.
    """
    digits = text.replace("-", "").replace(":", "")
    try:
        if len(digits) == 16:
            return int(digits, 16)
    except ValueError:
        pass  # raised below, as for a wrong length
    raise ArgumentError(f"{option} {text}: must be 16 hexadecimal digits")


def generate_sensors(
    first_eui: int, amount: int, random: Random, packet_counter: int = 0
) -> list[SimulatedSensor]:
    """Return bidirectional sensors with consecutive EUIs; their keys are derived from the EUIs."""
    return [
        SimulatedSensor(
            first_eui + number, Random(random.random()), bidirectional=True, packet_counter=packet_counter
        )
        for number in range(amount)
    ]


def read_simulated(file: Path, random: Random, packet_counter: int = 0) -> list[SimulatedSensor]:
    """Return the sensors of an endpoints.json; only their EUIs are required.

    :raises ArgumentError: if the file cannot be read or has an entry that cannot be used.
    """
    option = f"--sensor-config {file}"
    try:
        entries = json.loads(file.read_bytes())
    except OSError as error:
        raise ArgumentError(f"{option}: {error.strerror}") from None
    except ValueError as error:
        raise ArgumentError(f"{option}: {error}") from None
    if not isinstance(entries, list) or not entries:
        raise ArgumentError(f"{option}: must be an array of sensors that is not empty")
    return [_sensor(entry, option, random, packet_counter) for entry in entries]


def write_sensors(file: Path, sensors: Sequence[SimulatedSensor]) -> None:
    """Write an endpoints.json that configures the sensors.

    :raises ArgumentError: if it cannot be written.
    """
    entries = [
        {
            "eui": f"{sensor.eui:016X}",
            "nwKey": sensor.network_key.hex().upper(),
            "shortAddr": f"{sensor.short_address:04X}",
            "bidi": sensor.bidirectional,
            "name": f"simulated {number}",
        }
        for number, sensor in enumerate(sensors, 1)
    ]
    try:
        file.write_text(json.dumps(entries, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise ArgumentError(f"--write-sensors {file}: {error.strerror}") from None


def _sensor(entry: object, option: str, random: Random, packet_counter: int) -> SimulatedSensor:
    if not isinstance(entry, dict) or "eui" not in entry:
        raise ArgumentError(f"{option}: an entry has no eui")
    eui = eui_option(str(entry["eui"]), f"{option}: eui")
    try:
        network_key = bytes.fromhex(entry.get("nwKey", ""))
        short_address = int(entry.get("shortAddr", "0"), 16)
    except (TypeError, ValueError):
        raise ArgumentError(f"{option}: nwKey or shortAddr of {eui:016X} is not hexadecimal") from None
    instrument = instrument_for(str(entry.get("typeEui") or ""), eui)
    return SimulatedSensor(
        eui,
        Random(random.random()),
        instrument=None if instrument is None else lambda: instrument(time.time()),
        network_key=network_key,
        short_address=short_address,
        bidirectional=bool(entry.get("bidi", False)),
        packet_counter=packet_counter,
    )
