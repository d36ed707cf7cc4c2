"""The revocation list of the service's own authority, to which certificates are only ever added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from bssci.certificates.bundles import read_authority
from bssci.certificates.issuing import Authority
from bssci.certificates.reading import (
    CertificateError,
    is_signed_by,
    lists_in,
    lists_of,
    own_list_file,
    signed_list,
)

MAX_REVOKED = 20_000
"""certificates that the list may contain"""


class ListedCertificate(NamedTuple):
    """A certificate in the list."""

    serial_number: int
    at: datetime


def revoke(ca_file: Path, certificate: x509.Certificate, now: datetime) -> bytes:
    """Return the content of the list with a certificate added, unless it is there already.

    :raises CertificateError: the key of the authority that signed the certificate is not here, or the list
        is full.
    """
    authority = read_authority(ca_file)
    if not is_signed_by(certificate, authority.certificate):
        raise CertificateError(
            f"{certificate.subject.rfc4514_string()} is signed by"
            f" {certificate.issuer.rfc4514_string()}, whose"
            " key is not here: only its owner can revoke it (CRL_FILE takes the list); or block the station"
        )
    lists = _lists(ca_file)
    own = [each for each in lists if signed_list(each, authority.certificate)]
    entries = {each.serial_number: each.revocation_date_utc for found in own for each in found}
    entries.setdefault(certificate.serial_number, now)
    if len(entries) > MAX_REVOKED:
        raise CertificateError(
            f"{own_list_file(ca_file)}: contains {MAX_REVOKED} certificates, which is the limit"
        )
    others = [each for each in lists if each not in own]
    return b"".join(
        each.public_bytes(serialization.Encoding.PEM)
        for each in (_list(authority, entries, own, now), *others)
    )


def restored(ca_file: Path, backup: bytes) -> bytes:
    """Return the content of the list after a backup of it is put back: what was revoked since stays revoked.

    :param backup: content of the list's file in the backup.
    :raises CertificateError: it holds no revocation list.
    """
    path = own_list_file(ca_file)
    lists = lists_in(backup)
    if not lists:
        raise CertificateError(f"{path.name}: holds no revocation list")
    present = lists_in(path.read_bytes()) if path.exists() else []
    kept: list[x509.CertificateRevocationList] = []
    for each in sorted([*present, *lists], key=len, reverse=True):
        if not any(_covers(other, each) for other in kept):
            kept.append(each)
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in kept)


def _covers(longer: x509.CertificateRevocationList, shorter: x509.CertificateRevocationList) -> bool:
    """Return whether a list of the same authority has all certificates of another one."""
    return longer.issuer == shorter.issuer and _serials(shorter) <= _serials(longer)


def _serials(found: x509.CertificateRevocationList) -> set[int]:
    return {each.serial_number for each in found}


def empty_list(ca_file: Path, now: datetime) -> bytes:
    """Return an empty list, for a broker, which needs the file to exist if its configuration names it.

    :raises CertificateError: the authority's key is not here.
    """
    return _list(read_authority(ca_file), {}, [], now).public_bytes(serialization.Encoding.PEM)


def listed(ca_file: Path) -> Iterator[ListedCertificate]:
    """Yield the certificates in the lists of the present authority and of earlier ones."""
    for found in _lists(ca_file):
        for each in found:
            yield ListedCertificate(each.serial_number, each.revocation_date_utc)


def _lists(ca_file: Path) -> list[x509.CertificateRevocationList]:
    path = own_list_file(ca_file)
    return lists_of(path, "CA_FILE") if path.exists() else []


def _list(
    authority: Authority,
    entries: dict[int, datetime],
    earlier: Sequence[x509.CertificateRevocationList],
    now: datetime,
) -> x509.CertificateRevocationList:
    """Sign a list that is valid as long as its authority, so that it need not be renewed."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(now)
        .next_update(authority.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(1 + max(map(_number, earlier), default=0)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )
    for serial, at in entries.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256())


def _number(found: x509.CertificateRevocationList) -> int:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0
