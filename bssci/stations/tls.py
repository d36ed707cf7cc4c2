"""Mutual TLS for base stations: the files that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from OpenSSL import crypto
from twisted.internet.ssl import Certificate, CertificateOptions, trustRootFromCertificates
from twisted.logger import Logger

from bssci.certificates.reading import check_pair, read_certificates, read_key
from bssci.certificates.server import identity


@dataclass(frozen=True)
class StationFiles:
    """Our certificate (chain), its key, and the authorities that base stations' are signed by."""

    certificate: Path
    key: Path
    authorities: Path

    log: ClassVar[Logger] = Logger()

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.certificate, self.key, self.authorities)

    def load(self) -> CertificateOptions:
        """A certificate of these authorities is asked of every client.

        :raises CertificateError: one line that names file, place and remedy.
        """
        for warning in check_pair(self.certificate, self.key, self.authorities, datetime.now(UTC)):
            self.log.warn("{warning}", warning=warning)
        authorities = read_certificates(self.authorities, "CA_FILE")
        return CertificateOptions(
            **identity(read_certificates(self.certificate, "CERT_FILE"), read_key(self.key, "KEY_FILE")),
            trustRoot=trustRootFromCertificates(
                [Certificate(crypto.X509.from_cryptography(each)) for each in authorities]
            ),
        )
