"""Devices with certificates of ours, for a broker: each change is whole, or not made at all.

::

    certs/devices/ca_cert.pem, ca_key.pem   the authority of devices, unless DEVICE_CA_FILE names another
                  revoked.pem               whom it has revoked
                  device_registry.json      who has which certificate, until when
                  changes.json              what the command line changed and the audit log does not have yet
                  {name}/                   device_cert.pem, device_key.pem, mqtt_config.json, and
                                            ca_cert.pem, by which the device knows the broker

Devices have an authority of their own: with a certificate of the base stations' one they would be let in as
base stations.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509

from bssci.certificates.bundles import Made, certificates_of, make_authority, read_authority
from bssci.certificates.issuing import certificate_to_pem, issue_device, key_to_pem, new_key
from bssci.certificates.reading import CertificateError, own_list_file, read_certificates
from bssci.certificates.revoking import empty_list, revoke
from bssci.certificates.steps import host_of
from bssci.model.iso_times import iso_whole_seconds
from bssci.system.files import (
    finish_replacement,
    make_directory,
    open_lock,
    replace_together,
    scratch_directory,
    sweep,
    write_atomically,
)
from bssci.system.shell import ShellChange, noted

LIFE = timedelta(days=365)
MOST = 20_000
"""devices in the registry"""
CONTROLLER = "f2-"
REGISTRY = "device_registry.json"
CHANGES = "changes.json"
KEY = "device_key.pem"
BUNDLE = (KEY, "device_cert.pem", "ca_cert.pem", "mqtt_config.json")
"""files that a device is given"""
BROKER_PORT = 8883
_MAC = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SERIAL = re.compile(r"[\x21-\x7e]{1,64}")


class ProvisioningError(Exception):
    """A device cannot be provisioned as asked: one line with what is allowed."""


class RegisteredError(ProvisioningError):
    """The device is registered already."""


class NotRegisteredError(ProvisioningError):
    """There is no such device."""


class Broker(msgspec.Struct, frozen=True):
    """The broker that devices connect to."""

    host: str
    port: int = BROKER_PORT


def broker_of(device_broker: str, cert_file: Path) -> Broker:
    """Return where devices reach the broker.

    :param device_broker: DEVICE_BROKER; if it is empty, the broker is where the service center's certificate
        says that the service is.
    :raises ProvisioningError: neither says it.
    """
    host, _, port = device_broker.rpartition(":")
    if not device_broker:
        host, port = host_of(cert_file), str(BROKER_PORT)
    if not host:
        raise ProvisioningError("DEVICE_BROKER is empty: set it to host:port where devices reach the broker")
    return Broker(host, int(port))


class Provisioned(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the registry. Times are ISO 8601 UTC."""

    mac_address: str
    """12 hexadecimal digits, lower case; empty for a device that has another name"""
    serial_number: str = ""
    registered_at: str
    certificate_expires: str
    certificate_serial: str
    """number of the certificate, hexadecimal"""
    status: str = "active"
    """active or revoked"""

    @property
    def ends_at(self) -> float:
        """The end of the certificate, in Unix seconds."""
        return datetime.fromisoformat(self.certificate_expires).timestamp()


def device_name(text: str) -> str:
    """Return a device's name: its user name at the broker, and the level of topics that is its own.

    A MAC address in any spelling, with or without ``f2-``, stands for a controller: ``f2-001122aabbcc``.

    :raises ProvisioningError: it cannot be a name.
    """
    text = text.strip()
    digits = text.lower().removeprefix(CONTROLLER).replace(":", "").replace("-", "")
    if _MAC.fullmatch(digits):
        return CONTROLLER + digits
    if not _NAME.fullmatch(text):
        raise ProvisioningError(
            f"{text[:80]!r} is no name of a device: a MAC address, or up to 63 letters, digits, dots, dashes"
            " and underscores"
        )
    return text


