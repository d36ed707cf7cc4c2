"""Whether a web server is there, and why not."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest

from bssci.sinks import reaching
from bssci.sinks.reaching import reach, reason_of


@pytest.mark.parametrize(
    ("origin", "address", "is_tls"),
    [
        ("http://example.org", ("example.org", 80), False),
        ("https://example.org", ("example.org", 443), True),
        ("https://[::1]:8443", ("::1", 8443), True),
    ],
)
def test_it_connects_and_looks_at_the_certificate_of_https(
    monkeypatch: pytest.MonkeyPatch, origin: str, address: tuple[str, int], is_tls: bool
) -> None:
    connect, trust = MagicMock(), Mock()
    monkeypatch.setattr(reaching.socket, "create_connection", connect)
    monkeypatch.setattr(reaching.ssl, "create_default_context", trust)
    reach(origin, 5, Path("ca.pem"))
    connect.assert_called_once_with(address, 5)
    if is_tls:
        trust.assert_called_once_with(cafile=Path("ca.pem"))
        [(_, names)] = trust().wrap_socket.call_args_list
        assert names == {"server_hostname": address[0]}
    else:
        trust.assert_not_called()


def refused() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "certificate has expired"
    return error


def of_openssl(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (refused(), "its certificate is refused: certificate has expired"),
        (of_openssl("WRONG_VERSION_NUMBER"), "no TLS is spoken there"),
        (of_openssl("NO_SHARED_CIPHER"), "TLS: no shared cipher"),
        (socket.gaierror(-2, "Name or service not known"), "no such host is known"),
        (TimeoutError("timed out"), "it does not answer"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (OSError("odd"), "odd"),
    ],
)
def test_why_it_is_not_there_is_said(error: Exception, said: str) -> None:
    assert reason_of(error) == said
