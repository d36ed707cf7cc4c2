from __future__ import annotations

import builtins
from typing import Any

import pytest

from bssci.kafka import settings as module
from bssci.kafka.settings import GROUP, check_client, connection
from bssci.settings.rows import SettingsError
from tests.support.settings import settings_of


def values(**changes: str) -> dict[str, Any]:
    return settings_of(environ={"SINKS": "kafka", **changes}).values()


def test_the_plain_form_needs_nothing_but_servers() -> None:
    said = connection(values(KAFKA_BOOTSTRAP_SERVERS="a:1, b:2"))
    assert said["bootstrap.servers"] == "a:1,b:2"
    assert not [name for name in said if name.startswith(("ssl.", "sasl."))]


def test_tls_checks_names_and_shows_a_certificate() -> None:
    said = connection(
        values(KAFKA_SECURITY_PROTOCOL="ssl", KAFKA_CA_FILE="ca", KAFKA_CERT_FILE="c", KAFKA_KEY_FILE="k")
    )
    assert said["security.protocol"] == "SSL"
    assert said["ssl.endpoint.identification.algorithm"] == "https"
    assert (said["ssl.ca.location"], said["ssl.certificate.location"], said["ssl.key.location"]) == (
        "ca",
        "c",
        "k",
    )


def test_user_and_password_go_with_sasl_alone() -> None:
    said = connection(
        values(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_USERNAME="u", KAFKA_PASSWORD="p"),
    )
    assert (said["sasl.mechanism"], said["sasl.username"], said["sasl.password"]) == (
        "SCRAM-SHA-512",
        "u",
        "p",
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "host"}, "host:port"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "host:0"}, "host:port"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "a:1,user:password@b:2"}, "@b:2' .*host:port"),
        ({"KAFKA_RAW_TOPIC": "a/b"}, "letters, digits"),
        ({"KAFKA_RAW_TOPIC": "x" * 250}, "249"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "SASL_SSL"),
        ({"KAFKA_CERT_FILE": "c"}, "KAFKA_KEY_FILE .*KAFKA_CERT_FILE needs it"),
        ({"KAFKA_KEY_FILE": "k"}, "KAFKA_CERT_FILE .*KAFKA_KEY_FILE needs it"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_USERNAME .*needs a user"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        values(**changes)


@pytest.mark.parametrize(
    ("changes", "warnings"),
    [
        ({}, 0),
        ({"KAFKA_USERNAME": "u"}, 1),
        ({"KAFKA_CA_FILE": "ca"}, 1),
        ({"KAFKA_USERNAME": "u", "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, 1),
    ],
)
def test_what_has_no_effect_or_is_open_is_said(changes: dict[str, str], warnings: int) -> None:
    found = values(**changes)
    origins: Any = dict.fromkeys(found, "default")
    assert len(list(GROUP.check(found, origins))) == warnings


def test_where_it_goes_is_said_without_a_secret() -> None:
    said = GROUP.about(values(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_USERNAME="u", KAFKA_PASSWORD="p4ss"))
    assert said["servers"] == "localhost:9092"
    assert "p4ss" not in str(said)


def test_a_missing_client_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install bssci\[kafka\]"):
        check_client()


def test_a_client_that_does_not_load_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, *others: Any) -> Any:
        raise ImportError("no library")

    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setattr(builtins, "__import__", load)
    with pytest.raises(ValueError, match="no library"):
        check_client()
