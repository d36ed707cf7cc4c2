"""The command ``bssci``: one module for each subcommand, loaded only when it is called."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType

from bssci import __version__

READER_IS_GONE = 141
"""exit status of what a shell runs in a pipe that nobody reads any more: 128 + SIGPIPE"""
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
    """Run one subcommand; return its exit status.

    A character that the terminal's encoding lacks is written as its number.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt:
        _leave_the_line()
        raise
    except BrokenPipeError:
        _close_output()
        return READER_IS_GONE
    except OSError as error:
        if not error.filename:
            _close_output()
        place = f"{error.filename}: " if error.filename else ""
        print(f"error: {place}{error.strerror or str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    except Exception as error:
        lines = _lines_of(error)
        if not lines:
            raise
        for line in lines:
            print(f"error: {line}", file=sys.stderr)
        return 1


def _run(argv: Sequence[str]) -> int:
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
    status: int = arguments.run(arguments)
    return status


def _lines_of(error: Exception) -> tuple[str, ...]:
    """Return what to print about an error that any subcommand may raise; nothing if it is a bug."""
    # Imported here because they take a while, in which Ctrl-C would show a traceback.
    from bssci.center.devices.endpoints import EndpointsError
    from bssci.certificates.provisioned import ProvisioningError
    from bssci.certificates.reading import CertificateError
    from bssci.journal import JournalError
    from bssci.settings.rows import SettingsError
    from bssci.web.access.accounts import AccountError

    if isinstance(error, SettingsError):
        return error.lines
    if isinstance(error, AccountError):
        return (error.line,)
    known = CertificateError | EndpointsError | JournalError | ProvisioningError
    return (str(error),) if isinstance(error, known) else ()


def _leave_the_line() -> None:
    """Let Ctrl-C end the process by its signal, as shells expect, without a traceback."""
    print(file=sys.stderr)
    sys.excepthook = lambda *_: None


def _close_output() -> None:
    """Let Python not try again, and complain, when it exits: nobody reads the output, or no disk has room."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _load(name: str) -> ModuleType:
    """Import a module. To look for garbage meanwhile takes time, and finds nearly none."""
    looking = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        if looking:
            gc.enable()