class Provisioning:
    """The registry and the authority of devices.

    :param ca_file: DEVICE_CA_FILE.
    :param server_ca_file: authorities by which devices know the broker: CA_FILE.
    :param who: is noted with every change, for the audit log of the service; nobody if the caller keeps it.
    """

    def __init__(self, ca_file: Path, server_ca_file: Path, who: str = "") -> None:
        self._ca_file = ca_file
        self._server_ca_file = server_ca_file
        self._who = who
        self._directory = ca_file.parent if ca_file.parent.name == "devices" else ca_file.parent / "devices"

    @property
    def registry_file(self) -> Path:
        return self._directory / REGISTRY

    @property
    def ca_file(self) -> Path:
        return self._ca_file

    @property
    def list_file(self) -> Path:
        """Return the path of the revocation list."""
        return own_list_file(self._ca_file)

    def authority_bytes(self) -> bytes:
        """Return the certificates of the authority as PEM, without a key that may be in the file too.

        :raises OSError: there is no authority yet.
        """
        self._ca_file.stat()
        return certificates_of(self._ca_file)

    def directory_of(self, name: str) -> Path:
        """Return the directory with the files of a device."""
        return self._directory / name

    def devices(self) -> dict[str, Provisioned]:
        """Return the registry.

        :raises CertificateError: the file is damaged.
        """
        try:
            data = self.registry_file.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(data, type=dict[str, Provisioned])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CertificateError(f"{self.registry_file}: is damaged: {error}") from None

    def prepare(self, now: datetime) -> Iterator[Made]:
        """Make the authority and its revocation list, unless they are there."""
        make_directory(self._directory, 0o700)
        yield from make_authority(self._ca_file, now)
        if not self.list_file.exists():
            replace_together(self._directory, {self.list_file: empty_list(self._ca_file, now)})
            yield Made(self.list_file, created=True)

    def add(
        self, text: str, broker: Broker, now: datetime, *, serial_number: str = "", force: bool = False
    ) -> str:
        """Make key, certificate and configuration of a device; return its name.

        :param force: also if it is registered; the certificate that it had is revoked then.
        :raises RegisteredError: it is registered.
        :raises ProvisioningError: name or serial number cannot be, or no more devices fit.
        :raises CertificateError: the authority cannot sign.
        """
        name = device_name(text)
        if serial_number and not _SERIAL.fullmatch(serial_number):
            raise ProvisioningError("the serial number: up to 64 printable ASCII characters are allowed")
        with self._alone():
            devices = self.devices()
            before = devices.get(name)
            if before is not None and not force:
                since = before.registered_at
                raise RegisteredError(
                    f"{name} has been registered since {since}; renew it, or use force to make it anew"
                )
            if before is None and len(devices) >= MOST:
                raise ProvisioningError(f"{MOST} devices are registered, no more fit")
            for _ in self.prepare(now):
                pass
            serial = serial_number or (before.serial_number if before else "")
            self._issue(name, devices, broker, now, serial, "add", "made anew" if before else "")
        return name

    def renew(self, text: str, broker: Broker, now: datetime) -> str:
        """Make another key and certificate for a registered device; the old one is revoked. Return its name.

        :raises NotRegisteredError: it is not registered.
        """
        with self._alone():
            name, devices = self._registered(text)
            self._issue(name, devices, broker, now, devices[name].serial_number, "renew")
        return name

    def revoke(self, text: str, now: datetime) -> str:
        """Have the broker refuse a device from now on; return its name.

        :raises NotRegisteredError: it is not registered.
        :raises ProvisioningError: it is revoked already.
        """
        with self._alone():
            name, devices = self._registered(text)
            if devices[name].status == "revoked":
                raise ProvisioningError(f"{name} is revoked already")
            changed = {**devices, name: msgspec.structs.replace(devices[name], status="revoked")}
            self._write(
                {
                    **self._revoking(name, now),
                    self.registry_file: _registry(changed),
                    **self._noting("revoke", name, "", now),
                }
            )
        return name

    def has_key(self, name: str) -> bool:
        """Return whether the key of a device is still here: nobody has taken its bundle yet."""
        return (self.directory_of(name) / KEY).exists()

    def take_bundle(self, text: str) -> bytes:
        """Return everything that a device is given, as an archive; its key is then no longer here.

        :raises NotRegisteredError: it is not registered.
        :raises ProvisioningError: it is revoked, or its bundle was taken already.
        """
        with self._alone():
            name, devices = self._registered(text)
            if devices[name].status == "revoked":
                raise ProvisioningError(f"{name} is revoked; renew it to get a new key and certificate")
            if not self.has_key(name):
                raise ProvisioningError(f"the bundle of {name} was taken already; renew it to get another")
            directory = self.directory_of(name)
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in BUNDLE:
                    archive.writestr(file, (directory / file).read_bytes())
            (directory / KEY).unlink()
        return packed.getvalue()

    def configuration_of(self, text: str) -> bytes:
        """Return the client configuration of a device, which holds no secret, as JSON.

        :raises NotRegisteredError: it is not registered.
        """
        name, _ = self._registered(text)
        return (self.directory_of(name) / "mqtt_config.json").read_bytes()

    def changes(self) -> tuple[ShellChange, ...]:
        """Return what the command line changed and the audit log does not have yet, the oldest first.

        :raises CertificateError: the file is damaged.
        """
        file = self._directory / CHANGES
        try:
            return msgspec.json.decode(file.read_bytes(), type=tuple[ShellChange, ...])
        except FileNotFoundError:
            return ()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CertificateError(f"{file}: is damaged: {error}; remove it") from None

    def forget_changes(self, count: int) -> None:
        """Drop the oldest changes, which are in the audit log by now."""
        with self._alone():
            left = self.changes()[count:]
            if left:
                write_atomically(self._directory / CHANGES, msgspec.json.encode(left))
            else:
                (self._directory / CHANGES).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out, and finish what one of them left when it was killed."""
        make_directory(self._directory, 0o700)
        descriptor = open_lock(self._directory / ".lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sweep([self._directory])
            finish_replacement(self._directory)
            yield
        finally:
            os.close(descriptor)

    def _registered(self, text: str) -> tuple[str, dict[str, Provisioned]]:
        name, devices = device_name(text), self.devices()
        if name not in devices:
            raise NotRegisteredError(f"{name} is not registered")
        return name, devices

    def _issue(
        self,
        name: str,
        devices: Mapping[str, Provisioned],
        broker: Broker,
        now: datetime,
        serial: str,
        action: str,
        detail: str = "",
    ) -> None:
        authority = read_authority(self._ca_file)
        key = new_key()
        certificate = issue_device(key, authority, name, now, LIFE)
        directory = self.directory_of(name)
        registered_at = devices[name].registered_at if name in devices else iso_whole_seconds(now.timestamp())
        entry = Provisioned(
            mac_address=name.removeprefix(CONTROLLER) if name.startswith(CONTROLLER) else "",
            serial_number=serial,
            registered_at=registered_at,
            certificate_expires=iso_whole_seconds(certificate.not_valid_after_utc.timestamp()),
            certificate_serial=f"{certificate.serial_number:X}",
        )
        self._write(
            {
                directory / KEY: key_to_pem(key),
                directory / "device_cert.pem": certificate_to_pem(certificate),
                directory / "ca_cert.pem": certificates_of(self._server_ca_file),
                directory / "mqtt_config.json": _json(client_configuration(name, broker)),
                **(self._revoking(name, now) if name in devices else {}),
                self.registry_file: _registry({**devices, name: entry}),
                **self._noting(action, name, detail, now),
            }
        )

    def _revoking(self, name: str, now: datetime) -> dict[Path, bytes]:
        """Return the revocation list with the certificate that a device has; nothing if that is gone."""
        file = self.directory_of(name) / "device_cert.pem"
        if not file.exists():
            raise CertificateError(f"{file}: does not exist, so it cannot be revoked; restore it")
        certificate: x509.Certificate = read_certificates(file, "its path")[0]
        return {self.list_file: revoke(self._ca_file, certificate, now)}

    def _noting(self, action: str, name: str, detail: str, now: datetime) -> dict[Path, bytes]:
        """Return the file of changes with this one, which is to be written with what it tells."""
        if not self._who:
            return {}
        change = ShellChange(
            at=now.timestamp(), who=self._who, action=f"provisioned.{action}", target=name, detail=detail
        )
        return {self._directory / CHANGES: msgspec.json.encode(noted(self.changes(), change))}

    def _write(self, files: Mapping[Path, bytes]) -> None:
        """Put files in their places, all or none.

        Everything that needs room on the disk is done before anything is replaced: what is left then are
        names, which a full disk can take.
        """
        made = [directory for directory in {path.parent for path in files} if not directory.exists()]
        try:
            for directory in made:
                make_directory(directory, 0o700)
            with scratch_directory(self._directory) as scratch:
                drafts: dict[Path, bytes | Path | None] = {}
                for number, (path, content) in enumerate(files.items()):
                    drafts[path] = content
                    if path.parent.stat().st_dev == scratch.stat().st_dev:
                        drafts[path] = draft = scratch / str(number)
                        write_atomically(draft, content)
                replace_together(self._directory, drafts)
        except OSError:
            for directory in made:
                # One that is not empty: it was decided, and whoever comes next finishes it.
                with suppress(OSError):
                    directory.rmdir()
            raise


def client_configuration(name: str, broker: Broker) -> dict[str, Any]:
    """Return what a device needs to know to connect, without its key."""
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


def _registry(devices: Mapping[str, Provisioned]) -> bytes:
    return _json({name: msgspec.structs.asdict(devices[name]) for name in sorted(devices)})


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
