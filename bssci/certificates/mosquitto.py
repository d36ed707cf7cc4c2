"""A configuration with which the broker mosquitto starts: who may connect, publish and subscribe.

::

    8883  devices, by their certificates: each under its own name only
    1883  this machine alone, by password: the service
    9001  WebSocket with TLS, by password: applications
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SERVICE_USER = "bssci"


# A substitute must stand alone between slashes; so must a plus.
DEVICE_RULES = """\
# A device under its own name, and nothing else.
pattern read cmnd/%u/#
pattern write stat/%u/#
pattern write tele/%u/#
pattern read bt-mqtt/command/%u
pattern write bt-mqtt/raw/%u
pattern write bt-mqtt/scanner/%u/status
"""


class BrokerFiles(NamedTuple):
    """Paths on the broker's machine."""

    directory: Path
    """the configuration's; passwords are there"""
    ca_file: Path
    """authority of devices"""
    crl_file: Path
    cert_file: Path
    """certificate of the broker"""
    key_file: Path


class Ports(NamedTuple):
    """Ports that the broker listens on."""

    devices: int = 8883
    inside: int = 1883
    websocket: int = 9001


USUAL = Ports()


def configuration(files: BrokerFiles, user: str, ports: Ports = USUAL) -> dict[str, bytes]:
    """Return the files of the configuration by their names.

    A change of the revocation list is honoured when mosquitto is started anew: it reads it once.

    :param user: whom mosquitto becomes if root starts it; the files are this user's.
    """
    texts = {
        "mosquitto.conf": f"""\
# Written by `bssci broker-config`: change its options, and write it anew.
user {user}
per_listener_settings true
persistence true
persistence_location {files.directory / "data"}/
max_queued_messages 100000
persistent_client_expiration 7d
max_packet_size 1048576

# Devices: the name in the certificate is the user, and who was revoked is refused.
listener {ports.devices}
cafile {files.ca_file}
certfile {files.cert_file}
keyfile {files.key_file}
crlfile {files.crl_file}
require_certificate true
use_identity_as_username true
tls_version tlsv1.2
allow_anonymous false
acl_file {files.directory / "devices.acl"}

# The service, on this machine.
listener {ports.inside} 127.0.0.1
allow_anonymous false
password_file {files.directory / "passwords"}
acl_file {files.directory / "inside.acl"}

# Applications: WebSocket with TLS.
listener {ports.websocket}
protocol websockets
certfile {files.cert_file}
keyfile {files.key_file}
tls_version tlsv1.2
allow_anonymous false
password_file {files.directory / "passwords"}
acl_file {files.directory / "inside.acl"}
""",
        "devices.acl": DEVICE_RULES,
        "inside.acl": f"""\
# The service: everything. Others get lines of their own, below.
user {SERVICE_USER}
topic readwrite #
""",
    }
    return {name: text.encode() for name, text in texts.items()}
