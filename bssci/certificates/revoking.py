"""The revocation list of our own authority: one certificate more is all that changes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from bssci.certificates.bundles import read_authority
from bssci.certificates.checking import is_signed_by
from bssci.certificates.issuing import Authority
from bssci.certificates.reading import CertificateError, lists_of, own_list_file, signed_list

MAX_REVOKED = 20_000
"""certificates that the list may name"""


class ListedCertificate(NamedTuple):
    """A certificate that the list names."""

    serial_number: int
    at: datetime


def revoke(ca_file: Path, certificate: x509.Certificate, now: datetime) -> bytes:
    """Return the content of the list with one more certificate; the same again changes nothing.

    :raises CertificateError: the key of the authority that signed it is not here, or the list is full.
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
        raise CertificateError(f"{own_list_file(ca_file)}: names {MAX_REVOKED} certificates, no more fit")
    others = [each for each in lists if each not in own]
    return b"".join(
        each.public_bytes(serialization.Encoding.PEM)
        for each in (_list(authority, entries, own, now), *others)
    )


def empty_list(ca_file: Path, now: datetime) -> bytes:
    """Return a list that names nobody: a broker that is told to honour one wants it to be there.

    :raises CertificateError: the authority's key is not here.
    """
    return _list(read_authority(ca_file), {}, [], now).public_bytes(serialization.Encoding.PEM)


def listed(ca_file: Path) -> Iterator[ListedCertificate]:
    """Yield what the list names, also that of earlier authorities of ours."""
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
    """Sign a list that is good for as long as its authority: nobody has to make it anew."""
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
