"""Commands on the certificates of the service, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import DeferredLock

from bssci.center.audit import AuditLog
from bssci.certificates.reading import CertificateError
from bssci.certificates.store import CA, SECRET_FILES, CertificateStore
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError
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
    """connected base stations that could not come back"""


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that is refused from now on."""

    subject: str
    serial: str
    """serial number in hexadecimal digits"""
    cut_off: int
    """base stations that were connected with it"""


class CertificateCommands:
    """Changes of certificates, and looks at their keys, for whoever asks: one at a time.

    Where a method reads or writes files, it raises :class:`bssci.certificates.reading.CertificateError` for
    what cannot be, and ``OSError``; where it leaves an entry in the audit log,
    :class:`bssci.journal.StorageError` if that cannot be kept: nothing has happened then.

    :param take_certificates: done once the listening ports use the files that are there now.
    """

    def __init__(
        self,
        audit: AuditLog,
        configuration: Configuration,
        stations: Stations,
        registry: Registry,
        run_in_thread: RunInThread,
        take_certificates: Callable[[], Awaitable[None]],
    ) -> None:
        self._audit = audit
        self._configuration = configuration
        self._stations = stations
        self._registry = registry
        self._run_in_thread = run_in_thread
        self._take_certificates = take_certificates
        self._lock = DeferredLock()

    @property
    def paths(self) -> Mapping[str, Path]:
        """The files that there may be, by the names that the API has for them."""
        return self._store.paths

    @property
    def _store(self) -> CertificateStore:
        return self._store_of(self._configuration.current)

    def _store_of(self, settings: Settings) -> CertificateStore:
        return CertificateStore(self._configuration.catalogue.certificate_files(settings))

    async def _run(self, function: Callable[..., T], *values: Any) -> T:
        result: T = await self._lock.run(self._run_in_thread, function, *values)
        return result

    # looking

    async def read(self, file: str, by: Actor) -> bytes:
        """Return a file as PEM; that somebody takes a private key is in the audit log."""
        if file in SECRET_FILES:
            await self._audit.record(by, "certificate.download_key", file)
        return await self._run(self._store.read, file)

    async def backup(self, by: Actor) -> bytes:
        """Return certificates, keys and bundles as one archive."""
        await self._audit.record(by, "certificate.backup")
        return await self._run(self._store.backup)

    async def problems(self, settings: Settings) -> tuple[list[str], list[str]]:
        """Return errors that would keep base stations out with settings, and warnings."""
        return await self._run(self._store_of(settings).problems)

    async def examine(self, files: Mapping[str, bytes]) -> Examined:
        """Check whether the service could start with files in place of the present ones."""
        warnings = await self._run(self._store.check, files)
        records = [station.record for station in self._stations.connected()]
        peers = {each.base_station_eui: each.certificate for each in records if each.certificate}
        refused = await self._run(self._store.refused_stations, files[CA], peers) if CA in files else []
        return Examined(warnings, [EUI(eui) for eui in refused])

    # replacing

    async def generate(self, authority: bool, hosts: list[str]) -> dict[str, bytes]:
        """Make certificate and key for the service center, and an authority if wished; in memory."""
        return await self._run(self._store.generate, authority, hosts)

    async def unpack(self, archive: bytes) -> tuple[dict[str, bytes], dict[Path, bytes]]:
        """Return the files of a backup, and of its bundles."""
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
        """Check files, put them in place, all or none, and have the listening ports use them.

        :param action: ``upload set``, ``generate all`` or ``restore``.
        :param others: files beside those: bundles of base stations.
        :param force: also if connected base stations would be refused then.
        :raises CommandError: ``conflict``: they would be.
        """
        examined = await self.examine(files)
        refused = examined.refused_stations
        if refused and not force:
            raise CommandError(
                "conflict",
                f"{len(refused)} connected base stations would be refused: {', '.join(refused[:MAX_NAMED])}; "
                "confirm with force",
                "force",
            )
        async with self._audit.around(by, f"certificate.{action.partition(' ')[0]}", detail=action):
            await self._run(self._store.replace, files, others)
        await self._take_certificates()
        return examined

    # base stations

    async def station_bundle(self, eui: EUI, host: str, by: Actor, *, renew: bool = False) -> bytes:
        """Return what a base station needs to connect, as an archive; made if need be.

        :param host: name by which it reaches the service center; empty: as the certificate says.
        :param renew: make a new key and certificate in any case.
        """
        async with self._audit.around(by, "certificate.station_bundle", eui, "renewed" if renew else ""):
            places = self._configuration.catalogue.places(self._configuration.current)
            ports = [each.port for each in places if each.setting.startswith("LISTEN")]
            return await self._run(self._store.station_bundle, eui, renew, host, ports)

    async def certificate_of(self, eui: EUI) -> x509.Certificate:
        """Return the certificate that a base station showed last, or that of its bundle."""
        station = self._stations.get(eui)
        if station is not None and station.record.certificate:
            try:
                return x509.load_der_x509_certificate(station.record.certificate)
            except ValueError as error:
                raise CertificateError(f"the certificate of {eui} cannot be read: {error}") from error
        return await self._run(self._store.bundled, eui)

    async def revoke(self, certificate: x509.Certificate, by: Actor, eui: EUI | None = None) -> Revocation:
        """Refuse a certificate of our authority from now on, and cut off who is connected with it.

        :param eui: the base station that it is of, if somebody named that.
        """
        subject, serial = certificate.subject.rfc4514_string(), f"{certificate.serial_number:X}"
        async with self._audit.around(by, "certificate.revoke", eui or subject, f"serial {serial}"):
            await self._run(self._store.revoke, certificate)
        await self._take_certificates()
        cut_off = self._registry.revoked(certificate.public_bytes(Encoding.DER))
        return Revocation(subject, serial, cut_off)
