"""The sub-command ``bssci scan``: it reads the configuration and runs a scanner until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bssci.model.iso_times import iso_milliseconds
from bssci.scanner.configuration import (
    ConfigurationError,
    ScannerConfiguration,
    password_of,
    read_configuration,
)

PLACES = (Path("scanner.yaml"), Path("/etc/bssci/scanner.yaml"))
"""default files, in the order in which they are looked for"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    names = " or ".join(map(str, PLACES))
    parser.add_argument("--config", type=Path, help=f"configuration file (default: {names}, if it exists)")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what is heard and send nothing; no broker is needed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM; return the exit status: 0, or 1 if the configuration is wrong."""
    file = arguments.config or next((each for each in PLACES if each.exists()), None)
    try:
        configuration = read_configuration(file)
        _check_library()
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    from twisted.internet import asyncioreactor

    # bleak needs asyncio, and the MQTT client needs Twisted: one event loop serves both.
    asyncioreactor.install(loop)
    from twisted.internet import reactor

    _log(configuration, to_stderr=arguments.dry_run)
    if arguments.dry_run:
        _print_only(reactor, configuration)
    else:
        _scan(reactor, configuration, file)
    reactor.run()
    return 0


def _check_library() -> None:
    try:
        import bleak  # noqa: F401
    except ImportError:
        raise ConfigurationError("bssci scan needs bleak: `pip install bssci[scanner]`") from None


def _log(configuration: ScannerConfiguration, to_stderr: bool) -> None:
    from twisted.logger import globalLogBeginner, textFileLogObserver

    from bssci.system.logs import observer

    said = configuration.logging
    level = "warn" if said.level == "warning" else said.level
    file = Path(said.file) if said.file else None
    chosen = textFileLogObserver(sys.stderr) if to_stderr else observer(level, said.format, file, "UTC")
    globalLogBeginner.beginLoggingTo([chosen], redirectStandardIO=False, discardBuffer=True)


def _scan(reactor: Any, configuration: ScannerConfiguration, file: Path | None) -> None:
    from bssci.mqtt.client import MqttClient
    from bssci.scanner.agent import Agent, ended
    from bssci.scanner.bluez import scans_of
    from bssci.system.watching import FileWatch

    def make_client(**callbacks: Any) -> MqttClient:
        return MqttClient(reactor, client_settings(configuration), **callbacks)

    scans = scans_of(configuration.scanner.bluetooth_adapter)
    agent = Agent(reactor, configuration, lambda: read_configuration(file), scans, make_client, time.time)
    agent.start()
    if file is not None:
        FileWatch(reactor, lambda: [file], agent.reload).start()
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(agent.reload))
    reactor.addSystemEventTrigger("before", "shutdown", lambda: ended(agent))


def _print_only(reactor: Any, configuration: ScannerConfiguration) -> None:
    from bssci.scanner.advertisement import HeardAdvertisement, message_of
    from bssci.scanner.bluez import scans_of
    from bssci.scanner.choosing import Choice
    from bssci.scanner.radio import Radio

    choice = Choice(
        configuration.blocklist.devices if configuration.blocklist.enabled else (),
        configuration.allowlist.devices if configuration.allowlist.enabled else (),
    )

    def heard(advertisement: HeardAdvertisement) -> None:
        if choice.passes(advertisement):
            sys.stdout.write(message_of(advertisement, configuration.id, time.time()).decode() + "\n")
            sys.stdout.flush()

    scans = scans_of(configuration.scanner.bluetooth_adapter)
    radio = Radio(reactor, scans, heard, configuration.scanner.mode)
    radio.start()
    reactor.addSystemEventTrigger("before", "shutdown", radio.stop)


def client_settings(configuration: ScannerConfiguration) -> Any:
    """Return the settings with which the scanner connects; its last will publishes that it is offline."""
    import msgspec

    from bssci.mqtt.values import MqttSettings
    from bssci.scanner.advertisement import VERSION
    from bssci.scanner.agent import Topics

    said, name = configuration.mqtt, configuration.id
    now = iso_milliseconds(time.time())
    will = {"version": VERSION, "timestamp": now, "scanner_id": name, "status": "offline"}
    return MqttSettings(
        host=said.broker,
        port=said.port,
        username=said.username,
        password=password_of(said),
        qos=said.qos,
        tls=said.tls,
        ca_file=said.ca_file,
        cert_file=said.cert_file,
        key_file=said.key_file,
        transport=said.transport,
        path=said.path,
        client_id=f"{said.client_id_prefix}-{name}",
        will=(Topics(said.topic_prefix, name).status, msgspec.json.encode(will)),
        persistent=False,
    )
