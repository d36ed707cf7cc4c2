from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from OpenSSL import SSL

from bssci.certificates import alerts
from bssci.certificates.alerts import UNACCEPTABLE, set_verify
from bssci.certificates.contexts import REVOKED, openssl_words, server_context
from bssci.certificates.issuing import Authority, create_authority, issue_server, issue_station, new_key
from bssci.model import EUI

NOW = datetime.now(UTC)
EXPIRED = 10
MODE = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


def told_to_client(error: int) -> str:
    """Return what a client hears, in OpenSSL's words, from a server that finds this error."""
    key, station_key = new_key(), new_key()
    authority = Authority(create_authority(key, NOW), key)
    context = server_context([issue_server(key, authority, [], NOW)], key)
    set_verify(context, MODE, lambda *shown: error)
    own = SSL.Context(SSL.TLS_METHOD)
    own.use_certificate(issue_station(station_key, authority, EUI("CAFE000000000001"), NOW))
    own.use_privatekey(station_key)
    client, server = SSL.Connection(own, None), SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    words = {client: "", server: ""}
    for side, other in ((client, server), (server, client)) * 5:
        try:
            side.do_handshake()
            side.recv(1)
        except SSL.WantReadError:
            pass
        except SSL.Error as refused:
            words[side] = words[side] or openssl_words(refused)
        with suppress(SSL.WantReadError):
            other.bio_write(side.bio_read(1 << 20))
    assert bool(words[server]) is bool(error)
    return words[client]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (0, ""),
        (REVOKED, "alert certificate revoked"),
        (EXPIRED, "alert certificate expired"),
        (UNACCEPTABLE, "alert certificate unknown"),
    ],
)
def test_the_alert_says_why_a_certificate_is_refused(error: int, words: str) -> None:
    told = told_to_client(error)
    assert words in told and bool(told) is bool(words)


def test_without_the_names_of_pyopenssl_it_is_refused_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "SSL", SimpleNamespace())
    assert "alert" in told_to_client(REVOKED)
    assert told_to_client(0) == ""
