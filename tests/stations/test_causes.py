"""Causes of refusals in words of people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bssci.certificates import issuing
from bssci.stations import causes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority():
    return issuing.create_authority(issuing.new_key(), NOW)


@pytest.mark.parametrize(
    ("depth", "error", "words"),
    [
        (0, 20, "its certificate is signed by another authority, CN=BSSCI service center CA"),
        (0, 7, "its certificate is signed by another authority, CN=BSSCI service center CA"),
        (0, 18, "its certificate is self-signed, not signed by an authority, CN=BSSCI service center CA"),
        (0, 10, "its certificate expired on 2036-01-02"),
        (1, 10, "the certificate of its authority CN=BSSCI service center CA expired on 2036-01-02"),
        (0, 9, "its certificate is valid only from 2025-12-31"),
        (0, 23, "its certificate was revoked"),
        (0, 26, "its certificate is not meant for clients (extended key usage)"),
        (0, 66, "its certificate was not accepted: its key is too small"),
    ],
)
def test_what_is_wrong_with_a_certificate(authority, depth: int, error: int, words: str) -> None:
    cause = causes.of_certificate(authority, depth, error)
    assert cause.reason == words and cause.remedy.endswith(".")
    assert timedelta(0) < authority.not_valid_after_utc - NOW


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("peer did not return a certificate", "it showed no certificate"),
        ("tlsv1 alert unknown ca", "it does not trust the service center's certificate"),
        ("http request", "it spoke HTTP, not TLS"),
        ("closed by the station", "it gave up during the TLS handshake"),
        ("something new", "its TLS handshake failed: something new"),
    ],
)
def test_why_a_handshake_failed(words: str, reason: str) -> None:
    assert causes.of_failure(words).reason == reason


def test_a_refusal_at_con_comes_with_advice() -> None:
    assert causes.of_refusal(causes.BLOCKED.reason) == causes.BLOCKED
    assert "bundle of its own" in causes.of_refusal("the certificate names A, not B").remedy
    assert causes.of_refusal("its certificate was revoked").remedy == causes.LET_IN_AGAIN
    assert causes.of_refusal("con: version 2 is not supported, 1 is").remedy == causes.UPDATE
    assert causes.of_refusal("cannot store the session now, try again").remedy
