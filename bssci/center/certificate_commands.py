"""Commands on the certificates of the service, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import DeferredLock

from bssci.center.audit import AuditLog, HoldRoom
from bssci.certificates.reading import CertificateError
from bssci.certificates.store import CA, SECRET_FILES, CertificateStore
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError
from bssci.model.counts import many
from bssci.settings.configuration import Configuration
from bssci.settings.table import Settings
from bssci.stations.directory import Stations
from bssci.stations.registry import Registry
from bssci.system.clock import RunInThread

MAX_NAMED = 5
"""base stations that a refusal names"""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examined:
    """Findings on certificates that are to replace the present ones."""

    warnings: Sequence[str]
    refused_stations: Sequence[EUI]
    """connected base stations that could not connect again"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that is refused from now on."""

    subject: str
    serial: str
    """serial number in hexadecimal digits"""
    cut_off: int
    """number of base stations that were connected with it and have been disconnected"""


class CertificateCommands:
    """Commands that change certificates or show their keys, one at a time.

    Methods that read or write files raise :class:`bssci.certificates.reading.CertificateError` for invalid
    contents, and ``OSError``. Methods that write an entry to the audit log raise
    :class:`bssci.journal.StorageError` if it cannot be stored; nothing has been done then.

    :param take_certificates: makes the listening ports use the present files; awaited.
    :param station_ports: returns the TCP ports on which base stations connect.
    """

    def __init__(
        self,
        audit: AuditLog,
        configuration: Configuration,
        stations: Stations,
        registry: Registry,
        run_in_thread: RunInThread,
        take_certificates: Callable[[], Awaitable[None]],
        station_ports: Callable[[], Sequence[int]],
    ) -> None:
        self._audit = audit
        self._configuration = configuration
        self._stations = stations
        self._registry = registry
        self._run_in_thread = run_in_thread
        self._take_certificates = take_certificates
        self._station_ports = station_ports
        self._lock = DeferredLock()

    @property
    def paths(self) -> Mapping[str, Path]:
        """Paths of all possible files, by their names in the API."""
        return self._store.paths

    @property
    def _store(self) -> CertificateStore:
        return self._store_of(self._configuration.current)

    def _store_of(self, settings: Settings) -> CertificateStore:
        return CertificateStore(self._configuration.catalogue.certificate_files(settings))

    async def _run(self, function: Callable[..., T], *values: Any) -> T:
        result: T = await self._lock.run(self._run_in_thread, function, *values)
        return result

    def _room(self, size: int = 0) -> HoldRoom:
        """Return the function that reserves the disk space for files of so many bytes."""
        return lambda: self._run(self._store.room, size)

    # looking

    async def read(self, file: str, by: Actor) -> bytes:
        """Return a file as PEM, after an entry in the audit log if it is a private key."""
        if file in SECRET_FILES:
            await self._audit.record(by, "certificate.download_key", file)
        return await self._run(self._store.read, file)

    async def backup(self, by: Actor) -> bytes:
        """Return certificates, keys and bundles as one archive."""
        await self._audit.record(by, "certificate.backup")
        return await self._run(self._store.backup)

    async def problems(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Return the errors that would keep base stations from connecting with settings, and warnings."""
        return await self._run(self._store_of(settings).problems)

    async def examine(self, files: Mapping[str, bytes]) -> Examined:
        """Check that the service could use these files in place of the present ones.

        :param files: contents by name; files that are not named stay as they are.
        """
        warnings = await self._run(self._store.check, files)
        peers = {
            station.eui: [station.link.certificate, *station.link.signers]
            for station in self._stations.connected()
            if station.link is not None and station.link.certificate
        }
        refused = await self._run(self._store.refused_stations, files[CA], peers) if CA in files else []
        return Examined(warnings, [EUI(eui) for eui in refused])

    # replacing

    async def generate(self, authority: bool, hosts: list[str]) -> dict[str, bytes]:
        """Generate certificate and key for the service center, in memory.

        :param authority: generate a new authority, too.
        :param hosts: names and addresses for the certificate.
        """
        return await self._run(self._store.generate, authority, hosts)

    async def unpack(self, archive: bytes) -> tuple[dict[str, bytes], dict[Path, bytes]]:
        """Return the files of a backup by name, and those of its bundles by path."""
        return await self._run(self._store.unpack, archive)

    async def replace(
        self,
        files: Mapping[str, bytes],
        action: str,
        by: Actor,
        *,
        others: Mapping[Path, bytes] | None = None,
        force: bool = False,
    ) -> Examined:
        """Check files, put them in place, all or none, and make the listening ports use them.

        :param action: name for the audit log: ``upload set``, ``generate all`` or ``restore``.
        :param others: further files by path: bundles of base stations.
        :param force: do so even if connected base stations would be refused with them.
        :raises CommandError: ``conflict``: connected base stations would be refused.
        """
        examined = await self.examine(files)
        refused = examined.refused_stations
        if refused and not force:
            raise CommandError(
                "conflict",
                f"{many(len(refused), 'connected base station')} would be refused:"
                f" {', '.join(refused[:MAX_NAMED])}; "
                "confirm with force",
                "force",
            )
        size = sum(map(len, [*files.values(), *(others or {}).values()]))
        deed, _, what = action.partition(" ")
        async with self._audit.around(by, f"certificate.{deed}", detail=what, hold_room=self._room(size)):
            await self._run(self._store.replace, files, others)
        await self._take_certificates()
        return examined

    # base stations

    async def station_bundle(self, eui: EUI, host: str, by: Actor, *, renew: bool = False) -> bytes:
        """Return a base station's bundle, everything that it needs to connect, as an archive.

        :param host: name by which the station reaches the service center; empty: that in the certificate.
        :param renew: generate a new key and certificate even if there is a bundle.
        """
        renewed = "renewed" if renew else ""
        async with self._audit.around(by, "certificate.station_bundle", eui, renewed, hold_room=self._room()):
            return await self._run(self._store.station_bundle, eui, renew, host, self._station_ports())

    async def certificate_of(self, eui: EUI) -> x509.Certificate:
        """Return the certificate that a base station presented last, or else that of its bundle."""
        station = self._stations.get(eui)
        if station is not None and station.record.certificate:
            try:
                return x509.load_der_x509_certificate(station.record.certificate)
            except ValueError as error:
                raise CertificateError(f"the certificate of {eui} cannot be read: {error}") from error
        return await self._run(self._store.bundled, eui)

    async def revoke(self, certificate: x509.Certificate, by: Actor, eui: EUI | None = None) -> Revocation:
        """Revoke a certificate of our authority, and disconnect the base stations that use it.

        :param eui: base station of the certificate, for the audit log; None: unknown.
        """
        subject, serial = certificate.subject.rfc4514_string(), f"{certificate.serial_number:X}"
        detail = f"serial {serial}"
        async with self._audit.around(
            by, "certificate.revoke", eui or subject, detail, hold_room=self._room()
        ):
            await self._run(self._store.revoke, certificate)
        await self._take_certificates()
        cut_off = self._registry.revoked(certificate.public_bytes(Encoding.DER))
        return Revocation(subject, serial, cut_off)
