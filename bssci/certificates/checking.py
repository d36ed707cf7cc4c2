"""Checks of certificate files: whether OpenSSL can serve with them, and base stations could connect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from bssci.certificates.contexts import described_key, server_context, station_context
from bssci.certificates.handshakes import OTHER_PURPOSE, meet, words_of_fault
from bssci.certificates.reading import (
    CertificateError,
    PrivateKey,
    is_signed_by,
    lists_of,
    read_certificates,
    read_own_list,
    read_pair,
    read_revoked,
    revocation_file,
    subject_of,
)

SOON = timedelta(days=30)
"""time before a certificate expires from which on there is a warning"""
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""curves of keys that every TLS library knows"""
MAX_CHAIN = 32 * 1024
"""largest size in bytes (DER) of a certificate with those that signed it: base stations buffer no more of a
handshake
"""


class FilesVerdict(NamedTuple):
    """Faults of and warnings about files that the service center can open; one line each."""

    faults: tuple[CertificateError, ...]
    """faults that keep everybody out as long as they last, though the files are right: an expired
    certificate
    """
    warnings: tuple[str, ...]


def check_pair(
    cert_file: Path,
    key_file: Path,
    ca_file: Path,
    now: datetime,
    crl_file: Path | None = None,
    soon: timedelta = SOON,
) -> list[str]:
    """Check that base stations can connect with CERT_FILE, KEY_FILE, CA_FILE and CRL_FILE.

    :param soon: time before it expires from which on a certificate is warned of.
    :return: warnings, one line each.
    :raises CertificateError: they cannot.
    """
    verdict = examine(cert_file, key_file, ca_file, now, crl_file, soon)
    if verdict.faults:
        raise verdict.faults[0]
    return list(verdict.warnings)


def examine(
    cert_file: Path,
    key_file: Path,
    ca_file: Path,
    now: datetime,
    crl_file: Path | None = None,
    soon: timedelta = SOON,
) -> FilesVerdict:
    """Return what is wrong with CERT_FILE, KEY_FILE, CA_FILE and CRL_FILE.

    :raises CertificateError: the service center could not use them at any time.
    """
    authorities = read_certificates(ca_file, "CA_FILE")
    chain, key = read_pair(cert_file, key_file)
    _refuse_size(cert_file, chain)
    _refuse_weak(cert_file, chain)
    _refuse_order(cert_file, chain)
    _refuse_authorities(cert_file, ca_file, chain, authorities)
    revoking = [*authorities, *chain[1:]]
    revoked = read_revoked(revocation_file(ca_file, crl_file), revoking)
    read_own_list(ca_file, authorities)
    _refuse_untaken(cert_file, chain, key, authorities, revoked)
    faults = [*_all_out_of_time(ca_file, authorities, now), *_out_of_time(cert_file, chain, now)]
    warnings = [
        *_some_out_of_time(ca_file, authorities, now),
        *_soon_out_of_time(ca_file, authorities, now, soon),
        *_soon_out_of_time(cert_file, chain, now, soon),
        *_old_lists(revocation_file(ca_file, crl_file), revoked, now),
        *_foreign_lists(revocation_file(ca_file, crl_file), revoking),
        *_refused_by_strict_stations(cert_file, ca_file, chain, key, authorities),
    ]
    if key_file.stat().st_mode & 0o077:
        warnings.append(f"{key_file}: others may read it; run `chmod 600 {key_file}`")
    return FilesVerdict(tuple(faults), tuple(warnings))


