"""Provisioned devices, which have certificates for a broker. Each change is made completely or not at all.

::

    certs/devices/ca_cert.pem, ca_key.pem   the authority of devices, unless DEVICE_CA_FILE names another
                  revoked.pem               the certificates that it has revoked
                  device_registry.json      which device has which certificate, until when
                  changes.json              changes by the command line that are not in the audit log yet
                  {name}/                   device_cert.pem, device_key.pem, mqtt_config.json, and
                                            ca_cert.pem, by which the device recognises the broker

Devices have an authority of their own: with a certificate from that of the base stations, they could
connect as base stations.
"""

from __future__ import annotations

import fcntl
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import msgspec
from cryptography import x509

from bssci.certificates.bundles import Made, certificates_of, make_authority, read_authority
from bssci.certificates.issuing import certificate_to_pem, issue_device, key_to_pem, new_key
from bssci.certificates.provisioned import (
    CONTROLLER,
    Broker,
    NotRegisteredError,
    Provisioned,
    ProvisioningError,
    RegisteredError,
    checked_name,
    client_configuration,
    device_name,
)
from bssci.certificates.reading import CertificateError, own_list_file, read_certificates
from bssci.certificates.revoking import empty_list, revoke
from bssci.model.iso_times import iso_whole_seconds
from bssci.system.files import (
    hold_room,
    make_directory,
    open_lock,
    scratch_directory,
    sweep,
    write_atomically,
)
from bssci.system.replacing import finish_replacement, replace_together
from bssci.system.shell import ShellChange, noted

LIFE = timedelta(days=365)
MOST = 20_000
"""devices in the registry, at most"""
REGISTRY = "device_registry.json"
CHANGES = "changes.json"
KEY = "device_key.pem"
CERTIFICATE = "device_cert.pem"
BUNDLE = (KEY, CERTIFICATE, "ca_cert.pem", "mqtt_config.json")
"""files that a device gets"""


def is_of_device(path: Path) -> bool:
    """Return whether a directory is that of a device."""
    return (path / CERTIFICATE).exists()


