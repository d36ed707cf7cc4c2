"""The server's side of TLS, with certificates that can be renewed while connections live."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.certificates.reading import CertificateError, PrivateKey
from bssci.system.clock import Clock, Ticker

CHECK_INTERVAL = 5.0
"""s between looks whether the files changed"""

Stamp = tuple[tuple[int, int, int], ...]


class ServerFiles(Protocol):
    """The PEM files that a server needs."""

    @property
    def paths(self) -> Sequence[Path]:
        """All of them, the certificate first."""

    def load(self) -> CertificateOptions:
        """TLS options, 1.2 at least.

        :raises CertificateError: one line that names file, place and remedy.
        """


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server side of TLS connections from files, and reads them again when they change.

    Connections that are open stay as they are. Files that do not fit each other, as while
    they are being replaced one by one, leave the old certificates in force.

    :param run_in_thread: ``deferToThread``: reading and checking keys takes its time.
    :raises CertificateError: the files cannot be used.
    """

    log = Logger()

    def __init__(self, clock: Clock, files: ServerFiles, run_in_thread: Callable[..., Any]) -> None:
        self.files = files
        self._run_in_thread = run_in_thread
        self._stamp = _stamp(files.paths)
        self._options = files.load()
        self._lock = DeferredLock()
        self._ticker = Ticker(clock, CHECK_INTERVAL, self.check)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See ``IOpenSSLServerConnectionCreator``."""
        return SSL.Connection(self._options.getContext(), None)

    def check(self) -> Deferred[None]:
        """Load the files if they changed; fires when those that are there now are in force, or refused."""
        return self._lock.run(self._look)

    def _look(self) -> Any:
        stamp = _stamp(self.files.paths)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        return self._run_in_thread(self.files.load).addCallbacks(self._loaded, self._not_loaded)

    def _loaded(self, options: CertificateOptions) -> None:
        self._options = options
        self.log.info("certificates reloaded {file}", file=str(self.files.paths[0]))

    def _not_loaded(self, failure: Failure) -> None:
        reason = failure.check(CertificateError)
        text = failure.getErrorMessage() if reason else failure.getTraceback()
        self.log.error("new certificates not taken, the old ones stay {error}", error=text)


def identity(chain: Sequence[x509.Certificate], key: PrivateKey) -> dict[str, Any]:
    """What ``CertificateOptions`` is told of a server: its certificate, those that signed it, its key."""
    own, *signers = chain
    return {"privateKey": key, "certificate": own, "extraCertChain": signers}


def _stamp(paths: Sequence[Path]) -> Stamp:
    """Changes when a file does."""
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append((0, 0, 0))
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)
