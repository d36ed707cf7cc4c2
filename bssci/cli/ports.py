"""Checks of ports: whether they are free, and which certificate a server on one presents."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator

from bssci.settings.groups import ListeningAddress
from bssci.settings.trial import cannot_listen


def listening_problems(places: Iterable[ListeningAddress]) -> Iterator[tuple[str, str]]:
    """Yield setting and reason for each address on which the service could not listen now."""
    for place in places:
        reason = cannot_listen(place.host, place.port)
        if reason is not None:
            yield place.setting, f"{place.setting}: cannot listen on {place.host}:{place.port}: {reason}"


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def tls_certificate(host: str, port: int, timeout: float = 1.0) -> bytes | None:
    """Return the certificate (DER) that a TLS server presents; None if there is no such server.

    :param timeout: seconds.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout) as plain,
            context.wrap_socket(plain) as connection,
        ):
            return connection.getpeercert(binary_form=True)
    except OSError:
        return None
