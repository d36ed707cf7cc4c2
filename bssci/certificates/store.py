"""The certificates of this installation as files, which are listed, checked, replaced together and backed up.

Everything here blocks, so it has to run in a thread, one call at a time.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography import x509

from bssci.certificates import bundles, issuing, revoking, steps
from bssci.certificates import reading as certificates
from bssci.certificates.checking import SOON, check_pair, leads_to, refuse_station
from bssci.certificates.issuing import Authority
from bssci.certificates.reading import CertificateError, PrivateKey, is_signed_by
from bssci.model import EUI
from bssci.system.files import hold_room, in_folders, scratch_directory, write_atomically
from bssci.system.replacing import replace_together
from bssci.system.utc import utc_now

CA, SERVER, SERVER_KEY, CA_KEY = "ca", "server", "server_key", "ca_key"
BUNDLE = "station:"
"""comes before the EUI of the base station for which a bundle was made"""
FILES = (CA, SERVER, SERVER_KEY, CA_KEY)
SECRET_FILES = (SERVER_KEY, CA_KEY)
MAX_ARCHIVE = 4 * 1024 * 1024
"""largest size of an archive in bytes, unpacked"""
MAX_BUNDLES_TRIED = 100
MAX_AUTHORITIES_TRIED = 10
"""certificates of the authority with its key here, such as renewed ones, with which a handshake is tried"""
_NAMES = {CA: "Authority", SERVER: "Service center"}
"""name of the holder of each kind of certificate"""
_IN_ARCHIVE = {
    "ca_cert.pem": CA,
    "ca_key.pem": CA_KEY,
    "server_cert.pem": SERVER,
    "server_key.pem": SERVER_KEY,
}
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
)
"""errors that reading a damaged archive raises"""
_STATION_CERTIFICATE = "station_cert.pem"
_STATION_FILE = re.compile(r"stations/([0-9A-F]{16}|base-station)/(ca_cert|station_cert|station_key)\.pem")


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of the certificates of an installation."""

    state_dir: Path
    """directory for files while they are being replaced"""
    certificate: Path
    """path that CERT_FILE names"""
    key: Path
    """path that KEY_FILE names"""
    authorities: Path
    """path that CA_FILE names"""
    others: Mapping[str, Path] = field(default_factory=dict)
    """further certificates, which are only listed, by the name of their holder, as ``Web admin``"""
    revocations: Path | None = None
    """path that CRL_FILE names"""
    soon: timedelta = SOON
    """time before it expires from which on a certificate is warned of"""


def _word(name: str) -> str:
    """Return the name of a file in the API: the first word of its holder's name."""
    return name.split(maxsplit=1)[0].lower()


