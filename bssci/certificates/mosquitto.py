"""A configuration for the broker mosquitto: who may connect, publish and subscribe.

::

    8883 devices, by certificate; each only under its own name
    1883 the service, by password, from this machine only
    9001 applications, by password, over WebSocket with TLS
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SERVICE_USER = "bssci"


# A substitution such as %u must be a whole level of the topic, and so must a plus.
DEVICE_RULES = """\
# Each device: only topics under its own name.
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
    """directory of the configuration and of the passwords"""
    ca_file: Path
    """certificate of the authority of devices"""
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

    Mosquitto reads the revocation list when it starts, so a change takes effect when it is restarted.

    :param user: user that mosquitto switches to if it is started as root, and that owns the files.
    """
    texts = {
        "mosquitto.conf": f"""\
# Written by `bssci broker-config`, which leaves it alone from then on: ports and limits may be changed here.
user {user}
per_listener_settings true
persistence true
persistence_location {files.directory / "data"}/
max_queued_messages 100000
persistent_client_expiration 7d
max_packet_size 1048576

# Devices: the name in the certificate is the user; revoked certificates are refused.
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
# The service: every topic. Add lines for other users below.
user {SERVICE_USER}
topic readwrite #
""",
    }
    return {name: text.encode() for name, text in texts.items()}
