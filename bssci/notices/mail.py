"""Notification of alarms by e-mail, over SMTP with or without TLS and authentication."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure

from bssci.center.alarms.notices import Notice
from bssci.center.alarms.wording import subject, text
from bssci.notices.smtp import tls_options
from bssci.settings.table import Settings

TIMEOUT = 30.0
"""seconds that connecting, and each answer of the server, may take"""

Endpoint = Callable[[Settings], IStreamClientEndpoint]


class NotSent(Exception):
    """The mail server did not accept a mail; the message is one line that says why."""


class MailChannel:
    """E-mail to all addresses in ALARM_MAIL_TO, through the server ALARM_MAIL_HOST.

    :param settings: returns the settings in force.
    :param endpoint: returns the endpoint of the server; for tests.
    """

    name = "mail"
    needs = "ALARM_MAIL_HOST and ALARM_MAIL_TO"

    def __init__(
        self, reactor: Any, settings: Callable[[], Settings], endpoint: Endpoint | None = None
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._endpoint = endpoint or self._server

    def is_set(self) -> bool:
        """Return whether both a server and a recipient are set."""
        settings = self._settings()
        return bool(settings.alarm_mail_host and settings.alarm_mail_to)

    def send(self, notice: Notice) -> Deferred[str]:
        """Send one mail; see :class:`bssci.center.alarms.notices.Channel`. Fails with :class:`NotSent`."""
        # With the first mail: most services send none.
        from bssci.notices.smtp import Mailing, reason_of, refused

        settings = self._settings()
        place = f"{settings.alarm_mail_host}:{settings.alarm_mail_port}"
        mailing = Mailing(settings, _sender(settings), message(notice, settings), TIMEOUT)

        def taken(outcome: Any) -> str:
            others = refused(outcome[1])
            return _one_line(f"{place}: it refuses {others}") if others else ""

        def not_taken(failure: Failure) -> str:
            reason = reason_of(failure.value or NotSent(), settings, mailing.was_greeted)
            raise NotSent(_one_line(f"{place}: {reason}"))

        self._endpoint(settings).connect(mailing).addErrback(mailing.failed)
        mailing.outcome.addTimeout(4 * TIMEOUT, self._reactor)
        return mailing.outcome.addCallbacks(taken, not_taken)

    def _server(self, settings: Settings) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, settings.alarm_mail_host, settings.alarm_mail_port, timeout=TIMEOUT
        )
        if settings.alarm_mail_tls == "tls":
            endpoint = wrapClientTLS(tls_options(settings.alarm_mail_host), endpoint)
        return endpoint


def message(notice: Notice, settings: Settings) -> bytes:
    """Return a notice as a mail, ready to send."""
    mail = EmailMessage()
    mail["From"] = _sender(settings)
    mail["To"] = ", ".join(settings.alarm_mail_to)
    mail["Subject"] = f"[bssci] {subject(notice)}"
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain="bssci.invalid")
    # Keeps automatic replies, such as out-of-office notices, from being sent to us.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text(notice, settings.timezone, settings.web_url))
    return bytes(mail).replace(b"\r\n", b"\n")


def _sender(settings: Settings) -> str:
    return settings.alarm_mail_from or settings.alarm_mail_to[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
