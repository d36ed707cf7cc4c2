"""TLS of the web admin, without client certificates: the files that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twisted.internet.ssl import CertificateOptions

from bssci.certificates.reading import read_pair
from bssci.certificates.server import identity
from bssci.settings.table import Settings


@dataclass(frozen=True)
class WebFiles:
    """Its certificate (chain) and the key."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, settings: Settings) -> WebFiles:
        """Those that the settings name: its own, or else the service center's."""
        return cls(settings.web_cert_file or settings.cert_file, settings.web_key_file or settings.key_file)

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.certificate, self.key)

    def load(self) -> CertificateOptions:
        """:raises CertificateError: one line that names file, place and remedy."""
        return CertificateOptions(**identity(*read_pair(self.certificate, self.key, "WEB_")))
