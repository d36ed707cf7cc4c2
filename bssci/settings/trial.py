"""What of changed settings would keep the service from starting again: files, addresses, ports."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bssci.center.devices import endpoints
from bssci.certificates.reading import (
    CertificateError,
    check_pair,
    read_certificates,
    read_client_pair,
    read_pair,
)
from bssci.settings.table import Settings, SettingsError
from bssci.system.files import prepare_directory

STATION_FILES = ("CERT_FILE", "KEY_FILE", "CA_FILE")
WEB_FILES, WEB_SWITCHES = ("WEB_CERT_FILE", "WEB_KEY_FILE"), ("WEB_TLS", "WEB_PORT")
MQTT_FILES, MQTT_SWITCHES = ("MQTT_CA_FILE", "MQTT_CERT_FILE", "MQTT_KEY_FILE"), ("MQTT_TLS", "SINKS")
HOSTS = {"LISTEN_PORT": "LISTEN_HOST", "WEB_PORT": "WEB_HOST", "MQTT_PORT": "MQTT_BROKER"}
"""which setting goes with a port"""


def refuse_unusable(settings: Settings, names: Collection[str], held: Collection[int] = ()) -> None:
    """Try what the settings of these names point to. Blocks: belongs in a thread.

    :param held: ports that the service itself listens on now.
    :raises SettingsError: the service could not use one of them.
    """
    _try_files(settings, names)
    for name, host in (("LISTEN_HOST", settings.listen_host), ("WEB_HOST", settings.web_host)):
        if name in names:
            _try_host(name, host)
    for name, host, port in listening_places(settings):
        changed = [each for each in (name, HOSTS[name]) if each in names]
        if changed and port not in held and (reason := cannot_listen(host, port)):
            raise SettingsError(
                f"{changed[0]}: cannot listen on {host}:{port}: {reason}; "
                f"stop what listens there, or set {name} to another port"
            )
    if "STATE_DIR" in names:
        try_state_directory(settings.state_dir)
    if "LOG_FILE" in names:
        try_log_file(settings.log_file)
    if "SENSOR_CONFIG_FILE" in names:
        try:
            endpoints.read(settings.sensor_config_file)
        except endpoints.EndpointsError as error:
            raise SettingsError(f"SENSOR_CONFIG_FILE: {error}") from error


def listening_places(settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Setting, host and port of everything that the service listens on."""
    for port in settings.listen_port:
        yield "LISTEN_PORT", settings.listen_host, port
    if settings.mqtt_broker == "embedded":
        yield "MQTT_PORT", "127.0.0.1", settings.mqtt_port
    if settings.web_port:
        yield "WEB_PORT", settings.web_host, settings.web_port


def cannot_listen(host: str, port: int) -> str | None:
    """Why a server could not listen there now, in words; None if it could."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in addresses:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return _reason(error)
    except UnicodeError:
        return "no host has such a name"
    return None


def try_state_directory(path: Path) -> None:
    """Whether the service could work there; a directory that is not there is not made.

    :raises SettingsError: it could not.
    """
    try:
        if os.path.lexists(path):
            prepare_directory(path)
        else:
            _try_to_write(next(each for each in path.parents if os.path.lexists(each)))
    except OSError as error:
        raise SettingsError(
            f"STATE_DIR={path}: cannot be used ({_reason(error)}); change owner or mode, or set another"
        ) from error


def try_log_file(path: Path | None) -> None:
    """Whether the log could be written there, if to a file; one that is not there is not made.

    :raises SettingsError: it could not.
    """
    try:
        if path is not None and os.path.lexists(path):
            path.open("rb+").close()
        elif path is not None:
            _try_to_write(path.parent)
    except OSError as error:
        raise SettingsError(f"LOG_FILE={path}: cannot be written ({_reason(error)})") from error


def _try_to_write(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory):
        pass


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _try_files(settings: Settings, names: Collection[str]) -> None:
    """Those that are named, and those that come into use."""
    uses_web, uses_mqtt = (
        settings.web_tls and settings.web_port,
        settings.mqtt_tls and "mqtt" in settings.sinks,
    )
    for attempt, files in (
        (_try_station_files, STATION_FILES),
        (_try_web_files, WEB_FILES + (WEB_SWITCHES if uses_web else ())),
        (_try_mqtt_files, MQTT_FILES + (MQTT_SWITCHES if uses_mqtt else ())),
    ):
        changed = [name for name in files if name in names]
        if changed:
            try:
                attempt(settings)
            except CertificateError as error:
                raise SettingsError(f"{_blamed(settings, changed, str(error))}: {error}") from error


def _try_station_files(settings: Settings) -> None:
    check_pair(settings.cert_file, settings.key_file, settings.ca_file, datetime.now(UTC))


def try_other_files(settings: Settings) -> None:
    """Those of the web admin and for the MQTT broker. Blocks.

    :raises CertificateError: they could not be used.
    """
    _try_web_files(settings)
    _try_mqtt_files(settings)


def _try_web_files(settings: Settings) -> None:
    if settings.web_tls or settings.web_cert_file:
        certificate, key = settings.web_cert_file or settings.cert_file, settings.web_key_file
        read_pair(certificate, key or settings.key_file, "WEB_")


def _try_mqtt_files(settings: Settings) -> None:
    if settings.mqtt_ca_file:
        read_certificates(settings.mqtt_ca_file, "MQTT_CA_FILE")
    if settings.mqtt_cert_file and settings.mqtt_key_file:
        read_client_pair(settings.mqtt_cert_file, settings.mqtt_key_file, "MQTT_")


def _blamed(settings: Settings, changed: list[str], text: str) -> str:
    """The changed setting whose file a text begins with, or else the first."""
    for name in changed:
        path = getattr(settings, name.lower())
        if isinstance(path, Path) and text.startswith(f"{path}:"):
            return name
    return changed[0]


def _try_host(name: str, host: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{name}={host}: is no address of this machine ({reason}); 0.0.0.0 is every address"
        ) from error