def _refuse_authorities(
    cert_file: Path, ca_file: Path, chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> None:
    """Refuse authorities of which none has signed the chain, or one may not sign at all."""
    if not leads_to(chain, authorities):
        raise CertificateError(
            f"{cert_file}: is not signed by {ca_file} (signed by {chain[-1].issuer.rfc4514_string()})",
            "append the certificate of each authority in between, set CA_FILE to its authority, "
            "or remove it and its key and run `bssci init`",
            "append the certificate of each authority in between, or upload certificate, key and authority"
            " together",
        )
    for authority in authorities:
        if not _may_sign(authority):
            raise CertificateError(
                f"{ca_file}: may not sign certificates (it needs CA:TRUE and keyCertSign); use another CA"
            )


def _refused_by_strict_stations(
    cert_file: Path,
    ca_file: Path,
    chain: Sequence[x509.Certificate],
    key: PrivateKey,
    authorities: Sequence[x509.Certificate],
) -> Iterator[str]:
    """Yield what base stations refuse that insist on more than most, found by a handshake in memory."""
    strict = {fault for _, fault in meet(server_context(chain, key), authorities, whole_chain=True).faults}
    if OTHER_PURPOSE in strict:
        yield (
            f"{cert_file}: does not name servers in its extended key usage (serverAuth); base stations that"
            " insist on it refuse the service center"
        )
    if strict - {OTHER_PURPOSE}:
        yield (
            f"{ca_file}: holds no root (a self-signed authority); base stations that insist on one"
            " refuse the service center: add it"
        )


def refuse_station(
    context_of: tuple[Sequence[x509.Certificate], PrivateKey, Sequence[x509.Certificate]],
    identity: tuple[x509.Certificate, PrivateKey],
    ca_file: Path,
) -> None:
    """Check, by a handshake in memory, that a base station could connect.

    :param context_of: chain and key of the service center, and its authorities.
    :param identity: certificate and key of the base station.
    :raises CertificateError: it could not.
    """
    chain, key, authorities = context_of
    meeting = meet(station_context(chain, key, authorities), authorities, identity=identity)
    if meeting.refused:
        name = identity[0].subject.rfc4514_string()
        raise CertificateError(
            f"{ca_file}: the base station {name}, whose certificate it signed, could not connect"
            f" ({meeting.refused})"
        )


def _refuse_size(path: Path, chain: Sequence[x509.Certificate]) -> None:
    size = sum(len(each.public_bytes(Encoding.DER)) for each in chain)
    if size > MAX_CHAIN:
        raise CertificateError(
            f"{path}: its {len(chain)} certificates have {size} bytes, but base stations accept {MAX_CHAIN};"
            " leave only the service center's and those between it and the authority"
        )


def _refuse_weak(path: Path, chain: Sequence[x509.Certificate]) -> None:
    for each in chain:
        algorithm = each.signature_hash_algorithm
        if algorithm is not None and algorithm.name in ("md5", "sha1") and each.subject != each.issuer:
            raise CertificateError(
                f"{path}: {subject_of(each)} is signed with {algorithm.name.upper()},"
                " which no TLS library accepts"
                f" any more; have {each.issuer.rfc4514_string()} sign it again with SHA-256"
            )


def _refuse_order(path: Path, chain: Sequence[x509.Certificate]) -> None:
    seen: set[bytes] = set()
    for number, each in enumerate(chain, 1):
        der = each.public_bytes(Encoding.DER)
        if der in seen:
            raise CertificateError(
                f"{path}: certificate {number} ({subject_of(each)}) appears twice; remove one of them"
            )
        seen.add(der)
    for number in range(1, len(chain)):
        lower, upper = chain[number - 1], chain[number]
        if not is_signed_by(lower, upper):
            elsewhere = any(is_signed_by(lower, each) for each in chain)
            remedy = (
                "put each certificate before the one that signed it, the service center's own first"
                if elsewhere
                else "leave only those between the service center's and the authority"
            )
            raise CertificateError(
                f"{path}: certificate {number + 1} ({subject_of(upper)}) did not sign certificate {number}"
                f" ({subject_of(lower)}); {remedy}"
            )


def leads_to(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    """Return whether one of the authorities is in a chain, or has signed a certificate of it."""
    return any(
        each == authority or is_signed_by(each, authority) for each in chain for authority in authorities
    )


def _refuse_untaken(
    path: Path,
    chain: Sequence[x509.Certificate],
    key: PrivateKey,
    authorities: Sequence[x509.Certificate],
    revoked: Sequence[x509.CertificateRevocationList],
) -> None:
    """Try the certificates with OpenSSL, both as a server and as a base station that connects.

    :raises CertificateError: the server or the base station would refuse them.
    """
    kind = described_key(key)
    try:
        if isinstance(key, ec.EllipticCurvePrivateKey) and kind not in CURVES:
            raise CertificateError(f"its key is {kind}, which base stations do not support")
        station_context(chain, key, authorities, revoked)
        meeting = meet(server_context(chain, key), authorities)
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}; use a key on P-256 or RSA of 2048 bits or more") from None
    for certificate, fault in meeting.faults:
        if fault == OTHER_PURPOSE:
            continue  # some TLS libraries accept it; there is a warning
        raise CertificateError(
            f"{path}: base stations would refuse {subject_of(certificate)}: {words_of_fault(fault)}"
        )
    if meeting.refused:
        raise CertificateError(
            f"{path}: no base station could connect ({meeting.refused}; its key is {kind});"
            " use a key on P-256 or RSA of 2048 bits or more"
        )


def _out_of_time(path: Path, found: Sequence[x509.Certificate], now: datetime) -> Iterator[CertificateError]:
    for number, certificate in enumerate(found):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        which = f" ({subject_of(certificate)})" if number else ""
        if now > end:
            remedy = (
                f"get the current certificate of {subject_of(certificate)} from its owner,"
                " and replace this one"
                if number
                else "remove it and run `bssci init`"
            )
            upload = "" if number else "upload one that is valid"
            yield CertificateError(f"{path}: expired on {end:%Y-%m-%d}{which}", remedy, upload)
        elif now < begin:
            fault = f"{path}: is valid only from {begin:%Y-%m-%d}{which}"
            yield CertificateError(fault, "check this machine's clock")


def _all_out_of_time(
    path: Path, authorities: Sequence[x509.Certificate], now: datetime
) -> list[CertificateError]:
    found = list(_out_of_time(path, authorities, now))
    return found[:1] if len(found) == len(authorities) else []


def _some_out_of_time(path: Path, authorities: Sequence[x509.Certificate], now: datetime) -> list[str]:
    found = [each for each in authorities if list(_out_of_time(path, [each], now))]
    if len(found) == len(authorities):
        return []
    return [
        f"{path}: the authority {subject_of(each)} is not valid now ({each.not_valid_before_utc:%Y-%m-%d} to "
        f"{each.not_valid_after_utc:%Y-%m-%d}); base stations with certificates from it are refused"
        for each in found
    ]


def _soon_out_of_time(
    path: Path, found: Sequence[x509.Certificate], now: datetime, soon: timedelta
) -> Iterator[str]:
    for number, certificate in enumerate(found):
        end = certificate.not_valid_after_utc
        if end - soon < now <= end:
            which = f" ({subject_of(certificate)})" if number else ""
            yield f"{path}: expires on {end:%Y-%m-%d}{which}"


def _old_lists(
    path: Path | None, revoked: Sequence[x509.CertificateRevocationList], now: datetime
) -> Iterator[str]:
    for each in revoked:
        end = each.next_update_utc
        if end is not None and now > end:
            yield (
                f"{path}: the list of {each.issuer.rfc4514_string()} is out of date since {end:%Y-%m-%d};"
                " certificates in it are refused, those revoked since are not"
            )


def _foreign_lists(path: Path | None, authorities: Sequence[x509.Certificate]) -> Iterator[str]:
    """Yield a warning for each list without effect, because its issuer is not an authority of this
    service.
    """
    names = {each.subject for each in authorities}
    for each in lists_of(path, "CRL_FILE") if path is not None else ():
        if each.issuer not in names:
            yield (
                f"{path}: the list of {each.issuer.rfc4514_string()} refuses nobody: that authority is in"
                " neither CA_FILE nor CERT_FILE; add it to CA_FILE"
            )


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return authority and certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        return missing.oid == ExtensionOID.KEY_USAGE
