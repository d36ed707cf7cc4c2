"""Trial of the mail server and the webhook for alarms: each is reached and greeted, and nothing is sent."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator

from bssci.cli.findings import Finding
from bssci.settings.table import Settings
from bssci.sinks.http_post import parse_target
from bssci.sinks.reaching import reach, reason_of

TIMEOUT = 10.0
"""seconds that connecting, and each answer of the other side, may take"""


class _Unusable(Exception):
    """The other side cannot be used; the message is one line that says why."""


def about_notifications(chosen: Settings, timeout: float = TIMEOUT) -> Iterator[Finding]:
    """Yield a finding for each way by which people are told of alarms, if it is set. Takes seconds.

    Mail server: connection, encryption and log-in. Webhook: connection and encryption. Faults are warnings,
    as the service works without either.
    """
    if chosen.alarm_mail_host and chosen.alarm_mail_to:
        place = f"ALARM_MAIL_HOST: {chosen.alarm_mail_host}:{chosen.alarm_mail_port}"
        yield _tried(place, "accepts us; no mail was sent", lambda: _greet(chosen, timeout))
    if chosen.alarm_webhook_url:
        try:
            origin = parse_target(chosen.alarm_webhook_url).origin
        except ValueError as error:
            yield Finding("warning", f"ALARM_WEBHOOK_URL: {error}")
            return
        yield _tried(
            f"ALARM_WEBHOOK_URL: {origin}", "is there; nothing was posted", lambda: reach(origin, timeout)
        )


def _tried(place: str, good: str, trial: Callable[[], None]) -> Finding:
    try:
        trial()
    except (_Unusable, OSError, UnicodeError) as error:  # all errors of smtplib are OSError
        return Finding("warning", f"{place}: {' '.join(_reason(error).split())[:300]}")
    return Finding("ok", f"{place} {good}")


def _greet(chosen: Settings, timeout: float) -> None:
    host, port, encryption = chosen.alarm_mail_host, chosen.alarm_mail_port, chosen.alarm_mail_tls
    try:
        if encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=_context())
        else:
            server = smtplib.SMTP(host, port, timeout=timeout)
    except ssl.SSLError as error:
        if error.reason == "WRONG_VERSION_NUMBER":
            raise _Unusable(
                "it does not speak TLS from the first byte: ALARM_MAIL_TLS must be starttls or none"
            ) from None
        raise
    with server:
        server.ehlo_or_helo_if_needed()
        if encryption == "starttls":
            if not server.has_extn("starttls"):
                raise _Unusable(
                    "it offers no STARTTLS: ALARM_MAIL_TLS must be tls (mostly with port 465) or none"
                )
            server.starttls(context=_context())
        if chosen.alarm_mail_username:
            server.login(chosen.alarm_mail_username, chosen.alarm_mail_password)


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _reason(error: Exception) -> str:
    match error:
        case smtplib.SMTPResponseException():
            text = error.smtp_error
            return f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"
        case smtplib.SMTPNotSupportedError():
            return "it offers no log-in that is known here: ALARM_MAIL_USERNAME must be empty"
        case smtplib.SMTPServerDisconnected():
            return "the connection was closed before there was an answer"
    return reason_of(error)
