"""The configuration of the scanner: a YAML file, which is validated as a whole before the start."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bssci.system.secret_files import SecretFileError, read_secret

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Interval = Annotated[float, msgspec.Meta(gt=0, le=86400)]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class ConfigurationError(Exception):
    """The configuration cannot be used: one line with file, field and what is allowed."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the file."""


class ScannerPart(Section, frozen=True):
    id: str = ""
    """name in topics; empty: the host's name"""
    bluetooth_adapter: str = "hci0"
    mode: Literal["auto", "passive", "active"] = "auto"
    """auto: passive, or active if the adapter does not support passive scans"""
    location: str = ""


class MqttPart(Section, frozen=True):
    broker: str = "localhost"
    port: Port = 1883
    topic_prefix: str = "bt-mqtt"
    qos: Literal[0, 1, 2] = 1
    client_id_prefix: str = "bssci-scan"
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60
    reconnect_delay: Interval = 5
    """accepted for old files but ignored: the delay is 1, 2, 4 ... 30 s"""
    username: str = ""
    password: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    transport: Literal["tcp", "websockets"] = "tcp"
    path: str = "/mqtt"


class ThinningPart(Section, frozen=True):
    enabled: bool = True
    interval_seconds: Interval = 30
    strategy: Literal["time_based", "change_based"] = "time_based"
    """time_based: repetitions pass once per interval; change_based: only changes pass"""


class ListPart(Section, frozen=True):
    enabled: bool = True
    devices: list[str] = []


class LoggingPart(Section, frozen=True):
    level: Literal["debug", "info", "warn", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"
    file: str = ""


class HeartbeatPart(Section, frozen=True):
    enabled: bool = True
    interval_seconds: Interval = 60


class BufferPart(Section, frozen=True):
    while_offline: Literal["drop", "keep"] = "drop"
    size: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    """messages; the oldest are dropped first"""


class ScannerConfiguration(Section, frozen=True):
    """The contents of the file."""

    scanner: ScannerPart = ScannerPart()
    mqtt: MqttPart = MqttPart()
    deduplication: ThinningPart = ThinningPart()
    blocklist: ListPart = ListPart()
    allowlist: ListPart = ListPart()
    logging: LoggingPart = LoggingPart()
    heartbeat: HeartbeatPart = HeartbeatPart()
    buffer: BufferPart = BufferPart()

    @property
    def id(self) -> str:
        """Name of this scanner in topics."""
        return self.scanner.id or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:64] or "scanner"


def read_configuration(file: Path | None) -> ScannerConfiguration:
    """Return the configuration in a file; the defaults if there is no file.

    :raises ConfigurationError: it is wrong, or cannot be read.
    """
    if file is None:
        return ScannerConfiguration()
    try:
        import yaml
    except ImportError:
        raise ConfigurationError("bssci scan needs PyYAML: `pip install bssci[scanner]`") from None
    try:
        said = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file}: is not YAML: {' '.join(str(error).split())[:200]}") from None
    try:
        configuration = msgspec.convert({} if said is None else said, ScannerConfiguration)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{file}: {_with_place(str(error))}") from None
    _check(configuration, file)
    return configuration


def password_of(part: MqttPart, name: str = "mqtt.password_file") -> str:
    """Return the password for the broker, from its file if one is named.

    :param name: name of the setting or option with the path of the file, for the error.
    :raises ConfigurationError: the file cannot be read.
    """
    if not part.password_file:
        return part.password
    try:
        return read_secret(Path(part.password_file), name).strip()
    except SecretFileError as error:
        raise ConfigurationError(str(error)) from None


def _check(configuration: ScannerConfiguration, file: Path) -> None:
    mqtt = configuration.mqtt
    if configuration.scanner.id and not _ID.fullmatch(configuration.scanner.id):
        raise ConfigurationError(
            f"{file}: scanner.id: up to 64 letters, digits, dots, dashes and underscores are allowed"
        )
    if not mqtt.topic_prefix or set(mqtt.topic_prefix) & set("+#\0"):
        raise ConfigurationError(f"{file}: mqtt.topic_prefix: a topic without + and # is allowed")
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        raise ConfigurationError(f"{file}: mqtt.cert_file and mqtt.key_file: set both or neither")
    try:
        password_of(mqtt)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _with_place(text: str) -> str:
    """Return an error text of msgspec with the name of the field in front."""
    said, found, place = text.partition(" - at `$")
    return f"{place.strip('.`')}: {said}" if found else said
