"""Why a server did not take a mail, in words that name the setting to change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.mail.smtp import AUTHRequiredError, SMTPDeliveryError, SMTPTimeoutError, TLSRequiredError
from twisted.python.failure import Failure

from bssci.certificates.naming import NamedServer
from bssci.notices.smtp import ANSWERS_READ, Mailing, reason_of, refused, tls_options
from tests.notices.test_mail import settings_of

UNTRUSTED = SSL.Error([("SSL routines", "", "certificate verify failed")])
NO_TLS = SSL.Error([("SSL routines", "", "wrong version number")])
ANSWERS = [(b"kim@example.org", 550, b"5.1.1 no such user"), (b"lee@example.org", 250, b"ok")]


@pytest.mark.parametrize(
    ("error", "encryption", "was_greeted", "said"),
    [
        (TLSRequiredError(502, b"no"), "starttls", True, "it offers no STARTTLS: ALARM_MAIL_TLS must be tls"),
        (AUTHRequiredError(502, b"no"), "none", True, "perhaps with ALARM_MAIL_TLS=starttls"),
        (AUTHRequiredError(502, b"no"), "starttls", True, "ALARM_MAIL_USERNAME must be empty"),
        (SMTPTimeoutError(-1, b"no"), "starttls", False, "it does not greet: for TLS from the first byte"),
        (CancelledError(), "none", False, "ALARM_MAIL_TLS must be tls"),
        (CancelledError(), "tls", False, "it does not answer"),
        (SMTPTimeoutError(-1, b"no"), "starttls", True, "it does not answer"),
        (NO_TLS, "tls", False, "ALARM_MAIL_TLS must be starttls or none"),
        (
            UNTRUSTED,
            "starttls",
            True,
            "its certificate is not signed by an authority that this system trusts",
        ),
        (
            SMTPDeliveryError(550, b"none", b"", ANSWERS),
            "none",
            True,
            "kim@example.org: 550 5.1.1 no such user",
        ),
        (SMTPDeliveryError(552, b"too big", b"", []), "none", True, "552 too big"),
        (ConnectionRefusedError(osError=111), "none", False, "connection refused"),
        (ConnectionDone(), "none", True, "the connection was closed before there was an answer"),
    ],
)
def test_the_reason_names_the_setting(error: Any, encryption: str, was_greeted: bool, said: str) -> None:
    assert said in reason_of(error, SimpleNamespace(alarm_mail_tls=encryption), was_greeted)  # type: ignore[arg-type]


def test_refused_recipients_are_named_and_no_others() -> None:
    assert refused(ANSWERS) == "kim@example.org: 550 5.1.1 no such user"
    assert refused(ANSWERS[1:]) == ""


def greeted(**more: Any) -> tuple[Mailing, Any, StringTransport]:
    """A mailing whose server has greeted, with its protocol and what it is about to send."""
    settings = settings_of(**more)
    mailing = Mailing(settings, "bssci@example.org", b"Subject: x\n\nx", 30.0)
    protocol, transport = mailing.buildProtocol(None), StringTransport()
    protocol.setTimeout = lambda seconds: None  # type: ignore[method-assign]
    protocol.makeConnection(transport)
    protocol.dataReceived(b"220 here\r\n")
    return mailing, protocol, transport


@pytest.mark.parametrize(("encryption", "next_line"), [("none", b"MAIL FROM"), ("starttls", b"STARTTLS")])
def test_none_means_no_encryption_whatever_the_server_offers(encryption: str, next_line: bytes) -> None:
    _, protocol, transport = greeted(alarm_mail_tls=encryption)
    transport.clear()
    protocol.dataReceived(b"250-here\r\n250 STARTTLS\r\n")
    assert transport.value().startswith(next_line)


@pytest.mark.parametrize(("user", "next_line"), [("", b"MAIL FROM"), ("kim", b"AUTH PLAIN")])
def test_a_password_without_a_user_is_not_used(user: str, next_line: bytes) -> None:
    _, protocol, transport = greeted(alarm_mail_username=user, alarm_mail_password="secret")
    transport.clear()
    protocol.dataReceived(b"250-here\r\n250 AUTH PLAIN\r\n")
    assert transport.value().startswith(next_line)


def test_a_lost_connection_is_known_at_once() -> None:
    mailing, protocol, _ = greeted()
    failed: list[Failure] = []
    mailing.outcome.addErrback(failed.append)
    protocol.connectionLost(Failure(UNTRUSTED))
    assert mailing.was_greeted and failed[0].value is UNTRUSTED


def test_a_server_whose_answer_never_ends_is_cut_off() -> None:
    mailing = Mailing(settings_of(), "kim@example.org", b"", 5.0)
    client, transport = mailing.buildProtocol(None), StringTransport()
    client.setTimeout = lambda seconds: None
    client.makeConnection(transport)
    for _ in range(ANSWERS_READ // 1000):
        client.dataReceived(b"220-" + 994 * b"x" + b"\r\n")
    assert not transport.disconnecting
    client.dataReceived(b"220-" + 994 * b"x" + b"\r\n")
    assert transport.disconnected
    failed: list[Failure] = []
    mailing.outcome.addErrback(failed.append)
    client.connectionLost(Failure(ConnectionAborted()))
    assert "its answer is too long" in reason_of(failed[0].value, settings_of(), True)


def test_a_server_that_takes_too_long_is_cut_off() -> None:
    mailing = Mailing(settings_of(), "kim@example.org", b"", 5.0)
    mailing.outcome.addErrback(lambda failure: failure.trap(CancelledError) and None)
    client, transport = mailing.buildProtocol(None), StringTransport()
    client.setTimeout = lambda seconds: None
    client.makeConnection(transport)
    mailing.outcome.cancel()
    assert transport.disconnected


def test_the_server_s_certificate_must_name_it() -> None:
    assert isinstance(tls_options("mail.example"), NamedServer)
