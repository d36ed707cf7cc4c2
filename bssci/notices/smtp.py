"""Handing one mail to a server, and why the server did not take it, in the words of our settings."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import (
    SUCCESS,
    AUTHRequiredError,
    ESMTPSender,
    ESMTPSenderFactory,
    SMTPClientError,
    SMTPDeliveryError,
    SMTPTimeoutError,
    TLSRequiredError,
)
from twisted.python.failure import Failure

from bssci.certificates.naming import NamedServer
from bssci.settings.table import Settings
from bssci.sinks.http_post import explain

ANSWERS_READ = 131_072
"""bytes of a server's answers after which its connection is cut: one without end would fill the memory"""
Answers = Sequence[tuple[bytes, int, bytes]]
"""address of each recipient, with code and text of the server's answer"""


class _Sender(ESMTPSender):
    has_greeting = False
    _read = 0

    def dataReceived(self, data: bytes) -> None:
        self._read += len(data)
        if self._read > ANSWERS_READ:
            self.cut()
        else:
            super().dataReceived(data)

    def cut(self) -> None:
        """Close the connection at once."""
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    def lineReceived(self, line: bytes) -> None:
        self.has_greeting = True
        super().lineReceived(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.factory.failed(reason)


class Mailing(ESMTPSenderFactory):
    """The way of one mail to a server, over one connection.

    Unlike Twisted's own, it fails at once when the connection is lost, and ``none`` means no encryption,
    whatever the server offers.

    :param mail: the mail, with its headers.
    :param timeout: seconds that each answer of the server may take.
    :ivar outcome: fires with the number of recipients and the :data:`Answers`; fails with any error. If it is
        cancelled, the connection is closed.
    """

    protocol = _Sender
    noisy = False

    def __init__(self, settings: Settings, sender: str, mail: bytes, timeout: float) -> None:
        self.outcome: Deferred[Any] = Deferred(lambda _: self._give_up())
        encrypts = settings.alarm_mail_tls == "starttls"
        user = settings.alarm_mail_username.encode() or None
        super().__init__(
            user,
            # With a password alone Twisted would log in as nobody.
            settings.alarm_mail_password.encode() if user else None,
            sender,
            list(settings.alarm_mail_to),
            BytesIO(mail),
            self.outcome,
            retries=0,
            timeout=int(timeout),
            contextFactory=tls_options(settings.alarm_mail_host) if encrypts else None,
            requireAuthentication=bool(settings.alarm_mail_username),
            requireTransportSecurity=encrypts,
        )
        self._protocol: _Sender | None = None

    def buildProtocol(self, addr: object) -> _Sender:
        self._protocol = super().buildProtocol(addr)
        return self._protocol

    def failed(self, reason: Failure) -> None:
        """Take note that there is no connection, or no longer."""
        if not self.outcome.called:
            self.outcome.errback(reason)

    def _give_up(self) -> None:
        if self._protocol is not None:
            self._protocol.cut()

    @property
    def was_greeted(self) -> bool:
        """True once the server has said anything."""
        return self._protocol is not None and self._protocol.has_greeting


def tls_options(host: str) -> IOpenSSLClientConnectionCreator:
    """Return the TLS options for a mail server: the system's authorities are trusted."""
    return NamedServer(optionsForClientTLS(host), host)


def reason_of(error: BaseException, settings: Settings, was_greeted: bool) -> str:
    """Return why a mail was not taken, and which setting to change where that is known."""
    encryption = settings.alarm_mail_tls
    if isinstance(error, TLSRequiredError):
        return "it offers no STARTTLS: ALARM_MAIL_TLS must be tls (mostly with port 465) or none"
    if isinstance(error, AUTHRequiredError):
        remedy = (
            "perhaps with ALARM_MAIL_TLS=starttls"
            if encryption == "none"
            else "ALARM_MAIL_USERNAME must be empty"
        )
        return f"it offers no log-in that is known here: {remedy}"
    if isinstance(error, (SMTPTimeoutError, TimeoutError, CancelledError)):
        if was_greeted or encryption == "tls":
            return "it does not answer"
        return "it does not greet: for TLS from the first byte (mostly port 465) ALARM_MAIL_TLS must be tls"
    if isinstance(error, SSL.Error):
        return _tls_reason(explain(error))
    if isinstance(error, SMTPDeliveryError) and (others := refused(cast(Answers, error.addresses))):
        return f"it refuses {others}"
    if isinstance(error, SMTPClientError):
        text = error.resp.decode("utf-8", "replace") if isinstance(error.resp, bytes) else str(error.resp)
        return f"{error.code} {text}" if error.code > 0 else text
    return explain(error) if isinstance(error, Exception) else str(error)


def _tls_reason(words: str) -> str:
    if "wrong version number" in words:
        return "it does not speak TLS from the first byte: ALARM_MAIL_TLS must be starttls or none"
    if "certificate verify failed" in words:
        return "its certificate is not signed by an authority that this system trusts, or has expired"
    return words


def refused(answers: Answers) -> str:
    """Return the recipients that were refused, each with the server's words; empty: there are none."""
    return "; ".join(
        f"{address.decode('utf-8', 'replace')}: {code} {text.decode('utf-8', 'replace')}"
        for address, code, text in answers
        if code not in SUCCESS
    )