class CertificateStore:
    """CERT_FILE, KEY_FILE, CA_FILE, the CA's key beside it, and the bundles of base stations."""

    def __init__(self, files: CertificateFiles, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._state_dir = files.state_dir
        self._crl_file = files.revocations
        self._soon = files.soon
        self.paths: dict[str, Path] = {
            CA: files.authorities,
            SERVER: files.certificate,
            SERVER_KEY: files.key,
            CA_KEY: bundles.authority_key_file(files.authorities),
            **{_word(name): path for name, path in files.others.items()},
        }
        self._names = _NAMES | {_word(name): name for name in files.others}
        self.stations = files.certificate.parent / "stations"

    # Reading

    def inventory(self, *, bundles: bool = True) -> list[dict[str, Any]]:
        """Return every certificate that can be read: of the authorities, the service and, if wished, the
        bundles.
        """
        entries = [
            entry
            for file, name in self._names.items()
            if file in self.paths
            for entry in _described(file, name, self.paths[file], file)
        ]
        paths = sorted(self.stations.glob(f"*/{_STATION_CERTIFICATE}"))[:10_000] if bundles else []
        for path in paths:
            eui = path.parent.name
            entries += _described(f"{BUNDLE}{eui}", f"Base station {eui}", path, "the bundle")[:1]
        return entries

    def bundle_end(self, eui: EUI) -> float:
        """Return the Unix seconds when the certificate of a base station's bundle expires; 0: it has none."""
        path = self.stations / eui / _STATION_CERTIFICATE
        return next((each["not_after"] for each in _described("", "", path, "the bundle")), 0.0)

    def problems(self) -> tuple[list[str], list[str]]:
        """Return the errors that keep base stations out, and the warnings."""
        try:
            return [], check_pair(
                self.paths[SERVER],
                self.paths[SERVER_KEY],
                self.paths[CA],
                self._now(),
                self._crl_file,
                self._soon,
            )
        except CertificateError as error:
            return [str(error)], []

    def has_authority_key(self) -> bool:
        """Return whether the key beside CA_FILE belongs to it, so that certificates can be issued here."""
        try:
            bundles.read_authority(self.paths[CA])
        except CertificateError:
            return False
        return True

    def read(self, file: str) -> bytes:
        """Return a file as PEM; a file of certificates without a key that may also be in it.

        :raises OSError: it does not exist.
        """
        data = self.paths[file].read_bytes()
        return data if file in SECRET_FILES else split_pem(data)[0]

    # Replacing

    def check(self, files: Mapping[str, bytes]) -> list[str]:
        """Check that the service could start with files in place of the present ones.

        :return: warnings.
        :raises CertificateError: it could not.
        """
        with scratch_directory(self._state_dir) as directory:
            for file in (CA, SERVER, SERVER_KEY, CA_KEY):
                data = files.get(file)
                if data is None and self.paths[file].exists():
                    data = self.paths[file].read_bytes()
                if data is not None:
                    path = directory / f"{file}.pem"
                    path.touch(mode=0o600)
                    write_atomically(path, data)
            try:
                warnings = check_pair(
                    directory / f"{SERVER}.pem",
                    directory / f"{SERVER_KEY}.pem",
                    directory / f"{CA}.pem",
                    self._now(),
                    certificates.revocation_file(self.paths[CA], self._crl_file),
                    self._soon,
                )
                if CA_KEY in files:
                    bundles.read_authority(directory / f"{CA}.pem")
                self._refuse_stations(directory)
            except CertificateError as error:
                raise CertificateError(error.uploaded.replace(f"{directory}/", "")) from None
        return [warning.replace(f"{directory}/", "") for warning in warnings]

    def _refuse_stations(self, directory: Path) -> None:
        """Check, by a handshake in memory, that a base station could connect, with a certificate made for
        this or one from a bundle.

        :raises CertificateError: it could not.
        """
        ca = directory / f"{CA}.pem"
        authorities = certificates.read_certificates(ca, "CA_FILE")
        server = (
            certificates.read_certificates(directory / f"{SERVER}.pem", "CERT_FILE"),
            certificates.read_key(directory / f"{SERVER_KEY}.pem", "KEY_FILE"),
            authorities,
        )
        key_file = directory / f"{CA_KEY}.pem"
        identities: list[tuple[x509.Certificate, PrivateKey]] = []
        if key_file.exists():
            signer = certificates.read_key(key_file, "CA_FILE")
            own = [each for each in authorities if each.public_key() == signer.public_key()]
            key = issuing.new_key()
            identities = [
                (issuing.issue_station(key, Authority(each, signer), None, self._now()), key)
                for each in list(dict.fromkeys(own))[:MAX_AUTHORITIES_TRIED]
            ]
        for identity in identities or islice(self._bundled(authorities), 1):
            refuse_station(server, identity, ca)

    def _bundled(
        self, authorities: Sequence[x509.Certificate]
    ) -> Iterator[tuple[x509.Certificate, PrivateKey]]:
        """Yield certificate and key of the valid bundles that these authorities have signed."""
        now = self._now()
        for path in sorted(self.stations.glob(f"*/{_STATION_CERTIFICATE}"))[:MAX_BUNDLES_TRIED]:
            try:
                certificate = certificates.read_certificates(path, "the bundle")[0]
                key = certificates.read_key(path.with_name("station_key.pem"), "the bundle")
            except CertificateError:
                continue
            is_valid = certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
            if is_valid and any(is_signed_by(certificate, each) for each in authorities):
                yield certificate, key

    def replace(self, files: Mapping[str, bytes], others: Mapping[Path, bytes] | None = None) -> None:
        """Put files in place, all or none.

        :raises CertificateError: the service could not start with them; nothing is replaced.
        :raises OSError: a file cannot be written.
        """
        self.check(files)
        placed = {self.paths[file]: data for file, data in files.items()}
        replace_together(self._state_dir, placed | dict(others or {}))

    def room(self, size: int) -> ExitStack:
        """Reserve the disk space that a replacement needs; closing the result frees it.

        :param size: bytes of the new files, apart from those that are made here.
        :raises OSError: there is too little.
        """
        own_list = certificates.own_list_file(self.paths[CA])
        size += own_list.stat().st_size if own_list.exists() else 0
        with ExitStack() as held:
            # New contents are first written in the state directory, which may be on another disk.
            for path in (self._state_dir / "replacement", self.paths[CA], self.paths[SERVER]):
                held.enter_context(hold_room(path, size))
            return held.pop_all()

    def refused_stations(self, ca: bytes, peers: Mapping[str, Sequence[bytes]]) -> list[str]:
        """Return the connected base stations for which none of these authorities vouches.

        :param ca: authorities as PEM.
        :param peers: certificate (DER) of each connected base station, with those that signed it, by EUI.
        """
        authorities = x509.load_pem_x509_certificates(ca)
        return sorted(
            eui
            for eui, chain in peers.items()
            if not leads_to([x509.load_der_x509_certificate(der) for der in chain], authorities)
        )

    # Making

    def generate(self, authority: bool, hosts: list[str]) -> dict[str, bytes]:
        """Return a new certificate and key for the service center, and a new authority if wished; nothing is
        replaced.

        :param hosts: names and addresses for the certificate; empty: those of the present one.
        :raises CertificateError: the key of the authority in use is not here.
        """
        if not authority:
            bundles.read_authority(self.paths[CA])
        now = self._now()
        with scratch_directory(self._state_dir) as directory:
            ca = directory / "ca_cert.pem"
            if not authority:
                for file, path in ((CA, ca), (CA_KEY, bundles.authority_key_file(ca))):
                    write_atomically(path, self.read(file))
            list(bundles.make_authority(ca, now))
            server, key = directory / "server.pem", directory / "server_key.pem"
            list(bundles.make_server(ca, server, key, hosts or self._hosts(), now))
            made = {SERVER: server.read_bytes(), SERVER_KEY: key.read_bytes()}
            if authority:
                made |= {CA: ca.read_bytes(), CA_KEY: bundles.authority_key_file(ca).read_bytes()}
            return made

    def _hosts(self) -> Sequence[str]:
        """Return the names and addresses in the service center's certificate; none if it cannot be read."""
        try:
            return certificates.describe(certificates.read_certificates(self.paths[SERVER], SERVER)[0]).names
        except CertificateError:
            return ()

    def station_bundle(self, eui: EUI, renew: bool, host: str = "", ports: Sequence[int] = ()) -> bytes:
        """Return a ZIP archive with the three files of a base station and a page of instructions.

        :param host: name by which it reaches the service center; empty: taken from the service center's
            certificate.
        :param ports: ports on which base stations connect.
        :param renew: make a new key and certificate even if there is a valid one.
        :raises CertificateError: the key of the authority in use is not here.
        """
        directory = self.stations / eui
        if renew or not self._is_valid(directory):
            with scratch_directory(self._state_dir) as scratch:
                list(bundles.make_station(self.paths[CA], scratch, eui, self._now()))
                made = {directory / path.name: path.read_bytes() for path in (scratch / eui).glob("*.pem")}
            replace_together(self._state_dir, made)
        members = {path.name: path.read_bytes() for path in sorted(directory.glob("*.pem"))}
        ends = f"{self.bundled(eui).not_valid_after_utc:%Y-%m-%d}"
        pages = steps.steps(eui, host or steps.host_of(self.paths[SERVER]), ports, ends)
        return _zip(members | {"ca_cert.pem": self.read(CA)} | pages, self._now())

    def bundled(self, eui: EUI) -> x509.Certificate:
        """Return the certificate of a station's bundle.

        :raises CertificateError: there is none.
        """
        path = self.stations / eui / _STATION_CERTIFICATE
        if not path.exists():
            raise CertificateError(
                f"{eui} has shown no certificate, and there is no bundle of it here: give the certificate, or"
                " block the base station"
            )
        return certificates.read_certificates(path, "the bundle")[0]

    def revoke(self, certificate: x509.Certificate) -> None:
        """Add a certificate to the revocation list of the service's authority.

        :raises CertificateError: another authority signed it.
        """
        content = revoking.revoke(self.paths[CA], certificate, self._now())
        replace_together(self._state_dir, {certificates.own_list_file(self.paths[CA]): content})

    def revoked(self) -> list[dict[str, Any]]:
        """Return the certificates that the service itself has revoked, newest first."""
        named = {
            certificate.serial_number: (path.parent.name, certificates.describe(certificate))
            for path in sorted(self.stations.glob(f"*/{_STATION_CERTIFICATE}"))[:10_000]
            for certificate in _readable(path)
        }
        found = sorted(revoking.listed(self.paths[CA]), key=lambda each: each.at, reverse=True)
        return [
            {
                "serial": f"{each.serial_number:X}",
                "at": each.at.timestamp(),
                "subject": named[each.serial_number][1].subject if each.serial_number in named else None,
            }
            for each in found
        ]

    def _is_valid(self, directory: Path) -> bool:
        try:
            certificate = certificates.read_certificates(directory / _STATION_CERTIFICATE, "the bundle")[0]
            if certificate.serial_number in {each.serial_number for each in revoking.listed(self.paths[CA])}:
                return False
            certificates.read_key(directory / "station_key.pem", "the bundle")
            authorities = certificates.read_certificates(self.paths[CA], "CA_FILE")
        except CertificateError:
            return False
        return any(is_signed_by(certificate, authority) for authority in authorities)

    # Backup

    def backup(self) -> bytes:
        """Return a ZIP archive of the certificates that can be replaced here and of the bundles, with their
        keys.

        A key of another authority than the one in use is left out, as such an archive could not be restored.
        """
        members = {
            name: self.read(file)
            for name, file in _IN_ARCHIVE.items()
            if (self.has_authority_key() if file == CA_KEY else self.paths[file].exists())
        }
        for path in in_folders(self.stations):
            if path.suffix == ".pem":
                members[f"stations/{path.parent.name}/{path.name}"] = path.read_bytes()
        own_list = certificates.own_list_file(self.paths[CA])
        if own_list.exists():
            members[certificates.OWN_LIST] = own_list.read_bytes()
        return _zip(members, self._now())

    def unpack(self, archive: bytes) -> tuple[dict[str, bytes], dict[Path, bytes]]:
        """Return the files of a backup by their names here, and the others by path.

        :raises CertificateError: it is not a backup, or lacks a file that the service needs.
        """
        files: dict[str, bytes] = {}
        others: dict[Path, bytes] = {}
        for name, data in _members(archive):
            match = _STATION_FILE.fullmatch(name)
            if name in _IN_ARCHIVE:
                file = _IN_ARCHIVE[name]
                files[file] = data if file in SECRET_FILES else split_pem(data)[0]
            elif name == certificates.OWN_LIST:
                others[certificates.own_list_file(self.paths[CA])] = revoking.restored(self.paths[CA], data)
            elif match:
                others[self.stations / match[1] / f"{match[2]}.pem"] = data
            else:
                raise CertificateError(f"{name[:100]}: does not belong in a backup of certificates")
        missing = [name for name, file in _IN_ARCHIVE.items() if file != CA_KEY and file not in files]
        if missing:
            raise CertificateError(f"the archive lacks {', '.join(missing)}")
        return files, others


def _readable(path: Path) -> list[x509.Certificate]:
    try:
        return certificates.read_certificates(path, "the bundle")[:1]
    except CertificateError:
        return []


def split_pem(data: bytes) -> tuple[bytes, bytes]:
    """Return the certificates and the private key of one file; either may be empty."""
    certificate_parts: list[bytes] = []
    key_parts: list[bytes] = []
    for label, block in certificates.pem_blocks(data):
        if label.endswith(b"PRIVATE KEY"):
            key_parts.append(block)
        elif label.endswith(b"CERTIFICATE"):
            certificate_parts.append(block)
    return b"".join(certificate_parts), b"".join(key_parts)


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir()]
            if sum(info.file_size for info in infos) > MAX_ARCHIVE:
                raise CertificateError(f"the archive is larger than {MAX_ARCHIVE} bytes")
            for info in infos:
                with opened.open(info) as member:
                    # The size in the archive may be false; memory must not be exhausted.
                    yield info.filename, member.read(MAX_ARCHIVE)
    except CertificateError:
        raise
    except _DAMAGED as error:
        raise CertificateError(f"this is not a backup, or it is damaged: {error}") from None


def _zip(members: Mapping[str, bytes], now: datetime) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, date_time=now.timetuple()[:6])
            info.external_attr = 0o600 << 16
            archive.writestr(info, data)
    return packed.getvalue()


def _described(file: str, name: str, path: Path, setting: str) -> list[dict[str, Any]]:
    try:
        found = certificates.read_certificates(path, setting)
    except CertificateError:
        return []
    entries = []
    for number, certificate in enumerate(found):
        description = certificates.describe(certificate)
        entries.append(
            {
                "file": file,
                "name": name if not number else f"{name}, chain {number}",
                "path": str(path),
                "subject": description.subject,
                "issuer": description.issuer,
                "names": list(description.names),
                "fingerprint": description.fingerprint,
                "not_before": certificate.not_valid_before_utc.timestamp(),
                "not_after": description.not_after.timestamp(),
            }
        )
    return entries
