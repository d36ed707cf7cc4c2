"""Certificates as files: those of the authority and the service center, and a directory for each base
station.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from bssci.certificates import issuing
from bssci.certificates import reading as certificates
from bssci.certificates.issuing import Authority
from bssci.certificates.reading import CertificateError, PrivateKey
from bssci.model import EUI
from bssci.system.files import make_directory, write_atomically

ANY_STATION = "base-station"
"""Directory of the bundle whose certificate names no EUI."""


class Made(NamedTuple):
    """A file that exists now, made or kept."""

    path: Path
    created: bool
    """false: it existed before and was kept"""


def authority_key_file(ca_file: Path) -> Path:
    return ca_file.with_name("ca_key.pem")


def make_authority(ca_file: Path, now: datetime) -> Iterator[Made]:
    """Make the CA unless it exists; a CA of somebody else, whose key is not here, is kept as it is.

    :raises CertificateError: the existing files cannot be used.
    :raises OSError: a file cannot be written.
    """
    key_file = authority_key_file(ca_file)
    if ca_file.exists() and not key_file.exists():
        certificates.read_certificates(ca_file, "CA_FILE")
        yield Made(ca_file, created=False)
        return
    yield from _make_pair(ca_file, key_file, lambda key: issuing.create_authority(key, now))


def make_server(
    ca_file: Path, cert_file: Path, key_file: Path, hosts: Iterable[str], now: datetime
) -> Iterator[Made]:
    """Make the service center's certificate and key unless they exist. Raises what :func:`make_authority`
    raises.
    """

    def issue(key: PrivateKey) -> x509.Certificate:
        return issuing.issue_server(key, read_authority(ca_file), hosts, now)

    yield from _make_pair(cert_file, key_file, issue)


def make_station(ca_file: Path, stations: Path, eui: EUI | None, now: datetime) -> Iterator[Made]:
    """Make ca_cert.pem, station_cert.pem and station_key.pem in ``<stations>/<EUI>/`` unless they exist.
    Raises what :func:`make_authority` raises.

        :param eui: None for a bundle whose certificate names no base station.
    """
    directory = stations / (eui or ANY_STATION)
    certificate = directory / "station_cert.pem"
    if not certificate.exists():
        read_authority(ca_file)  # else a key without a certificate would be left behind

    def issue(key: PrivateKey) -> x509.Certificate:
        return issuing.issue_station(key, read_authority(ca_file), eui, now)

    yield from _make_pair(certificate, directory / "station_key.pem", issue)
    copy = directory / "ca_cert.pem"
    yield _make(copy, lambda: certificates_of(ca_file))


def read_authority(ca_file: Path) -> Authority:
    """Return the authority in CA_FILE whose key is beside that file. Raises what :func:`make_authority`
    raises.
    """
    authorities = certificates.read_certificates(ca_file, "CA_FILE")
    key_file = authority_key_file(ca_file)
    if not key_file.exists():
        raise CertificateError(
            f"{key_file}: does not exist", "only the owner of the CA, who has its key, can issue certificates"
        )
    key = certificates.read_key(key_file, certificates.AUTHORITY_KEY)
    for authority in authorities:
        if authority.public_key() == key.public_key():
            return Authority(authority, key)
    raise CertificateError(
        f"{key_file}: is not the key of {ca_file}",
        "restore the right key, or make a new CA",
        "upload an authority and its own key together, or the authority alone",
    )


def certificates_of(ca_file: Path) -> bytes:
    """Return the certificates in CA_FILE, without a key that may also be in the file, as bundles are passed
    on.
    """
    found = certificates.read_certificates(ca_file, "CA_FILE")
    return b"".join(issuing.certificate_to_pem(each) for each in found)


def _make_pair(
    cert_file: Path, key_file: Path, issue: Callable[[PrivateKey], x509.Certificate]
) -> Iterator[Made]:
    """Make a key, then its certificate; a later run continues with the key if this one is interrupted."""
    if cert_file.exists() and not key_file.exists():
        raise CertificateError(
            f"{key_file}: does not exist, though {cert_file} does; restore it, or remove both"
        )
    yield _make(key_file, lambda: issuing.key_to_pem(issuing.new_key()))
    yield _make(
        cert_file, lambda: issuing.certificate_to_pem(issue(certificates.read_key(key_file, "its path")))
    )


def _make(path: Path, content: Callable[[], bytes]) -> Made:
    if path.exists():
        return Made(path, created=False)
    data = content()
    make_directory(path.parent, 0o700)
    write_atomically(path, data)
    return Made(path, created=True)
