"""X.509 for both sides of the link: an authority, what it issues, and whether a pair of files will do."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from bssci.model import EUI, parse_eui

CA_LIFE = timedelta(days=3653)
LIFE = timedelta(days=1826)
"""of what the authority issues; never beyond its own end"""
SOON = timedelta(days=30)
"""before its end a certificate is warned about"""
MADE_BY_INIT = ("CERT_FILE", "KEY_FILE", "CA_FILE")
"""settings whose files ``bssci init`` makes"""
_CLOCK_SKEW = timedelta(days=1)
"""Certificates begin this much earlier: clocks of gateways are not to be trusted."""
_HEX_EUI = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{16}|[0-9a-f]{2}([-:])(?:[0-9a-f]{2}\1){6}[0-9a-f]{2})(?!\1?[0-9a-f])",
    re.IGNORECASE,
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""What the TLS libraries of gateways understand."""


class Authority(NamedTuple):
    """Who signs."""

    certificate: x509.Certificate
    key: PrivateKey


class CertificateError(ValueError):
    """A certificate or key cannot be used: one line with file, place and remedy."""


@dataclass(frozen=True)
class Description:
    """What people want to know about a certificate."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """subject alternative names"""
    not_after: datetime
    fingerprint: str
    """SHA-256, as 64 hexadecimal digits"""


def new_key() -> ec.EllipticCurvePrivateKey:
    """A private key on P-256, which every gateway's TLS library knows."""
    return ec.generate_private_key(ec.SECP256R1())


