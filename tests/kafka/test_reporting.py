from __future__ import annotations

import logging
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from bssci.kafka.reporting import REPEATED, ClientLog, LastError, in_words
from tests.kafka.stand_ins import ClientError


def test_an_error_is_said_in_words_with_its_code() -> None:
    assert in_words(ClientError("_RESOLVE")) == "the broker's name cannot be resolved (_RESOLVE)"
    assert "KAFKA_SECURITY_PROTOCOL" in in_words(ClientError("_ALL_BROKERS_DOWN"))
    assert in_words(ClientError("UNKNOWN_TOPIC_OR_PART"), "raw").endswith(
        "(UNKNOWN_TOPIC_OR_PART, topic raw)"
    )


def test_an_error_of_tls_keeps_its_reason() -> None:
    said = "ssl://b/1: failed: error:0A000086:SSL routines::certificate verify failed: broker (1)"
    error = ClientError("_SSL", said)
    assert in_words(error) == "TLS with the broker failed: certificate verify failed (_SSL)"


def test_the_cause_of_a_lost_connection_is_said_where_the_library_tells_it() -> None:
    said = (
        "ssl://b: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required: SSL (after"
    )
    assert in_words(ClientError("_TRANSPORT", said)) == (
        "TLS with the broker failed: tlsv13 alert certificate required (_SSL)"
    )
    said = "sasl_ssl://b: SASL authentication error: SaslAuthenticateRequest failed: Local: transport failure"
    assert in_words(ClientError("_TRANSPORT", said)) == (
        "the broker refuses user and password, or the mechanism (_AUTHENTICATION)"
    )
    assert "the connection to the broker is lost" in in_words(ClientError("_TRANSPORT", "Connection refused"))


def test_what_follows_from_an_error_does_not_hide_it() -> None:
    last = LastError()
    assert last.words == ""
    for name, words in (
        ("_ALL_BROKERS_DOWN", "no broker"),
        ("_TRANSPORT", "connection to the broker is lost"),
        ("_ALL_BROKERS_DOWN", "connection to the broker is lost"),
        ("_RESOLVE", "name"),
        ("_ALL_BROKERS_DOWN", "name"),
        ("_TRANSPORT", "name"),
        ("_AUTHENTICATION", "user and password"),
    ):
        last.take(ClientError(name))
        assert words in last.words, name


def test_an_error_without_words_of_ours_keeps_its_own() -> None:
    assert in_words(ClientError("_NEW", "what is\nnew")) == "what is new (_NEW)"


def test_a_line_is_logged_once_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    now = [0.0]
    globalLogPublisher.addObserver(said.append)
    try:
        logger = ClientLog(lambda: now[0]).as_logger()
        for at, text in ((0.0, "FAIL: a"), (1.0, "FAIL: b"), (1.0, "AUTH: c"), (REPEATED + 1, "FAIL: d")):
            now[0] = at
            logger.log(logging.WARNING, text)
        logger.warning("CONFWARN [x]: Configuration property enable.gapless.guarantee is experimental: When")
    finally:
        globalLogPublisher.removeObserver(said.append)
    assert [event["text"] for event in said] == ["FAIL: a", "AUTH: c", "FAIL: d"]
