"""The sub-command ``bssci simulate``: what its options say, and what it prints."""

from __future__ import annotations

import argparse
import json
import sys

from bssci.simulator.certs import BundleError
from bssci.simulator.configuration import ArgumentError, write_sensors
from bssci.simulator.gateway_options import add_gateway_arguments, gateway_plan_from
from bssci.simulator.gateways import GatewaySimulation
from bssci.simulator.running import run_together
from bssci.simulator.simulation import Simulation
from bssci.simulator.station_options import add_station_arguments, station_plan_from


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``bssci simulate``."""
    add_station_arguments(parser)
    add_gateway_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print the summary only")
    output.add_argument("--json", action="store_true", help="print the summary only, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Simulate until the requested end, or until SIGINT; return the exit status.

    :return: 0 if everything that was sent was acknowledged; 1 if not, or if an option is wrong; 2 if a
    connection failed.
    """
    from twisted.internet import reactor  # only a run needs it

    quiet = arguments.quiet or arguments.json
    say = _say_nothing if quiet else _say
    runs: list[Simulation | GatewaySimulation] = []
    try:
        gateways = gateway_plan_from(arguments)
        if gateways is None or arguments.stations:
            plan = station_plan_from(arguments)
            if arguments.write_sensors is not None:
                write_sensors(arguments.write_sensors, plan.sensors)
            runs.append(Simulation(plan, reactor, say))
        if gateways is not None:
            runs.append(GatewaySimulation(gateways, reactor, say))
    except (ArgumentError, BundleError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    run_together(reactor, runs)
    failed = [each for each in runs if each.error is not None]
    for each in failed:
        print(f"error: {each.error}", file=sys.stderr)
    if arguments.json and not failed:
        print(json.dumps({name: value for each in reversed(runs) for name, value in each.summary.items()}))
    elif not failed:
        for each in runs:
            print(each.description)
    return max(each.exit_status for each in runs)


def _say(line: str) -> None:
    print(line, flush=True)


def _say_nothing(_line: str) -> None:
    """Print nothing, in a quiet run."""