class Provisioning:
    """The registry and the authority of devices.

    :param ca_file: DEVICE_CA_FILE.
    :param server_ca_file: CA_FILE, the authorities by which devices recognise the broker.
    :param who: name that is recorded with every change for the audit log of the service; empty if the caller
        writes the audit log.
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
        """Path of the revocation list."""
        return own_list_file(self._ca_file)

    def authority_bytes(self) -> bytes:
        """Return the certificates of the authority as PEM, without a key that may also be in the file.

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
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise CertificateError(
                f"{self.registry_file}: is damaged: {error}; restore it from a backup, or remove it and"
                " provision the devices anew"
            ) from None

    def prepare(self, now: datetime) -> Iterator[Made]:
        """Make the authority and its revocation list, unless they exist."""
        make_directory(self._directory, 0o700)
        yield from make_authority(self._ca_file, now)
        if not self.list_file.exists():
            replace_together(self._directory, {self.list_file: empty_list(self._ca_file, now)})
            yield Made(self.list_file, created=True)

    def add(
        self, text: str, broker: Broker, now: datetime, *, serial_number: str = "", force: bool = False
    ) -> str:
        """Make key, certificate and configuration of a device; return its name.

        :param force: do so even if it is registered, and revoke the certificate that it had.
        :raises RegisteredError: it is registered.
        :raises ProvisioningError: the name or the serial number is not allowed, or there are too many
            devices.
        :raises CertificateError: the authority cannot sign.
        """
        name = checked_name(text, serial_number)
        with self._alone():
            devices = self.devices()
            before = devices.get(name)
            if before is not None and not force:
                since = before.registered_at
                raise RegisteredError(
                    f"{name} has been registered since {since}; renew it, or replace it with --force (force)"
                )
            if before is None and self.directory_of(name).is_file():
                raise ProvisioningError(f"{name!r} is a file in {self._directory}; choose another name", "id")
            if before is None and len(devices) >= MOST:
                raise ProvisioningError(f"{MOST} devices are registered, which is the limit")
            for _ in self.prepare(now):
                pass
            serial = serial_number or (before.serial_number if before else "")
            self._issue(name, devices, broker, now, serial, "add", "made anew" if before else "")
        return name

    def renew(self, text: str, broker: Broker, now: datetime) -> str:
        """Make a new key and certificate for a registered device, and revoke the old certificate; return
        its name.

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

    def room(self) -> IO[bytes]:
        """Reserve the disk space that a change needs; closing the result frees it.

        :raises OSError: there is too little.
        """
        make_directory(self._directory, 0o700)
        files = (self.registry_file, self.list_file)
        return hold_room(self.registry_file, sum(each.stat().st_size for each in files if each.exists()))

    def has_key(self, name: str) -> bool:
        """Return whether the key of a device is still here, because nobody has taken its bundle yet."""
        return (self.directory_of(name) / KEY).exists()

    def take_bundle(self, text: str) -> bytes:
        """Return all files that a device gets, as a ZIP archive, and remove its key here.

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
        """Return the changes by the command line that are not in the audit log yet, oldest first.

        :raises CertificateError: the file is damaged.
        """
        file = self._directory / CHANGES
        try:
            return msgspec.json.decode(file.read_bytes(), type=tuple[ShellChange, ...])
        except FileNotFoundError:
            return ()
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise CertificateError(
                f"{file}: is damaged: {error}; remove it, which only costs the audit log the latest changes"
                " by the command line"
            ) from None

    def forget_changes(self, count: int) -> None:
        """Remove the oldest changes, which are in the audit log now."""
        with self._alone():
            left = self.changes()[count:]
            if left:
                write_atomically(self._directory / CHANGES, msgspec.json.encode(left))
            else:
                (self._directory / CHANGES).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out, and finish a change that another process left unfinished when it was
        killed.
        """
        make_directory(self._directory, 0o700)
        descriptor = open_lock(self._directory / ".lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sweep([self._directory], keep=is_of_device)
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
                directory / CERTIFICATE: certificate_to_pem(certificate),
                directory / "ca_cert.pem": certificates_of(self._server_ca_file),
                directory / "mqtt_config.json": _json(client_configuration(name, broker)),
                **(self._revoking(name, now) if name in devices else self._revoking_lost(name, now)),
                self.registry_file: _registry({**devices, name: entry}),
                **self._noting(action, name, detail, now),
            }
        )

    def _revoking(self, name: str, now: datetime) -> dict[Path, bytes]:
        """Return the file of the revocation list with the present certificate of a device added.

        :raises CertificateError: the certificate does not exist.
        """
        file = self.directory_of(name) / CERTIFICATE
        if not file.exists():
            raise CertificateError(f"{file}: does not exist, so it cannot be revoked; restore it")
        certificate: x509.Certificate = read_certificates(file, "its path")[0]
        return {self.list_file: revoke(self._ca_file, certificate, now)}

    def _revoking_lost(self, name: str, now: datetime) -> dict[Path, bytes]:
        """Return the same for a device that is not registered: if the registry was lost, its certificate
        would still be accepted. One of another authority is not.
        """
        try:
            return self._revoking(name, now)
        except CertificateError:
            return {}

    def _noting(self, action: str, name: str, detail: str, now: datetime) -> dict[Path, bytes]:
        """Return the file of changes with this change added; it is written together with the change
        itself. A damaged file of changes is kept beside it: it must not keep anybody from revoking.
        """
        if not self._who:
            return {}
        file = self._directory / CHANGES
        change = ShellChange(
            at=now.timestamp(), who=self._who, action=f"provisioned.{action}", target=name, detail=detail
        )
        try:
            return {file: msgspec.json.encode(noted(self.changes(), change))}
        except CertificateError:
            aside = file.with_name(f"{CHANGES}.damaged")
            return {aside: file.read_bytes(), file: msgspec.json.encode((change,))}

    def _write(self, files: Mapping[Path, bytes]) -> None:
        """Put files in place, all or none.

        Everything that needs room on the disk is done before anything is replaced; after that files
        are only renamed, which works on a full disk, too.
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
                # A directory that is not empty: the change was decided, and the next run finishes it.
                with suppress(OSError):
                    directory.rmdir()
            raise


def _registry(devices: Mapping[str, Provisioned]) -> bytes:
    return _json({name: msgspec.structs.asdict(devices[name]) for name in sorted(devices)})


def _json(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
