"""Certificates of base stations, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from bssci.certificates.issuing import new_key


def certificate_of(name: str) -> bytes:
    """Return a certificate (DER) for this common name."""
    key = new_key()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, day, day + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)
