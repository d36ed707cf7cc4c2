"""TLS of the web admin: without client certificates, read again when the files change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from bssci.certificates import CertificateError, read_certificates, read_key
from bssci.clock import Clock, Ticker

CHECK_INTERVAL = 30.0
"""s between looks whether the files changed"""


@implementer(IOpenSSLServerConnectionCreator)
class WebTLS:
    """Makes the server side of TLS connections; open ones stay as they are.

    :raises CertificateError: the files cannot be used.
    """

    log = Logger()

    def __init__(self, clock: Clock, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._stamp = self._look()
        self._options = self._load()
        self._ticker = Ticker(clock, CHECK_INTERVAL, self.check)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See ``IOpenSSLServerConnectionCreator``."""
        return SSL.Connection(self._options.getContext(), None)

    def check(self) -> None:
        """Read the files if they changed; if they do not fit each other, the old ones stay in force."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._options = self._load()
        except CertificateError as error:
            self.log.error("new certificate of the web admin not taken {error}", error=str(error))
        else:
            self.log.info("certificate of the web admin reloaded {file}", file=str(self._certificate))

    def _load(self) -> CertificateOptions:
        own, *chain = read_certificates(self._certificate, "WEB_CERT_FILE")
        key = read_key(self._key, "WEB_KEY_FILE")
        if key.public_key() != own.public_key():
            raise CertificateError(
                f"{self._key}: is not the key of {self._certificate}; "
                "set WEB_KEY_FILE and WEB_CERT_FILE to a pair"
            )
        return CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(key),
            certificate=crypto.X509.from_cryptography(own),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in chain],
        )

    def _look(self) -> tuple[Any, ...]:
        found = []
        for path in (self._certificate, self._key):
            try:
                status = os.stat(path)
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)
