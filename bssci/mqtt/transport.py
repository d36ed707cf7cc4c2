"""Connecting to a broker by TCP, TLS or websockets, and reasons for failures in plain words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from bssci.certificates.naming import NamedServer, NamesNoHost
from bssci.certificates.reading import read_certificates, read_client_pair
from bssci.mqtt.values import IStream, MqttSettings

TLS_ERRORS = (SSL.Error, VerificationError)
"""errors of a connection whose handshake of TLS failed"""
UNTRUSTED = "certificate verify failed"
"""OpenSSL's words for a certificate that is not believed"""
CONNECT_TIMEOUT = 10.0
"""s for each address of the broker"""


async def connect(reactor: Any, settings: MqttSettings, protocol: Protocol) -> IStream:
    """Connect ``protocol`` to the broker of ``settings``.

    Its transport is returned as soon as TCP is connected: the handshakes of TLS, websocket and MQTT may
    still be under way.

    :raises bssci.certificates.reading.CertificateError: a file that cannot be used, naming file and setting
    :raises twisted.internet.error.ConnectError: and others, if nobody answers
    """
    endpoint: IStreamClientEndpoint = HostnameEndpoint(
        reactor, settings.host, settings.port, timeout=CONNECT_TIMEOUT
    )
    if settings.tls:
        options = await deferToThreadPool(reactor, reactor.getThreadPool(), tls_options, settings)
        endpoint = wrapClientTLS(options, endpoint)
    outermost: Protocol = protocol
    if settings.transport == "websockets":
        # Imported here, so that other connections do not pay its memory.
        from bssci.mqtt.websocket import WebSocketLayer

        outermost = WebSocketLayer(settings, protocol)
    factory = Factory.forProtocol(lambda: outermost)
    factory.noisy = False
    await endpoint.connect(factory)
    return cast(IStream, outermost.transport)


def tls_options(settings: MqttSettings) -> IOpenSSLClientConnectionCreator:
    """Return the TLS options of ``settings``: authorities to trust, and our certificate. Reads files.

    :raises bssci.certificates.reading.CertificateError: a file that cannot be used, naming file and setting
    """
    trust, identity = None, {}
    if settings.ca_file:
        authorities = read_certificates(Path(settings.ca_file), f"{settings.prefix}CA_FILE")
        trust = trustRootFromCertificates(
            [Certificate(crypto.X509.from_cryptography(one)) for one in authorities]
        )
    if settings.cert_file:
        # The key may stand in the certificate's file.
        key_file = Path(settings.key_file or settings.cert_file)
        (certificate, *chain), key = read_client_pair(Path(settings.cert_file), key_file, settings.prefix)
        identity = {"certificate": certificate, "privateKey": key, "extraCertChain": chain}
    options = optionsForClientTLS(settings.host, trust, extraCertificateOptions=identity)
    return NamedServer(options, settings.host)


def explain(failure: Failure) -> str:
    """Return the reason why a connection failed or ended, for a log line."""
    error = failure.value
    if isinstance(error, ConnectionDone):
        return "the broker closed the connection"
    if isinstance(error, ConnectionLost):
        return "the connection was lost"
    if isinstance(error, NamesNoHost):
        return "the broker's certificate names no host: it needs a subjectAltName"
    if isinstance(error, VerificationError):
        return "the broker's certificate is for another host name"
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        words = ", ".join(entry[-1] for entry in error.args[0])
        untrusted = "the broker's certificate has expired, or its authority is not trusted here: "
        return f"{untrusted if UNTRUSTED in words else ''}TLS: {words}"
    if isinstance(error, ConnectError) and error.osError:
        return os.strerror(error.osError)
    return failure.getErrorMessage() or type(error).__name__
