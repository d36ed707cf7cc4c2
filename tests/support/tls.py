"""Certificates for tests: one CA, a service center, and base stations signed by it.

Use it as a fixture by importing it into a ``conftest.py`` or a test module::

    from tests.support.tls import tls_files

    def test_something(tls_files):
        tls_files.directory / "service_center_cert.pem"
        tls_files.station_bundle(0x70B3D56770FF0001)
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_VALID_UNTIL = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A CA of elliptic-curve keys that writes certificates into a directory."""

    def __init__(self, directory: Path, name: str = "test CA") -> None:
        self.directory = directory
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
        (directory / "ca_cert.pem").write_bytes(self.certificate_pem)

    def issue(
        self,
        common_name: str,
        certificate_file: Path,
        key_file: Path,
        *,
        server: bool = False,
        host: str | None = None,
    ) -> None:
        """Write a certificate and its private key: of a client, a server here, or one on ``host``."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if host is not None:
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        elif server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        key_file.chmod(0o600)

    def revoke(self, bundle: Path) -> bytes:
        """A revocation list (PEM) that names the certificate of a base station's bundle."""
        revoked = x509.load_pem_x509_certificate((bundle / "station_cert.pem").read_bytes())
        entry = x509.RevokedCertificateBuilder().serial_number(revoked.serial_number)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(_VALID_FROM).next_update(_VALID_UNTIL)
        builder = builder.add_revoked_certificate(entry.revocation_date(_VALID_FROM).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class TLSFiles:
    """A directory with ca_cert.pem, service_center_cert.pem and service_center_key.pem."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.authority.issue("localhost", self.certificate, self.key, server=True)

    @property
    def ca(self) -> Path:
        return self.directory / "ca_cert.pem"

    @property
    def certificate(self) -> Path:
        return self.directory / "service_center_cert.pem"

    @property
    def key(self) -> Path:
        return self.directory / "service_center_key.pem"

    def station_bundle(self, eui: int | str = "localhost") -> Path:
        """A directory with ca_cert.pem, station_cert.pem and station_key.pem; made once per ``eui``.

        An integer becomes the CN as 16 upper-case hexadecimal digits, a text is the CN as it is.
        """
        common_name = f"{eui:016X}" if isinstance(eui, int) else eui
        bundle = self.directory / "stations" / common_name
        if not bundle.exists():
            bundle.mkdir(parents=True)
            (bundle / "ca_cert.pem").write_bytes(self.authority.certificate_pem)
            self.authority.issue(common_name, bundle / "station_cert.pem", bundle / "station_key.pem")
        return bundle


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TLSFiles:
    """Certificates of one CA for a whole test session."""
    return TLSFiles(tmp_path_factory.mktemp("tls"))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID_FROM)
        .not_valid_after(_VALID_UNTIL)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
