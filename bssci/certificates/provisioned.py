"""A provisioned device: its name, its entry in the registry, and the broker that it connects to."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bssci.certificates.steps import host_of

CONTROLLER = "f2-"
BROKER_PORT = 8883
_MAC = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_OF_FILES = (".json", ".pem", ".damaged")
"""ends of the names of files beside the folders of devices"""
_SERIAL = re.compile(r"[\x21-\x7e]{1,64}")


class ProvisioningError(Exception):
    """A device cannot be provisioned as requested: one line that says what is allowed.

    :ivar field: the value of the request that is not allowed; None if it is something else.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class RegisteredError(ProvisioningError):
    """The device is registered already."""


class NotRegisteredError(ProvisioningError):
    """There is no such device."""


class Broker(msgspec.Struct, frozen=True):
    """The broker that devices connect to."""

    host: str
    port: int = BROKER_PORT


def broker_of(device_broker: str, cert_file: Path) -> Broker:
    """Return the address at which devices reach the broker.

    :param device_broker: DEVICE_BROKER; if it is empty, the host is taken from the service center's
        certificate.
    :raises ProvisioningError: neither names a host.
    """
    host, _, port = device_broker.rpartition(":")
    if not device_broker:
        host, port = host_of(cert_file), str(BROKER_PORT)
    if not host:
        raise ProvisioningError("DEVICE_BROKER is empty: set it to host:port where devices reach the broker")
    return Broker(host, int(port))


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the registry. Times are in ISO 8601, UTC."""

    mac_address: str
    """12 hexadecimal digits, lower case; empty for a device with another name"""
    serial_number: str = ""
    registered_at: str
    certificate_expires: str
    certificate_serial: str
    """serial number of the certificate, hexadecimal"""
    status: str = "active"
    """active or revoked"""

    def __post_init__(self) -> None:
        """Refuse an entry whose expiry is no time; ``ValueError``."""
        self.ends_at  # noqa: B018

    @property
    def ends_at(self) -> float:
        """Time at which the certificate expires, in Unix seconds."""
        return datetime.fromisoformat(self.certificate_expires).timestamp()


def checked_name(text: str, serial_number: str) -> str:
    """Return the name of a device to add.

    :raises ProvisioningError: the name or the serial number is not allowed.
    """
    name = device_name(text)
    if name.lower().endswith(_OF_FILES):
        raise ProvisioningError(
            f"{name!r} ends as the names of files do; a name may not end in {', '.join(_OF_FILES)}", "id"
        )
    if serial_number and not _SERIAL.fullmatch(serial_number):
        raise ProvisioningError(
            "the serial number: up to 64 printable ASCII characters are allowed", "serial_number"
        )
    return name


def device_name(text: str) -> str:
    """Return a device's name, which is its user name at the broker and a level of its topics.

    A MAC address in any spelling, with or without ``f2-``, stands for a controller: ``f2-001122aabbcc``.

    :raises ProvisioningError: it cannot be a name.
    """
    text = text.strip()
    digits = text.lower().removeprefix(CONTROLLER).replace(":", "").replace("-", "")
    if _MAC.fullmatch(digits):
        return CONTROLLER + digits
    if not _NAME.fullmatch(text):
        raise ProvisioningError(
            f"{text[:80]!r} is not a name of a device; use a MAC address, or up to 63 letters,"
            " digits, dots, dashes and underscores",
            "id",
        )
    return text


def client_configuration(name: str, broker: Broker) -> dict[str, Any]:
    """Return the settings with which a device connects, without its key."""
    if name.startswith(CONTROLLER):
        topics = {"commands": f"cmnd/{name}/#", "states": f"stat/{name}", "telemetry": f"tele/{name}"}
    else:
        topics = {
            "commands": f"bt-mqtt/command/{name}",
            "raw": f"bt-mqtt/raw/{name}",
            "status": f"bt-mqtt/scanner/{name}/status",
        }
    return {
        "mqtt": {
            "host": broker.host,
            "port": broker.port,
            "client_id": name,
            "username": name,
            "tls": {"ca_cert": "ca_cert.pem", "cert": "device_cert.pem", "key": "device_key.pem"},
        },
        "topics": topics,
    }
