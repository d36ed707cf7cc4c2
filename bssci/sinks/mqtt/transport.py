"""Ways to a broker: TCP, TLS, websockets; and why one failed, in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import VerificationError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IOpenSSLClientConnectionCreator,
    IPushProducer,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from bssci.sinks.mqtt.values import MqttSettings

CONNECT_TIMEOUT = 10.0
"""s for each address of the broker"""


class IStream(ITCPTransport, IConsumer, IPushProducer):
    """What Twisted's TCP and TLS transports are: a stream with flow control both ways."""


async def connect(reactor, settings: MqttSettings, protocol: Protocol) -> IStream:
    """Connect ``protocol`` to the broker of ``settings``.

    What carries it is returned as soon as that is there: TLS, websocket and
    MQTT may still be shaking hands.

    :raises OSError, ValueError: for a certificate or key file that cannot be used
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
        # Only here, for it costs memory that a TCP connection need not pay.
        from bssci.sinks.mqtt.websocket import WebSocketLayer

        outermost = WebSocketLayer(settings, protocol)
    factory = Factory.forProtocol(lambda: outermost)
    factory.noisy = False
    await endpoint.connect(factory)
    return cast(IStream, outermost.transport)


def tls_options(settings: MqttSettings) -> IOpenSSLClientConnectionCreator:
    """TLS as ``settings`` want it: who may be at the other end, and who we are. Reads files.

    :raises OSError: if one cannot be read
    :raises ValueError: if one holds something else, naming it
    """
    trust = None
    if settings.ca_file:
        trust = trustRootFromCertificates(
            [Certificate(crypto.X509.from_cryptography(one)) for one in _certificates(settings.ca_file)]
        )
    identity = _identity(settings.cert_file, settings.key_file) if settings.cert_file else {}
    return optionsForClientTLS(settings.host, trust, extraCertificateOptions=identity)


def explain(failure: Failure) -> str:
    """Why a connection failed or ended, for a log line."""
    error = failure.value
    if isinstance(error, ConnectionDone):
        return "the broker closed the connection"
    if isinstance(error, ConnectionLost):
        return "the connection was lost"
    if isinstance(error, VerificationError):
        return "the broker's certificate is for another host name"
    if isinstance(error, SSL.Error) and error.args and error.args[0]:
        return f"TLS: {', '.join(entry[-1] for entry in error.args[0])}"
    return failure.getErrorMessage() or type(error).__name__


def _identity(cert_file: str, key_file: str) -> dict[str, object]:
    """Our certificate, its chain and its key, as Twisted's CertificateOptions take them.

    The key may stand in the certificate's file.
    """
    certificate, *chain = _certificates(cert_file)
    key_file = key_file or cert_file
    key = _private_key(key_file)
    if key.public_key() != certificate.public_key():
        raise ValueError(f"the private key in {key_file} does not belong to the certificate in {cert_file}")
    return {"certificate": certificate, "privateKey": key, "extraCertChain": chain}


def _certificates(path: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} holds no certificate in PEM format") from error


def _private_key(path: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(Path(path).read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path} holds no private key in PEM format without a passphrase") from error