def create_authority(key: PrivateKey, now: datetime) -> x509.Certificate:
    """A self-signed certificate that can sign others, for ten years."""
    name = _name("BSSCI service center CA")
    builder = _builder(name, name, key, now, now + CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def issue_server(
    key: PrivateKey, authority: Authority, hosts: Iterable[str], now: datetime
) -> x509.Certificate:
    """A certificate for the service center.

    :param hosts: names and addresses by which base stations reach it; some firmware insists on finding
        the address in the certificate. ``localhost``, 127.0.0.1 and ::1 are added.
    """
    names = [_general_name(host) for host in dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"])]
    builder = _issued_builder("BSSCI service center", names, key, authority, now)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return builder.add_extension(usage, critical=False).sign(authority.key, hashes.SHA256())


def issue_station(key: PrivateKey, authority: Authority, eui: EUI | None, now: datetime) -> x509.Certificate:
    """A certificate for a base station, with its EUI as CN and as DNS name in SAN.

    :param eui: None for one that names no station: any may use it where STATION_IDENTITY is lenient.
    """
    name = eui or "base-station"
    builder = _issued_builder(name, [x509.DNSName(name)], key, authority, now)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return builder.add_extension(usage, critical=False).sign(authority.key, hashes.SHA256())


def key_to_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def read_certificates(path: Path, setting: str) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one.

    :raises CertificateError: naming the file and the ``setting`` that points to it.
    """
    data = _read(path, setting)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CertificateError(
            f"{path}: holds no PEM certificate; set {setting} to a file that does"
        ) from None


def read_key(path: Path, setting: str) -> PrivateKey:
    """The private key of a PEM file without a password.

    :raises CertificateError: naming the file and the ``setting`` that points to it.
    """
    key = _read_key(path, setting)
    if not isinstance(key, PrivateKey):
        raise CertificateError(f"{path}: is neither an elliptic-curve nor an RSA key; set {setting} to one")
    return key


def _read_key(path: Path, setting: str) -> PrivateKeyTypes:
    data = _read(path, setting)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise CertificateError(
            f"{path}: is protected by a password; remove it with `openssl pkey -in {path} -out NEW`"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(
            f"{path}: holds no PEM private key; set {setting} to a file that does"
        ) from None


def read_pair(certificate: Path, key: Path, prefix: str = "") -> tuple[list[x509.Certificate], PrivateKey]:
    """A server's certificate with its chain, and its key.

    :param prefix: of the settings that point to them: ``WEB_`` of WEB_CERT_FILE and WEB_KEY_FILE.
    :raises CertificateError: naming file and setting; also if they do not belong together, or are not for
        servers.
    """
    chain, found = read_certificates(certificate, f"{prefix}CERT_FILE"), read_key(key, f"{prefix}KEY_FILE")
    _refuse_strangers(chain[0], certificate, found, key, prefix)
    if not _may_serve(chain[0]):
        raise CertificateError(
            f"{certificate}: is for clients only (extended key usage without serverAuth), nobody would "
            f"accept it of a server; set {prefix}CERT_FILE to one for servers"
        )
    return chain, found


def read_client_pair(
    certificate: Path, key: Path, prefix: str
) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """As :func:`read_pair`, of a client: with a key of any kind, as its server takes them."""
    chain, found = read_certificates(certificate, f"{prefix}CERT_FILE"), _read_key(key, f"{prefix}KEY_FILE")
    _refuse_strangers(chain[0], certificate, found, key, prefix)
    return chain, found


def _refuse_strangers(
    certificate: x509.Certificate, cert_file: Path, key: PrivateKeyTypes, key_file: Path, prefix: str
) -> None:
    if key.public_key() != certificate.public_key():
        raise CertificateError(
            f"{key_file}: is not the key of {cert_file}; set {prefix}KEY_FILE and {prefix}CERT_FILE to a pair"
        )


def describe(certificate: x509.Certificate) -> Description:
    return Description(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=tuple(str(name.value) for name in _alternative_names(certificate)),
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def euis_of(certificate: x509.Certificate) -> set[EUI]:
    """The EUIs that CN or SAN name, in any spelling, also within a longer name such as ``urn:dev:mac:…``."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    texts = [str(attribute.value) for attribute in common_names]
    texts += [
        name.value
        for name in _alternative_names(certificate)
        if isinstance(name, (x509.DNSName, x509.UniformResourceIdentifier))
    ]
    return {parse_eui(match[0]) for text in texts for match in _HEX_EUI.finditer(text)}


def check_pair(cert_file: Path, key_file: Path, ca_file: Path, now: datetime) -> list[str]:
    """Whether the service center can use these files (CERT_FILE, KEY_FILE, CA_FILE).

    :return: warnings, one line each.
    :raises CertificateError: if it cannot.
    """
    authorities = read_certificates(ca_file, "CA_FILE")
    chain, _ = read_pair(cert_file, key_file)
    if not _signed_by(chain, authorities):
        raise CertificateError(
            f"{cert_file}: is not signed by {ca_file} (signed by {chain[0].issuer.rfc4514_string()}); "
            "set CA_FILE to its authority, or remove it and its key and run `bssci init`"
        )
    for authority in authorities:
        if not _may_sign(authority):
            raise CertificateError(
                f"{ca_file}: may not sign certificates (CA:TRUE, keyCertSign); use another CA"
            )
    warnings = _expiring(ca_file, authorities, now) + _expiring(cert_file, chain[:1], now)
    if key_file.stat().st_mode & 0o077:
        warnings.append(f"{key_file}: others may read it; run `chmod 600 {key_file}`")
    return warnings


def _expiring(path: Path, certificates: Sequence[x509.Certificate], now: datetime) -> list[str]:
    warnings = []
    for certificate in certificates:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end:
            raise CertificateError(f"{path}: expired on {end:%Y-%m-%d}; remove it and run `bssci init`")
        if now < begin:
            raise CertificateError(f"{path}: is valid only from {begin:%Y-%m-%d}; set this machine's clock")
        if now > end - SOON:
            warnings.append(f"{path}: expires on {end:%Y-%m-%d}")
    return warnings


def _signed_by(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    linked = all(_issued(lower, upper) for lower, upper in pairwise(chain))
    top = chain[-1]
    return linked and any(top == authority or _issued(top, authority) for authority in authorities)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _may_serve(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.isdisjoint(usage)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return authority and certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as missing:
        return missing.oid == ExtensionOID.KEY_USAGE


def _alternative_names(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        remedy = "run `bssci init`, or set" if setting in MADE_BY_INIT else "set"
        raise CertificateError(f"{path}: does not exist; {remedy} {setting}") from None
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}; check {setting}") from None


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _issued_builder(
    common_name: str,
    names: Sequence[x509.GeneralName],
    key: PrivateKey,
    authority: Authority,
    now: datetime,
) -> x509.CertificateBuilder:
    end = min(now + LIFE, authority.certificate.not_valid_after_utc)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        _builder(_name(common_name), authority.certificate.subject, key, now, end)
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
