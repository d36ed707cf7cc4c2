"""The command ``bssci``: one module a sub-command, loaded only when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from bssci import __version__
from bssci.center.devices.endpoints import EndpointsError
from bssci.certificates.reading import CertificateError
from bssci.settings.rows import SettingsError

COMMANDS = {
    "init": ("bssci.cli.init", "make certificates, .env, endpoints.json and the state directory"),
    "station-cert": ("bssci.cli.station_cert", "make certificate and key for one more base station"),
    "device": ("bssci.cli.device", "certificates for devices at a broker: add, list, renew, revoke"),
    "devices": ("bssci.cli.devices", "devices of every kind: import what sits at controllers"),
    "broker-config": ("bssci.cli.broker_config", "write a configuration with which mosquitto starts"),
    "user": ("bssci.cli.user", "accounts of the web admin"),
    "token": ("bssci.cli.token", "tokens for programs that use the API"),
    "sinks": ("bssci.cli.extensions", "sinks: list what is installed with its settings, try those in use"),
    "sources": ("bssci.cli.extensions", "sources: the same of other ways in"),
    "decoders": (
        "bssci.cli.decoders",
        "decoders: list them, run their examples, try a payload, import a file",
    ),
    "replay": ("bssci.cli.replay", "deliver kept messages to a sink again, decoded by the present decoders"),
    "check": ("bssci.cli.check", "look for what is wrong with settings, files, ports and broker"),
    "backup": ("bssci.cli.backup", "write everything that must outlive the machine to a file"),
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
"""module of each sub-command, with its ``add_arguments(parser)`` and ``run(arguments) -> int``"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command; its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="bssci", description="A mioty service center.")
    parser.add_argument("--version", action="version", version=f"bssci {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module_name, explanation) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=explanation, description=explanation)
        if argv and name == argv[0]:
            module = import_module(module_name)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run, command=name)
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (SettingsError, CertificateError, EndpointsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror}", file=sys.stderr)
        return 1
    return status
