"""The client's side of TLS: a server is believed only if its certificate names it.

A certificate of a trusted authority that has no subjectAltName names no host. Twisted 26.10 logs that and
goes on, so that the holder of any such certificate, a base station's for example, could stand in for every
server.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from zope.interface import implementer


class NamesNoHost(VerificationError):
    """A certificate has no subjectAltName, or one that cannot be read."""

    def __init__(self) -> None:
        super().__init__(errors=[])

    def __str__(self) -> str:
        return "the certificate names no host: it has no subjectAltName"


@implementer(IOpenSSLClientConnectionCreator)
class NamedServer:
    """Makes connections that end unless the server's certificate names it.

    :param creator: makes them otherwise, such as Twisted's ``optionsForClientTLS``.
    :param host: name or address of the server.
    """

    def __init__(self, creator: IOpenSSLClientConnectionCreator, host: str) -> None:
        self._creator = creator
        self._id = _service(host)

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:  # noqa: N802, N803
        """See ``IOpenSSLClientConnectionCreator``."""
        connection: SSL.Connection = self._creator.clientConnectionForTLS(protocol)

        def verify(_: SSL.Connection, shown: crypto.X509, error: int, depth: int, is_good: int) -> bool:
            if not is_good or depth:
                return bool(is_good)
            fault = self._fault(shown)
            if fault is not None:
                protocol.failVerification(Failure(fault))
            return fault is None

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection

    def _fault(self, shown: crypto.X509) -> VerificationError | None:
        """Return why a certificate is not the server's; None: it is."""
        try:
            verify_service_identity(extract_patterns(shown), [self._id], [])
        except VerificationError as error:
            return error
        except (CertificateError, ValueError):  # ValueError: cryptography cannot read it
            return NamesNoHost()
        return None


def _service(host: str) -> ServiceID:
    if isIPAddress(host) or isIPv6Address(host):
        return IPAddress_ID(host)
    return DNS_ID(host if host.isascii() else host.encode("idna").decode())
