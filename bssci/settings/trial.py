"""Checks of what settings point to: files, addresses, ports. All of them block."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from bssci.certificates.reading import CertificateError, read_pair
from bssci.settings.groups import ListeningAddress, Values
from bssci.settings.rows import SettingsError
from bssci.system.files import prepare_directory
from bssci.system.utc import utc_now

STATION_FILES = ("CERT_FILE", "KEY_FILE", "CA_FILE", "CRL_FILE")
WEB_FILES = ("WEB_CERT_FILE", "WEB_KEY_FILE")
WEB_SWITCHES = ("WEB_TLS", "WEB_PORT")


def try_place(place: ListeningAddress, blamed: str) -> None:
    """Check that a server could listen on an address and port now.

    :param blamed: name of the setting that the error names.
    :raises SettingsError: it could not.
    """
    reason = cannot_listen(place.host, place.port)
    if reason:
        raise SettingsError(
            f"{blamed}: cannot listen on {place.host}:{place.port}: {reason}; "
            f"stop what listens there, or set {place.setting} to another port"
        )


def cannot_listen(host: str, port: int) -> str | None:
    """Return the reason why a server could not listen there now; None if it could."""
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


def try_host(name: str, host: str) -> None:
    """Check that a socket can be bound to an address.

    :param name: name of the setting that the error names.
    :raises SettingsError: it is not an address of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{name}={host}: is not an address of this machine ({reason}); 0.0.0.0 stands for all addresses"
        ) from error


def try_descriptions(name: str, descriptions: Sequence[str]) -> None:
    """Parse endpoint descriptions as Twisted will.

    :param name: name of the setting that the error names.
    :raises ValueError: one is not a valid description.
    """
    # Imported here because it imports the reactor, which most subcommands do not need.
    from bssci.certificates.listening import described_places

    described_places(None, name, descriptions)


def try_state_directory(path: Path) -> None:
    """Check that the service could use a state directory, without creating it.

    :raises SettingsError: it could not.
    """
    try:
        if os.path.lexists(path):
            prepare_directory(path)
        else:
            _try_to_write(next(each for each in path.parents if os.path.lexists(each)))
    except OSError as error:
        raise SettingsError(
            f"STATE_DIR={path}: cannot be used ({_reason(error)}); change its owner or mode, or set another"
        ) from error


def try_log_file(path: Path | None) -> None:
    """Check that the log file could be written, without creating it.

    :param path: None for standard output, which always passes.
    :raises SettingsError: it could not.
    """
    try:
        if path is not None and os.path.lexists(path):
            path.open("rb+").close()
        elif path is not None:
            _try_to_write(next(each for each in path.absolute().parents if os.path.lexists(each)))
    except OSError as error:
        raise SettingsError(f"LOG_FILE={path}: cannot be written ({_reason(error)})") from error


def try_station_files(values: Values, changed: Collection[str]) -> None:
    """Read the service center's certificate, key and authorities, if one of them changed.

    :raises SettingsError: the service could not use them.
    """
    # Imported here because it imports the reactor, which most subcommands do not need.
    from bssci.certificates.checking import check_pair

    try_files(
        values,
        [name for name in STATION_FILES if name in changed],
        lambda: check_pair(
            values["CERT_FILE"], values["KEY_FILE"], values["CA_FILE"], utc_now(), values["CRL_FILE"]
        ),
    )


def try_web_files(values: Values, changed: Collection[str]) -> None:
    """Read the web admin's certificate and key, if one of them changed or comes into use.

    :raises SettingsError: the web admin could not use them.
    """
    in_use = values["WEB_TLS"] and values["WEB_PORT"]
    names = [name for name in WEB_FILES + (WEB_SWITCHES if in_use else ()) if name in changed]
    if values["WEB_TLS"] or values["WEB_CERT_FILE"]:
        certificate, key = values["WEB_CERT_FILE"], values["WEB_KEY_FILE"]
        try_files(
            values,
            names,
            lambda: read_pair(certificate or values["CERT_FILE"], key or values["KEY_FILE"], "WEB_"),
        )


def try_files(values: Values, changed: Sequence[str], attempt: Callable[[], object]) -> None:
    """Run an attempt to read certificates, if any of their settings changed.

    :param changed: the changed settings among those that the attempt depends on.
    :param attempt: reads the files; raises CertificateError.
    :raises SettingsError: it failed; the message begins with the setting at fault.
    """
    if changed:
        try:
            attempt()
        except CertificateError as error:
            raise SettingsError(f"{_blamed(values, changed, str(error))}: {error}") from error


def _try_to_write(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory):
        pass


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _blamed(values: Values, changed: Sequence[str], text: str) -> str:
    """Return the changed setting whose path an error text begins with, or else the first one."""
    for name in changed:
        path = values[name]
        if isinstance(path, Path) and text.startswith(f"{path}:"):
            return name
    return changed[0]
