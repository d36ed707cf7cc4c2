"""Causes of refused connections, in words for operators, each with advice."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from bssci.certificates.handshakes import (
    EXPIRED,
    NOT_YET_VALID,
    OTHER_PURPOSE,
    REVOKED,
    SELF_SIGNED,
    UNTRUSTED,
    words_of_fault,
)
from bssci.certificates.reading import subject_of

NEW_BUNDLE = "Make a bundle for it on the page Certificates and load its three files into it."
LET_IN_AGAIN = f"To let it in again: {NEW_BUNDLE}"
LOAD_AUTHORITY = (
    "Load ca_cert.pem of its bundle into it as the authority. Some gateways also insist on finding the"
    " address that they connect to in the service center's certificate: generate it with that name."
)
UPDATE = "Update the gateway's software, or tell its maker: this service center speaks BSSCI 1.0."


class Cause(NamedTuple):
    """Reason for a refusal, and advice."""

    reason: str
    """a clause in lower case that continues "refused because"; details that may differ follow a colon"""
    remedy: str = ""
    """sentences that say what to do; empty: nothing is known"""


BLOCKED = Cause("it is blocked", "To let it in again, unblock it on its page.")

NO_CON = Cause(
    "it sent no con after the TLS handshake",
    "Check its settings: it may speak another protocol over TLS, or not find the address that it connects to"
    f" in the service center's certificate. {UPDATE}",
)
NO_CON_CMP = Cause("it sent no conCmp after our answer to its con", UPDATE)

UNTRUSTED_SERVER = "it does not trust the service center's certificate"
UNWANTED_SERVER = "it does not accept the service center's certificate"
OF_STATIONS = frozenset({UNTRUSTED_SERVER, UNWANTED_SERVER})
"""reasons that prove the peer to be a base station, even if it did not identify itself"""

_IN_FAILURES: tuple[tuple[str, Cause], ...] = (
    (
        "did not return a certificate",
        Cause("it showed no certificate", f"Enter certificate and key in its TLS settings. {NEW_BUNDLE}"),
    ),
    ("unknown ca", Cause(UNTRUSTED_SERVER, LOAD_AUTHORITY)),
    ("bad certificate", Cause(UNWANTED_SERVER, LOAD_AUTHORITY)),
    ("certificate unknown", Cause(UNWANTED_SERVER, LOAD_AUTHORITY)),
    (
        "certificate expired",
        Cause(
            "it says that the service center's certificate has expired",
            "Set the gateway's clock, or generate a new certificate for the service center.",
        ),
    ),
    (
        "http request",
        Cause("it spoke HTTP, not TLS", "This port is for base stations; the web admin has another one."),
    ),
    (
        "unsupported protocol",
        Cause("it does not support TLS 1.2 or later", "Update the gateway's software, or its TLS settings."),
    ),
    (
        "no shared cipher",
        Cause("it supports none of our ciphers", "Update the gateway's software, or its TLS settings."),
    ),
    (
        "wrong version number",
        Cause("it did not speak TLS", "Switch TLS on in its settings; internet port scanners do this, too."),
    ),
    (
        "took too long",
        Cause("its TLS handshake took too long", "Check the network between it and this machine."),
    ),
    (
        "closed by the station",
        Cause("it gave up during the TLS handshake", f"It may not trust us. {LOAD_AUTHORITY}"),
    ),
    ("connection lost", Cause("the connection broke during the TLS handshake", "Check the network.")),
)
"""causes by a part of the TLS library's message"""


def of_certificate(certificate: x509.Certificate, depth: int, error: int) -> Cause:
    """Return the cause for the refusal of a certificate.

    :param depth: 0 for the station's own certificate; 1 for the one that signed it, and so on.
    :param error: error code of OpenSSL's verification (``X509_V_ERR_...``).
    """
    whose = "its certificate" if depth == 0 else f"the certificate of its authority {subject_of(certificate)}"
    if error in UNTRUSTED:
        advice = (
            f"{NEW_BUNDLE} Or, if that authority is to be trusted, add its certificate to CA_FILE."
            " An authority that was generated anew is another one, though its name may be the same."
        )
        issuer = certificate.issuer.rfc4514_string() or "without a name"
        return Cause(f"its certificate is signed by another authority, {issuer}", advice)
    if error == SELF_SIGNED:
        return Cause(
            f"its certificate is self-signed, not signed by an authority, {subject_of(certificate)}",
            NEW_BUNDLE,
        )
    if error == EXPIRED:
        return Cause(f"{whose} expired on {_day(certificate.not_valid_after_utc)}", NEW_BUNDLE)
    if error == NOT_YET_VALID:
        advice = "Check the clocks of this machine and of the one that issued the certificate."
        return Cause(f"{whose} is valid only from {_day(certificate.not_valid_before_utc)}", advice)
    if error == REVOKED:
        return Cause(f"{whose} was revoked", LET_IN_AGAIN)
    if error == OTHER_PURPOSE:
        return Cause(f"{whose} is not meant for clients (extended key usage)", NEW_BUNDLE)
    return Cause(f"{whose} was not accepted: {words_of_fault(error)}", NEW_BUNDLE)


def of_failure(words: str) -> Cause:
    """Return the cause of a failed handshake.

    :param words: message of the TLS library, or of our own.
    """
    lowered = words.lower()
    for part, cause in _IN_FAILURES:
        if part in lowered:
            return cause
    return Cause(f"its TLS handshake failed: {words}")


def of_refusal(words: str) -> Cause:
    """Return the cause for a refusal at ``con``.

    :param words: error message that was sent to the station.
    """
    if words == BLOCKED.reason:
        return BLOCKED
    if "revoked" in words:
        return Cause(words, LET_IN_AGAIN)
    if "certificate" in words:
        return Cause(words, f"Give each station a bundle of its own. {NEW_BUNDLE}")
    if "version" in words:
        return Cause(words, UPDATE)
    if "too many" in words:
        return Cause(words, "Forget base stations that are no longer used.")
    return Cause(words, "It tries again by itself; if that does not help, see the log.")


def of_message(words: str) -> Cause:
    """Return the cause of a connection that ended after a message that cannot be used, before ``conCmp``.

    :param words: error message that was sent to the station.
    """
    return Cause(f"it sent a message that cannot be used: {words}", UPDATE)


def of_framing(words: str) -> Cause:
    """Return the cause of a connection that was closed before ``conCmp``, as its bytes are not BSSCI.

    :param words: what is wrong with them.
    """
    return Cause(f"it does not speak BSSCI: {words}", f"Check the protocol in its settings. {UPDATE}")


def of_answer(code: int, words: str) -> Cause:
    """Return the cause of a connection that was closed as the station answered ``conRsp`` with an error."""
    return Cause(f"it refused our answer to its con: error {code}, {words or 'without a reason'}", UPDATE)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
