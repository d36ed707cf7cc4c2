"""The server side of TLS, with certificates that can be replaced while connections stay open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.certificates.checking import examine
from bssci.certificates.contexts import server_context, station_context
from bssci.certificates.reading import (
    REVOKED,
    CertificateError,
    own_list_file,
    read_certificates,
    read_key,
    read_own_list,
    read_pair,
    read_revoked,
    revocation_file,
)
from bssci.system.clock import Clock, Ticker
from bssci.system.utc import utc_now
from bssci.system.watching import stamps_of

CHECK_INTERVAL = 5.0
"""s between checks whether the files changed"""
PATIENCE = 30.0
"""s for which changed files may not fit each other, as they are replaced one by one"""


class ServerFiles(Protocol):
    """The PEM files that a server needs."""

    @property
    def paths(self) -> Sequence[Path]:
        """Paths of all files, the certificate first."""

    def load(self, now: datetime, *, at_start: bool) -> SSL.Context:
        """Return the TLS context made from the files; TLS 1.2 at least.

        :param at_start: there are no earlier certificates to keep, so expired ones are accepted, too.
        :raises CertificateError: one line that names file, place and remedy.
        """


@dataclass(frozen=True)
class StationFiles:
    """Files for mutual TLS: every client must show a certificate from the authorities."""

    certificate: Path
    """certificate of the service center, with those that signed it"""
    key: Path
    authorities: Path
    """certificates of the authorities that sign base stations' certificates"""
    revoked: Path | None = None
    """revocation lists of the authorities; None for ``crl.pem`` beside them, if it exists"""

    log: ClassVar[Logger] = Logger()

    @property
    def paths(self) -> tuple[Path, ...]:
        revoked = self.revoked or self.authorities.with_name(REVOKED)
        return (self.certificate, self.key, self.authorities, revoked, own_list_file(self.authorities))

    def load(self, now: datetime, *, at_start: bool) -> SSL.Context:
        """See :class:`ServerFiles`."""
        verdict = examine(self.certificate, self.key, self.authorities, now, self.revoked)
        for fault in verdict.faults:
            if not at_start:
                raise fault
            self.log.error("no base station can connect: {fault}", fault=str(fault))
        for warning in verdict.warnings:
            self.log.warn("{warning}", warning=warning)
        authorities = read_certificates(self.authorities, "CA_FILE")
        chain = read_certificates(self.certificate, "CERT_FILE")
        # Authorities between the service center's certificate and CA_FILE can revoke, too.
        lists = read_revoked(revocation_file(self.authorities, self.revoked), [*authorities, *chain[1:]])
        own = read_own_list(self.authorities, authorities)
        return station_context(chain, read_key(self.key, "KEY_FILE"), authorities, [*lists, *own])


@dataclass(frozen=True)
class WebFiles:
    """Files of the web admin, which does not ask for client certificates."""

    certificate: Path
    """certificate of the web admin, with those that signed it"""
    key: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        return (self.certificate, self.key)

    def load(self, now: datetime, *, at_start: bool) -> SSL.Context:
        """See :class:`ServerFiles`. Expired certificates are accepted: browsers report them."""
        try:
            return server_context(*read_pair(self.certificate, self.key, "WEB_"))
        except CertificateError as error:
            if str(error).startswith((f"{self.certificate}:", f"{self.key}:")):
                raise
            raise CertificateError(
                f"{self.certificate}: {error}; set WEB_CERT_FILE to another file"
            ) from None


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Makes the server side of TLS connections from files, which are read again when they change.

    Open connections stay as they are. As long as the files do not fit each other, as while they are
    replaced one by one, the old certificates stay in use.

    :param run_in_thread: ``deferToThread``: reading and checking keys takes time.
    :raises CertificateError: the files cannot be used.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        files: ServerFiles,
        run_in_thread: Callable[..., Any],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.files = files
        self._clock = clock
        self._now = now
        self._refusal: tuple[float, str] | None = None
        """clock's seconds when the present files were refused first, and why they were last"""
        self._run_in_thread = run_in_thread
        self._stamp = stamps_of(files.paths)
        self._context = files.load(self._now(), at_start=True)
        self._lock = DeferredLock()
        self._ticker = Ticker(clock, CHECK_INTERVAL, self.check)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    @property
    def trouble(self) -> str:
        """Why the present files are not in use; empty if they are, or are still being replaced."""
        if self._refusal is None or self._clock.seconds() - self._refusal[0] < PATIENCE:
            return ""
        return self._refusal[1]

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """See ``IOpenSSLServerConnectionCreator``."""
        return SSL.Connection(self._context, None)

    def check(self) -> Deferred[None]:
        """Load the files if they changed; fires when the present files are in use, or were refused."""
        return self._lock.run(self._look)

    def reload(self) -> Deferred[None]:
        """Load the files even if they did not change: they may have become valid meanwhile."""
        return self._lock.run(self._look, anew=True)

    def _look(self, anew: bool = False) -> Any:
        stamp = stamps_of(self.files.paths)
        if stamp == self._stamp and not anew:
            return None
        self._stamp = stamp
        return self._run_in_thread(self._load).addCallbacks(self._loaded, self._not_loaded)

    def _load(self) -> SSL.Context:
        return self.files.load(self._now(), at_start=False)

    def _loaded(self, context: SSL.Context) -> None:
        self._context = context
        self._refusal = None
        self.log.info("certificates reloaded {file}", file=str(self.files.paths[0]))

    def _not_loaded(self, failure: Failure) -> None:
        reason = failure.check(CertificateError)
        text = failure.getErrorMessage() if reason else failure.getTraceback()
        since = self._refusal[0] if self._refusal is not None else self._clock.seconds()
        self._refusal = since, failure.getErrorMessage()
        self.log.error("new certificates not used, the old ones stay {error}", error=text)
