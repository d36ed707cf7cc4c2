"""``bssci device``: provisioning of devices with certificates for a broker."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from bssci.certificates.provisioned import Broker, ProvisioningError, broker_of, checked_name
from bssci.certificates.provisioning import Provisioning
from bssci.certificates.qr_code import QrCodeError, in_terminal
from bssci.cli.chosen import load_installation
from bssci.system.shell import shell_user
from bssci.system.utc import DAY

RESTART = "Restart the broker: mosquitto reads the list of revoked certificates when it starts."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="key, certificate and configuration for a device")
    add.add_argument("id", metavar="ID", help="MAC address of a controller, or the name of a scanner")
    add.add_argument("--serial-number", default="", help="for the registry")
    add.add_argument(
        "--force", action="store_true", help="even if it is registered: its certificate is revoked"
    )
    renew = actions.add_parser("renew", help="a new key and certificate; the old certificate is revoked")
    renew.add_argument("id", metavar="ID")
    revoke = actions.add_parser("revoke", help="revoke its certificate, so that the broker refuses it")
    revoke.add_argument("id", metavar="ID")
    code = actions.add_parser("qr", help="show its configuration, without the key, as a QR code")
    code.add_argument("id", metavar="ID")
    actions.add_parser("list", help="registered devices, and when their certificates expire")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one action."""
    chosen = load_installation()
    provisioning = Provisioning(chosen.device_ca_file, chosen.ca_file, who=shell_user())
    now = datetime.now(UTC)
    try:
        if arguments.action == "list":
            _list(provisioning, now, chosen.alarm_certificate_days)
        elif arguments.action == "qr":
            print(in_terminal(provisioning.configuration_of(arguments.id)), end="")
        elif arguments.action == "revoke":
            name = provisioning.revoke(arguments.id, now)
            print(f"{name} is revoked. {RESTART}")
        else:
            broker = broker_of(chosen.device_broker, chosen.cert_file)
            change = _add if arguments.action == "add" else _renew
            _tell(provisioning.directory_of(change(provisioning, arguments, broker, now)))
            if arguments.action == "renew" or arguments.force:
                print(f"An earlier certificate is revoked. {RESTART}")
    except (ProvisioningError, QrCodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _add(provisioning: Provisioning, arguments: argparse.Namespace, broker: Broker, now: datetime) -> str:
    checked_name(arguments.id, arguments.serial_number)  # before an authority is made for it
    for made in provisioning.prepare(now):
        if made.created:
            print(f"created {made.path}")
    return provisioning.add(
        arguments.id, broker, now, serial_number=arguments.serial_number, force=arguments.force
    )


def _renew(provisioning: Provisioning, arguments: argparse.Namespace, broker: Broker, now: datetime) -> str:
    return provisioning.renew(arguments.id, broker, now)


def _tell(directory: Path) -> None:
    for file in sorted(directory.iterdir()):
        print(f"written {file}")
    print("Load these into the device. The key is a secret: transfer it only over a secure channel.")


def _list(provisioning: Provisioning, now: datetime, days: float) -> None:
    for name, device in provisioning.devices().items():
        is_ending = device.status == "active" and device.ends_at - now.timestamp() < days * DAY
        state = "renew it" if is_ending else device.status
        print(f"{name:32} {device.serial_number:20} {device.certificate_expires}  {state}")
