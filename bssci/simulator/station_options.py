"""Options of ``bssci simulate`` for base stations and sensors, and the plan that they describe."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from bssci.model.counts import many
from bssci.simulator.certs import Bundle
from bssci.simulator.configuration import (
    FIRST_SENSOR,
    FIRST_STATION,
    ArgumentError,
    check_above_zero,
    check_least,
    eui_option,
    generate_sensors,
    read_simulated,
)
from bssci.simulator.counters import restore_counters
from bssci.simulator.downlinks import MODES
from bssci.simulator.quirks import QUIRKS, VENDORS, Quirks, Vendor
from bssci.simulator.requests import Behaviour
from bssci.simulator.sensor import SimulatedSensor
from bssci.simulator.simulation import AWAY, EVERY, SimulationPlan, StationPlan, hear

SENDS_FOR = 90.0
"""Seconds after which the sensor of ``--falls-silent`` stops sending."""
DEFAULT_BUNDLE = Path("certs/stations/base-station")


def add_station_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = "quirks: " + "; ".join(f"{name}: {quirk.description}" for name, quirk in QUIRKS.items())
    _add_where(parser)
    _add_files(parser)
    _add_stations(parser)
    _add_sensors(parser)
    _add_traffic(parser)


def _add_where(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where")
    group.add_argument("--host", default="127.0.0.1", help="the service center (%(default)s)")
    group.add_argument("--port", type=int, default=16018, help="its port (%(default)s)")
    group.add_argument("--server-name", help="check that the service center's certificate is for this name")
    group.add_argument(
        "--connect-timeout", type=float, default=10.0, metavar="S", help="give up after (%(default)s s)"
    )


def _add_files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("certificates")
    group.add_argument(
        "--bundle",
        type=Path,
        default=DEFAULT_BUNDLE,
        metavar="DIR",
        help="ca_cert.pem, station_cert.pem and station_key.pem for all stations (%(default)s)",
    )
    group.add_argument(
        "--bundles", type=Path, metavar="DIR", help="folder with a folder per station, named by its EUI"
    )
    for name, what in (("ca", "CA"), ("cert", "certificate"), ("key", "private key")):
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"{what}, instead of the bundle's")


def _add_stations(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("base stations")
    group.add_argument(
        "--stations", type=int, metavar="N", help="number (1; 0 with --scanners or --controllers)"
    )
    group.add_argument(
        "--first-station",
        default=f"{FIRST_STATION:016X}",
        metavar="EUI",
        help="EUI of the first one (%(default)s)",
    )
    group.add_argument(
        "--vendor",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help=f"imitate a base station of {', '.join(VENDORS)}; several take turns",
    )
    group.add_argument("--quirk", nargs="+", action="extend", default=[], metavar="NAME", help="see below")
    group.add_argument(
        "--downlinks", choices=MODES, default="accept", help="what becomes of downlinks (%(default)s)"
    )
    group.add_argument(
        "--status",
        choices=("normal", "sparse", "none"),
        default="normal",
        help="how status requests are answered (%(default)s)",
    )
    group.add_argument(
        "--comes-and-goes",
        metavar="EUI",
        help=f"a station that is offline for {AWAY:.0f} s of every {EVERY:.0f} s",
    )


def _add_sensors(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sensors")
    group.add_argument("--sensors", type=int, metavar="M", help="number (10, or all of --sensor-config)")
    group.add_argument(
        "--sensor-config", type=Path, metavar="FILE", help="simulate the sensors of this endpoints.json"
    )
    group.add_argument(
        "--first-eui",
        default=f"{FIRST_SENSOR:016X}",
        metavar="EUI",
        help="EUI of the first generated sensor (%(default)s)",
    )
    group.add_argument(
        "--write-sensors", type=Path, metavar="FILE", help="write an endpoints.json with all of them"
    )
    group.add_argument(
        "--first-counter", type=int, metavar="CNT", help="first packet counter (the Unix time)"
    )
    group.add_argument(
        "--counters",
        type=Path,
        metavar="FILE",
        help="continue with the packet counters in this file, and save them there",
    )
    group.add_argument(
        "--falls-silent", metavar="EUI", help=f"a sensor that sends for {SENDS_FOR:.0f} s and then stops"
    )
    group.add_argument(
        "--attach",
        choices=("configured", "over-the-air"),
        default="configured",
        help="by configuration only, or each sensor by itself before it sends (%(default)s)",
    )


def _add_traffic(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("traffic")
    group.add_argument(
        "--mode",
        choices=("open", "closed"),
        default="open",
        help="open: a fixed rate; closed: a fixed number of uplinks without an answer (%(default)s)",
    )
    group.add_argument(
        "--rate", type=float, default=1.0, metavar="R", help="uplinks/s in total (%(default)s)"
    )
    group.add_argument(
        "--in-flight",
        type=int,
        default=16,
        metavar="K",
        help="unanswered uplinks with --mode closed (%(default)s)",
    )
    group.add_argument(
        "--copies", type=int, default=1, metavar="C", help="stations that hear each uplink (%(default)s)"
    )
    end = group.add_mutually_exclusive_group()
    end.add_argument("--duration", type=float, metavar="S", help="stop after this many seconds")
    end.add_argument("--count", type=int, metavar="N", help="stop after this many uplinks")
    group.add_argument("--seed", type=int, help="the same seed gives the same sensors and signals")


def station_plan_from(arguments: argparse.Namespace) -> SimulationPlan:
    """Return the plan that the options describe.

    :raises ArgumentError: they contradict each other or are out of range.
    """
    if arguments.stations is None:
        arguments.stations = 1
    _check_numbers(arguments)
    stations = _stations(arguments)
    random = Random(arguments.seed)
    sensors = _heard_sensors(arguments, len(stations), random)
    return SimulationPlan(
        host=arguments.host,
        port=arguments.port,
        server_name=arguments.server_name,
        stations=stations,
        sensors=sensors,
        behaviour=Behaviour(
            downlinks=arguments.downlinks, status="none" if arguments.status == "none" else "normal"
        ),
        rate=arguments.rate if arguments.mode == "open" else None,
        in_flight=arguments.in_flight,
        duration=arguments.duration,
        count=arguments.count,
        connect_timeout=arguments.connect_timeout,
        over_the_air=arguments.attach == "over-the-air",
        random=random,
        counters=arguments.counters,
        comes_and_goes=None
        if arguments.comes_and_goes is None
        else eui_option(arguments.comes_and_goes, "--comes-and-goes"),
    )


def _check_numbers(arguments: argparse.Namespace) -> None:
    for option in ("stations", "sensors", "copies", "in_flight", "count", "port"):
        check_least(arguments, option, 1)
    for option in ("rate", "duration", "connect_timeout"):
        check_above_zero(arguments, option)
    if arguments.port > 0xFFFF:
        raise ArgumentError(f"--port {arguments.port}: must be at most 65535")


def _heard_sensors(arguments: argparse.Namespace, stations: int, random: Random) -> list[SimulatedSensor]:
    """Return the sensors, each heard by some of the stations and with the counter that it goes on from."""
    if arguments.copies > stations:
        raise ArgumentError(
            f"--copies {arguments.copies}: there are only {many(stations, 'station')} to hear an uplink"
        )
    sensors = _sensors(arguments, random)
    hear(sensors, stations, arguments.copies, random)
    if arguments.counters is not None:
        restore_counters(arguments.counters, sensors)
    _silence(sensors, arguments)
    for sensor in sensors:
        # Packet counters must rise from run to run.
        sensor.attach_after(int(time.time()))
    return sensors


def _silence(sensors: Sequence[SimulatedSensor], arguments: argparse.Namespace) -> None:
    """Make a sensor fall silent later, if the options say so."""
    if arguments.falls_silent is None:
        return
    eui, began = eui_option(arguments.falls_silent, "--falls-silent"), time.monotonic()
    for sensor in sensors:
        if sensor.eui == eui:
            sensor.fall_silent_when(lambda: time.monotonic() - began > SENDS_FOR)


def _stations(arguments: argparse.Namespace) -> list[StationPlan]:
    unknown = [name for name in arguments.vendor if name not in VENDORS]
    if unknown:
        raise ArgumentError(f"--vendor {unknown[0]}: must be one of {', '.join(VENDORS)}")
    vendors: list[Vendor | None] = [VENDORS[name] for name in arguments.vendor] or [None]
    asked = set(arguments.quirk) | ({"sparse-status"} if arguments.status == "sparse" else set())
    plans = []
    for number, (eui, bundle) in enumerate(_identities(arguments)):
        vendor = vendors[number % len(vendors)]
        try:
            quirks = Quirks(asked | set(vendor.quirks if vendor is not None else ()))
        except ValueError as error:
            raise ArgumentError(f"--quirk: {error}") from None
        plans.append(StationPlan(eui, bundle, quirks, vendor))
    return plans


def _identities(arguments: argparse.Namespace) -> list[tuple[int, Bundle]]:
    """Return the EUI and the bundle of each station."""
    if arguments.bundles is None:
        shared = Bundle.in_directory(arguments.bundle)
        bundle = Bundle(
            arguments.ca or shared.ca, arguments.cert or shared.certificate, arguments.key or shared.key
        )
        first = eui_option(arguments.first_station, "--first-station")
        return [(first + number, bundle) for number in range(arguments.stations)]
    if not arguments.bundles.is_dir():
        raise ArgumentError(f"--bundles {arguments.bundles}: is not a directory")
    folders = sorted(folder for folder in arguments.bundles.iterdir() if _names_an_eui(folder))
    if len(folders) < arguments.stations:
        raise ArgumentError(
            f"--stations {arguments.stations}: {arguments.bundles} has {len(folders)} folders named by EUI"
        )
    return [(int(folder.name, 16), Bundle.in_directory(folder)) for folder in folders[: arguments.stations]]


def _names_an_eui(folder: Path) -> bool:
    return len(folder.name) == 16 and all(digit in "0123456789abcdefABCDEF" for digit in folder.name)


def _sensors(arguments: argparse.Namespace, random: Random) -> list[SimulatedSensor]:
    counter = int(time.time()) if arguments.first_counter is None else arguments.first_counter
    if not 0 <= counter <= 0xFFFFFFFF:
        raise ArgumentError(f"--first-counter {counter}: must be 0..4294967295")

    if arguments.sensor_config is not None:
        return read_simulated(arguments.sensor_config, random, counter)[: arguments.sensors]
    first = eui_option(arguments.first_eui, "--first-eui")
    return generate_sensors(first, arguments.sensors or 10, random, counter)
