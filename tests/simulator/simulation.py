"""Simulations as the command line makes them."""

from __future__ import annotations

import argparse

from twisted.internet import reactor

from bssci.simulator import cli
from bssci.simulator.simulation import Simulation
from bssci.simulator.station_options import station_plan_from
from tests.support.tls import TLSFiles


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(options)


def simulation(port: int, tls_files: TLSFiles, *options: str) -> Simulation:
    plan = station_plan_from(
        parse("--port", str(port), "--bundle", str(tls_files.station_bundle()), *options)
    )
    return Simulation(plan, reactor, lambda line: None)
