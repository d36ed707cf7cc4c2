"""Trial whether a web server is there: a connection, and for https its certificate. Nothing is sent to it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def reach(origin: str, timeout: float, ca_file: Path | None = None) -> None:
    """Connect to a web server. Blocks.

    :param origin: scheme, host and port.
    :param timeout: s for the connection, and for each answer of the TLS handshake.
    :param ca_file: authorities that may sign its certificate; None: the system's.
    :raises OSError: it cannot be reached, or its certificate is refused; :func:`reason_of` has the words.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    with socket.create_connection((host, parts.port or _PORTS[parts.scheme]), timeout) as connection:
        if parts.scheme == "https":
            ssl.create_default_context(cafile=ca_file).wrap_socket(connection, server_hostname=host).close()


def reason_of(error: Exception) -> str:
    """Return in words why a server cannot be reached."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is refused: {error.verify_message}"
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER"):
            return "no TLS is spoken there"
        case ssl.SSLError():
            return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
        case socket.gaierror() | UnicodeError():
            return "no such host is known"
        case TimeoutError():
            return "it does not answer"
        case OSError(strerror=str(words)):
            return words.lower()
    return str(error)
