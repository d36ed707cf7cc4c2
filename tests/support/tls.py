"""Certificates of equipment in the field, which say less than ours: a CA, a service center, stations."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bssci.certificates.issuing import certificate_to_pem, key_to_pem, new_key

_VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_VALID_UNTIL = datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A CA that writes certificates into a directory."""

    def __init__(self, directory: Path, name: str = "test CA") -> None:
        self.directory = directory
        self._name = _name(name)
        self._key = new_key()
        certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))
        self.certificate_pem = certificate_to_pem(certificate)
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
        names: list[x509.GeneralName] = [x509.DNSName(host or "localhost")]
        names += [] if host else [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        extensions = [x509.SubjectAlternativeName(names)] if server or host else []
        key = new_key()
        basic = x509.BasicConstraints(ca=False, path_length=None)
        certificate_file.write_bytes(
            certificate_to_pem(self._sign(_name(common_name), key, basic, *extensions))
        )
        key_file.write_bytes(key_to_pem(key))
        key_file.chmod(0o600)

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(_VALID_FROM).not_valid_after(_VALID_UNTIL)
        for each in extensions:
            builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())

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
