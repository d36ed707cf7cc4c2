"""Options of ``bssci simulate`` for scanners and controllers, and the plan that they describe."""

from __future__ import annotations

import argparse
import os
from random import Random
from zoneinfo import ZoneInfo

from bssci.scanner.configuration import ConfigurationError, MqttPart, password_of
from bssci.simulator.configuration import ArgumentError, check_above_zero, check_least
from bssci.simulator.gateways import GatewayPlan

PASSWORD = "SOURCE_MQTT_PASSWORD"
"""environment variable with the password for the broker, named as the setting of the service"""


def add_gateway_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    gateways = parser.add_argument_group("scanners and controllers, by MQTT")
    gateways.add_argument("--scanners", type=int, default=0, metavar="N", help="Bluetooth scanners")
    gateways.add_argument("--controllers", type=int, default=0, metavar="N", help="controllers")
    gateways.add_argument(
        "--bluetooth-devices",
        type=int,
        default=14,
        metavar="M",
        help="devices around the scanners (%(default)s)",
    )
    gateways.add_argument(
        "--advertised-every",
        type=float,
        default=10.0,
        metavar="S",
        help="interval between advertisements of a device (%(default)s s)",
    )
    gateways.add_argument(
        "--measured-every",
        type=float,
        default=30.0,
        metavar="S",
        help="interval between measurements of a sensor (%(default)s s)",
    )
    gateways.add_argument(
        "--timezone", default="UTC", metavar="ZONE", help="time zone of the controllers' clocks (%(default)s)"
    )
    gateways.add_argument(
        "--scanner-prefix",
        default="simulated",
        metavar="TEXT",
        help="beginning of scanners' ids (%(default)s)",
    )
    gateways.add_argument(
        "--topic-prefix",
        default="bt-mqtt",
        metavar="TEXT",
        help="beginning of scanners' topics (%(default)s)",
    )
    _add_broker(parser)


def _add_broker(parser: argparse.ArgumentParser) -> None:
    broker = parser.add_argument_group("their MQTT broker")
    broker.add_argument("--mqtt-broker", default="127.0.0.1", metavar="HOST", help="(%(default)s)")
    broker.add_argument("--mqtt-port", type=int, default=1883, metavar="PORT", help="(%(default)s)")
    broker.add_argument("--mqtt-username", default="", metavar="NAME")
    broker.add_argument(
        "--mqtt-password-file", default="", metavar="FILE", help=f"or {PASSWORD} in the environment"
    )
    broker.add_argument("--mqtt-tls", action="store_true", help="connect with TLS")
    for name, what in (
        ("ca", "authorities of the broker"),
        ("cert", "certificate of the clients"),
        ("key", "key of that certificate"),
    ):
        broker.add_argument(f"--mqtt-{name}-file", default="", metavar="FILE", help=what)
    broker.add_argument("--mqtt-transport", choices=("tcp", "websockets"), default="tcp")
    broker.add_argument("--mqtt-path", default="/mqtt", help="path, with websockets (%(default)s)")


def gateway_plan_from(arguments: argparse.Namespace) -> GatewayPlan | None:
    """Return the plan that the options describe; None if there are neither scanners nor controllers.

    :raises ArgumentError: if they contradict each other or are out of range.
    """
    for option, least in (("scanners", 0), ("controllers", 0), ("bluetooth_devices", 1), ("mqtt_port", 1)):
        check_least(arguments, option, least)
    for option in ("advertised_every", "measured_every"):
        check_above_zero(arguments, option)
    if not arguments.scanners and not arguments.controllers:
        return None
    try:
        zone = ZoneInfo(arguments.timezone)
    except (KeyError, OSError, ValueError):
        raise ArgumentError(f"--timezone {arguments.timezone}: there is no such zone") from None
    return GatewayPlan(
        broker=_broker(arguments),
        scanners=arguments.scanners,
        controllers=arguments.controllers,
        devices=arguments.bluetooth_devices,
        advertised_every=arguments.advertised_every,
        measured_every=arguments.measured_every,
        zone=zone,
        scanner_prefix=arguments.scanner_prefix,
        duration=arguments.duration,
        connect_timeout=arguments.connect_timeout,
        random=Random(arguments.seed),
    )


def _broker(arguments: argparse.Namespace) -> MqttPart:
    if bool(arguments.mqtt_cert_file) != bool(arguments.mqtt_key_file):
        raise ArgumentError("--mqtt-cert-file and --mqtt-key-file: give both or neither")
    broker = MqttPart(
        broker=arguments.mqtt_broker,
        port=arguments.mqtt_port,
        topic_prefix=arguments.topic_prefix,
        client_id_prefix="bssci-simulate",
        username=arguments.mqtt_username,
        password=os.environ.get(PASSWORD, "") if arguments.mqtt_username else "",
        password_file=arguments.mqtt_password_file,
        tls=arguments.mqtt_tls,
        ca_file=arguments.mqtt_ca_file,
        cert_file=arguments.mqtt_cert_file,
        key_file=arguments.mqtt_key_file,
        transport=arguments.mqtt_transport,
        path=arguments.mqtt_path,
    )
    try:
        password_of(broker, "--mqtt-password-file")
    except ConfigurationError as error:
        raise ArgumentError(str(error)) from None
    return broker
