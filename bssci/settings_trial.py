"""What of changed settings would keep the service from starting again: files, addresses."""

from __future__ import annotations

import socket
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from bssci.certificates import CertificateError, check_pair, read_certificates, read_client_pair, read_pair
from bssci.settings import Settings, SettingsError

STATION_FILES = ("CERT_FILE", "KEY_FILE", "CA_FILE")
WEB_FILES = ("WEB_TLS", "WEB_CERT_FILE", "WEB_KEY_FILE")
MQTT_FILES = ("MQTT_TLS", "MQTT_CA_FILE", "MQTT_CERT_FILE", "MQTT_KEY_FILE")


def refuse_unusable(settings: Settings, names: Collection[str]) -> None:
    """Try what the settings of these names point to. Blocks: belongs in a thread.

    :raises SettingsError: the service could not use one of them.
    """
    groups = ((STATION_FILES, _try_station_files), (WEB_FILES, _try_web_files), (MQTT_FILES, _try_mqtt_files))
    for group, attempt in groups:
        changed = [name for name in group if name in names]
        if changed:
            try:
                attempt(settings)
            except CertificateError as error:
                raise SettingsError(f"{_blamed(settings, changed, str(error))}: {error}") from error
    for name, host in (("LISTEN_HOST", settings.listen_host), ("WEB_HOST", settings.web_host)):
        if name in names:
            _try_host(name, host)


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
    except OSError as error:
        raise SettingsError(
            f"{name}={host}: is no address of this machine ({error.strerror}); 0.0.0.0 is every address"
        ) from error
