"""Mail server and webhook for alarms, as ``bssci check`` tries them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any

import pytest

from bssci.cli.findings import Finding
from bssci.cli.notifications import about_notifications
from tests.support.settings import settings_with

pytestmark = pytest.mark.parts

MAIL = {"alarm_mail_host": "127.0.0.1", "alarm_mail_to": ("ops@example.org",), "alarm_mail_tls": "none"}
GREETING = b"220 mail.example ESMTP\r\n"
ANSWERS = {
    b"EHLO": b"250-mail.example\r\n250 AUTH PLAIN\r\n",
    b"AUTH": b"235 welcome\r\n",
    b"QUIT": b"221 bye\r\n",
}


@contextmanager
def server(greeting: bytes, answers: dict[bytes, bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Serve one connection; yields the port and the commands that came."""
    commands: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(greeting)
            for line in lines:
                commands.append(line[:4].strip().upper())
                connection.sendall(answers.get(commands[-1], b"502 no\r\n"))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], commands
        thread.join(5)


def about(**values: Any) -> list[Finding]:
    return list(about_notifications(settings_with(**values), timeout=2))


def test_what_is_not_set_is_not_tried() -> None:
    assert about() == []


def test_a_mail_server_is_greeted_and_no_mail_is_sent() -> None:
    with server(GREETING, ANSWERS) as (port, commands):
        found = about(**MAIL, alarm_mail_port=port, alarm_mail_username="sc", alarm_mail_password="hunter2")
    assert found == [Finding("ok", f"ALARM_MAIL_HOST: 127.0.0.1:{port} accepts us; no mail was sent")]
    assert commands == [b"EHLO", b"AUTH", b"QUIT"]


def test_a_refused_log_in_is_a_warning_in_the_server_s_words() -> None:
    with server(GREETING, ANSWERS | {b"AUTH": b"535 wrong password\r\n"}) as (port, _):
        found = about(**MAIL, alarm_mail_port=port, alarm_mail_username="sc", alarm_mail_password="hunter2")
    assert found == [Finding("warning", f"ALARM_MAIL_HOST: 127.0.0.1:{port}: 535 wrong password")]


def test_a_mail_server_without_starttls_names_the_setting() -> None:
    with server(GREETING, ANSWERS) as (port, _):
        [found] = about(**MAIL | {"alarm_mail_tls": "starttls"}, alarm_mail_port=port)
    assert found.level == "warning" and "it offers no STARTTLS: ALARM_MAIL_TLS must be tls" in found.message


def test_a_mail_server_without_tls_names_the_setting() -> None:
    with server(GREETING, {}) as (port, _):
        [found] = about(**MAIL | {"alarm_mail_tls": "tls"}, alarm_mail_port=port)
    assert found.level == "warning" and "ALARM_MAIL_TLS must be starttls or none" in found.message


def test_a_webhook_is_reached_and_nothing_is_posted() -> None:
    with server(b"", {}) as (port, commands):
        found = about(alarm_webhook_url=f"http://me:s3cret@127.0.0.1:{port}/s3cret")
    assert found == [
        Finding("ok", f"ALARM_WEBHOOK_URL: http://127.0.0.1:{port} is there; nothing was posted")
    ]
    assert commands == []


def test_a_webhook_that_is_not_there_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert about(alarm_webhook_url=f"https://127.0.0.1:{port}/x") == [
        Finding("warning", f"ALARM_WEBHOOK_URL: https://127.0.0.1:{port}: connection refused")
    ]
