"""The command ``bssci``: one module for each subcommand, loaded only when it is called."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from bssci import __version__
from bssci.center.devices.endpoints import EndpointsError
from bssci.certificates.reading import CertificateError
from bssci.settings.rows import SettingsError

COMMANDS = {
    "init": ("bssci.cli.init", "create certificates, .env, endpoints.json and the state directory"),
    "station-cert": ("bssci.cli.station_cert", "create certificate and key for another base station"),
    "device": ("bssci.cli.device", "certificates for devices at a broker: add, list, renew, revoke"),
    "devices": ("bssci.cli.devices", "devices of every kind: import those at controllers"),
    "broker-config": ("bssci.cli.broker_config", "write a configuration with which mosquitto starts"),
    "user": ("bssci.cli.user", "accounts of the web admin"),
    "token": ("bssci.cli.token", "tokens for programs that use the API"),
    "sinks": ("bssci.cli.extensions", "sinks: list what is installed with its settings, try those in use"),
    "sources": (
        "bssci.cli.extensions",
        "sources: list what is installed with its settings, try those in use",
    ),
    "decoders": (
        "bssci.cli.decoders",
        "decoders: list them, run their examples, try a payload, import a file",
    ),
    "replay": (
        "bssci.cli.replay",
        "deliver stored messages to a sink again, decoded by the present decoders",
    ),
    "check": ("bssci.cli.check", "check settings, files, ports and broker"),
    "backup": ("bssci.cli.backup", "back up the whole installation to a file"),
    "restore": ("bssci.cli.restore", "put the files of a backup in place, all or none"),
    "simulate": (
        "bssci.simulator.cli",
        "base stations and sensors against a service center; scanners and controllers at a broker",
    ),
    "scan": ("bssci.scanner.cli", "a Bluetooth scanner that publishes what it hears by MQTT"),
    "watch": ("bssci.stream.cli", "read a live stream, and write it to console, file, database or webhook"),
    "demo": (
        "bssci.cli.demo",
        "the service with three simulated base stations; with --gateways also scanners and a controller",
    ),
}
"""module, with ``add_arguments(parser)`` and ``run(arguments) -> int``, and help text of each subcommand"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bssci", description="A mioty service center.")
    parser.add_argument("--version", action="version", version=f"bssci {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module_name, explanation) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=explanation, description=explanation)
        if argv and name == argv[0]:
            module = _load(module_name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run, command=name)
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except SettingsError as error:
        for line in error.lines:
            print(f"error: {line}", file=sys.stderr)
        return 1
    except (CertificateError, EndpointsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror}", file=sys.stderr)
        return 1
    return status


def _load(name: str) -> ModuleType:
    """Import a module. To look for garbage meanwhile takes time, and finds nearly none."""
    looking = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if looking:
            gc.enable()
