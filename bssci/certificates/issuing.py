"""Making of an authority, and of the certificates that it issues."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bssci.certificates.reading import CertificateError, PrivateKey
from bssci.model import EUI

CA_LIFE = timedelta(days=3653)
LIFE = timedelta(days=1826)
"""validity of the certificates that the authority issues, which never exceeds its own"""
MAX_HOST = 254
"""characters that a host name does not reach"""
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?!.{{254}}){_LABEL}(?:\.{_LABEL})*")
_CLOCK_SKEW = timedelta(days=1)
"""Certificates are valid from this much earlier, because clocks of base stations may be wrong."""
_EARLIEST = datetime(2015, 1, 1, tzinfo=UTC)
"""A clock that says less was never set."""


class Authority(NamedTuple):
    """Certificate and key that sign others."""

    certificate: x509.Certificate
    key: PrivateKey


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a private key on P-256, which the TLS library of every base station supports."""
    return ec.generate_private_key(ec.SECP256R1())


def create_authority(key: PrivateKey, now: datetime, path_length: int = 0) -> x509.Certificate:
    """Return a self-signed certificate that can sign others, for ten years.

    :param path_length: number of authorities that may stand between it and a certificate.
    """
    name = _name("BSSCI service center CA")
    builder = _builder(name, name, key, now, now + CA_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def parse_host(text: str) -> str:
    """Return a host name or an address as a certificate holds it.

    :raises ValueError: it is neither; the text names it.
    """
    text = text.strip()
    if is_address(text):
        return text
    try:
        # The pattern would refuse a long one, too, but the encoding takes seconds for it.
        name = text.encode("idna").decode("ascii") if len(text) < MAX_HOST else ""
    except UnicodeError:
        name = ""
    # The last part of a name is not a number: 192.0.2.300 is a wrong address.
    if not _HOST_NAME.fullmatch(name) or name.rpartition(".")[2].isdigit():
        raise ValueError(f"{text[:80]!r} is neither a host name nor an address")
    return name


def is_address(text: str) -> bool:
    """Return whether a text is an IPv4 or IPv6 address, without a zone."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text).packed)
    except ValueError:
        return False


def issue_server(
    key: PrivateKey, authority: Authority, hosts: Iterable[str], now: datetime
) -> x509.Certificate:
    """Return a certificate for the service center.

    :param hosts: names and addresses by which base stations reach it; some firmware insists on finding them
        in the certificate. ``localhost``, 127.0.0.1 and ::1 are added.
    """
    names = [_general_name(host) for host in dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"])]
    builder = _issued_builder("BSSCI service center", names, key, authority, now)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return builder.add_extension(usage, critical=False).sign(authority.key, hashes.SHA256())


def issue_station(key: PrivateKey, authority: Authority, eui: EUI | None, now: datetime) -> x509.Certificate:
    """Return a certificate for a base station, with its EUI as CN and as a DNS name in SAN.

    :param eui: None for a certificate that names no base station; any may use it if STATION_IDENTITY is
        lenient.
    """
    name = eui or "base-station"
    builder = _issued_builder(name, [x509.DNSName(name)], key, authority, now)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return builder.add_extension(usage, critical=False).sign(authority.key, hashes.SHA256())


def issue_device(
    key: PrivateKey, authority: Authority, name: str, now: datetime, life: timedelta
) -> x509.Certificate:
    """Return a certificate for a device, with its name as CN, which is its user name at a broker."""
    builder = _issued_builder(name, [x509.DNSName(name)], key, authority, now, life)
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return builder.add_extension(usage, critical=False).sign(authority.key, hashes.SHA256())


def key_to_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_to_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


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
    """Begin a certificate.

    :raises CertificateError: the clock was never set, so that the certificate would end before it is used.
    """
    if now < _EARLIEST:
        raise CertificateError(
            f"the clock of this machine says {now:%Y-%m-%d}: set it first, for certificates begin and end"
        )
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
    life: timedelta | None = None,
) -> x509.CertificateBuilder:
    end = min(now + (life or LIFE), authority.certificate.not_valid_after_utc)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    return (
        _builder(_name(common_name), authority.certificate.subject, key, now, end)
        .add_extension(issuer, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
