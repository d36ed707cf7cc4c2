"""Alarms by mail, to a server in memory."""

from __future__ import annotations

from email import message_from_bytes, policy
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.mail.imap4 import LOGINCredentials, PLAINCredentials
from twisted.mail.smtp import ESMTP, IMessage, IMessageDelivery, SMTPBadRcpt
from twisted.test.iosim import FakeTransport, IOPump, connect
from zope.interface import implementer

from bssci.center.alarms.notices import Notice
from bssci.journal import AlarmRecord
from bssci.notices.mail import MailChannel, NotSent, message

RECORD = AlarmRecord(
    number=1, id="sink-failing:mqtt", severity="error", text="Käthe: mqtt is down", href="/", since=1.0
)
NOTICE = Notice("70B3D56770000001", [RECORD], [], 1)


@implementer(IMessage)
class _Mail:
    def __init__(self, server: Server, recipient: str) -> None:
        self.server, self.recipient, self.lines = server, recipient, []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        self.server.mails.append((self.recipient, b"\n".join(self.lines)))
        return succeed(None)

    def connectionLost(self) -> None:
        """The mail is not kept."""


@implementer(IMessageDelivery, IRealm)
class Server:
    """A mail server with one connection at a time.

    :ivar mails: recipient and text of each mail that it took.
    """

    def __init__(self, *, password: str = "", refuses: str = "") -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.refuses = refuses
        self.pump: IOPump | None = None
        checker = InMemoryUsernamePasswordDatabaseDontUse(kim=password.encode()) if password else None
        self.portal = Portal(self, [checker]) if checker is not None else None

    def requestAvatar(self, *_: Any) -> Any:
        return IMessageDelivery, self, lambda: None

    def receivedHeader(self, *_: Any) -> bytes:
        return b"Received: here"

    def validateFrom(self, helo: Any, origin: Any) -> Any:
        return origin

    def validateTo(self, user: Any) -> Any:
        if self.refuses and str(user.dest).startswith(self.refuses):
            raise SMTPBadRcpt(user)
        return lambda: _Mail(self, str(user.dest))

    def endpoint(self, settings: Any) -> Any:
        return SimpleNamespace(connect=self._connect)

    def _connect(self, factory: Factory) -> Deferred[Any]:
        protocol = ESMTP({b"PLAIN": PLAINCredentials, b"LOGIN": LOGINCredentials} if self.portal else None)
        protocol.delivery = None if self.portal else self
        protocol.portal = self.portal
        protocol.timeout = None
        client = factory.buildProtocol(None)
        client.setTimeout = lambda seconds: None
        here = SimpleNamespace(host="192.0.2.1", port=25)
        self.pump = connect(
            protocol,
            FakeTransport(protocol, isServer=True, hostAddress=here, peerAddress=here),
            client,
            FakeTransport(client, isServer=False, hostAddress=here, peerAddress=here),
            clock=Clock(),
        )
        self.pump.flush()
        return succeed(client)


def settings_of(**more: Any) -> Any:
    values = {
        "alarm_mail_host": "mail.example",
        "alarm_mail_port": 25,
        "alarm_mail_tls": "none",
        "alarm_mail_username": "",
        "alarm_mail_password": "",
        "alarm_mail_from": "",
        "alarm_mail_to": ("kim@example.org", "lee@example.org"),
        "timezone": "UTC",
        "web_url": "",
    }
    return SimpleNamespace(**{**values, **more})


def send(server: Server, **more: Any) -> list[Any]:
    settings = settings_of(**more)
    outcome: list[Any] = []
    channel = MailChannel(Clock(), lambda: settings, server.endpoint)
    channel.send(NOTICE).addBoth(outcome.append)
    return outcome


def test_everybody_gets_it() -> None:
    server = Server()
    assert send(server) == [""]
    assert [recipient for recipient, _ in server.mails] == ["kim@example.org", "lee@example.org"]
    mail = message_from_bytes(server.mails[0][1], policy=policy.default)
    assert mail["Subject"] == "[bssci] ERROR: Käthe: mqtt is down"
    assert (mail["From"], mail["Auto-Submitted"]) == ("kim@example.org", "auto-generated")
    assert "- Käthe: mqtt is down (error, since 1970-01-01 00:00:01 UTC)" in mail.get_content()


def test_it_links_to_the_web_admin_where_its_address_is_set() -> None:
    server = Server()
    assert send(server, web_url="https://sc.example") == [""]
    mail = message_from_bytes(server.mails[0][1], policy=policy.default)
    assert "\n  https://sc.example/\n" in mail.get_content()


def test_it_logs_in_where_that_is_set() -> None:
    server = Server(password="right")
    login = {"alarm_mail_username": "kim", "alarm_mail_from": "bssci@example.org"}
    assert send(server, alarm_mail_password="right", **login) == [""]
    assert len(server.mails) == 2
    [failed] = send(server, alarm_mail_password="wrong", **login)
    assert failed.check(NotSent) and "wrong" not in failed.getErrorMessage()


def test_a_server_without_tls_gets_nothing_if_tls_is_wanted() -> None:
    server = Server()
    [failed] = send(server, alarm_mail_tls="starttls")
    assert failed.check(NotSent) and server.mails == []
    assert failed.getErrorMessage().startswith("mail.example:25: ")


def test_recipients_that_are_refused_are_named_while_others_get_it() -> None:
    server = Server(refuses="kim")
    [said] = send(server)
    assert said.startswith("mail.example:25: it refuses kim@example.org: 550 ")
    assert [recipient for recipient, _ in server.mails] == ["lee@example.org"]


def test_a_refusal_is_one_line() -> None:
    [failed] = send(Server(refuses="kim"), alarm_mail_to=("kim@example.org",))
    assert failed.check(NotSent) and "\n" not in failed.getErrorMessage()


@pytest.mark.parametrize("missing", ["alarm_mail_host", "alarm_mail_to"])
def test_without_a_server_or_anybody_to_write_to_nothing_is_sent(missing: str) -> None:
    whole, part = settings_of(), settings_of(**{missing: ""})
    assert MailChannel(Clock(), lambda: whole).is_set()
    assert not MailChannel(Clock(), lambda: part).is_set()


def test_no_line_of_a_text_ends_the_mail() -> None:
    notice = Notice("EUI", [RECORD], [], 1)
    assert b"\r" not in BytesIO(message(notice, settings_of())).read()
