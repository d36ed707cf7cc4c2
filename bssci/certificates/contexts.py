"""TLS contexts for the service center's servers, made with OpenSSL from certificates in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL, crypto

from bssci.certificates.alerts import UNACCEPTABLE, set_verify
from bssci.certificates.reading import CertificateError, PrivateKey, is_signed_by, signed_list

REVOKED = 23
"""error of OpenSSL's verification (``X509_V_ERR_CERT_REVOKED``)"""


@runtime_checkable
class Gatekeeper(Protocol):
    """A protocol that decides about the certificates that its client shows."""

    def judge(self, certificate: x509.Certificate, depth: int, error: int) -> bool:
        """Return whether the handshake continues.

        Called for each certificate of the chain, from the authority down to the client's own.

        :param depth: 0 for the client's own certificate.
        :param error: error of OpenSSL's verification (``X509_V_ERR_…``); 0: the certificate is good.
        """


def server_context(chain: Sequence[x509.Certificate], key: PrivateKey) -> SSL.Context:
    """Return the context of a server that does not ask its clients for certificates. TLS 1.2 at least.

    :raises CertificateError: OpenSSL refuses the certificate or the key; the text says why.
    """
    return _context(chain, key)


def station_context(
    chain: Sequence[x509.Certificate],
    key: PrivateKey,
    authorities: Sequence[x509.Certificate],
    revoked: Sequence[x509.CertificateRevocationList] = (),
) -> SSL.Context:
    """Return the context of a server that accepts only clients with certificates of some authorities. TLS
    1.2 at least.

    Each of the ``authorities`` is trusted, even without a root above it (a partial chain).

    If the protocol above Twisted's TLS is a :class:`Gatekeeper`, it decides.

    :param revoked: revocation lists of the authorities, or of those in ``chain``. An authority without a list
        has revoked nothing; a list that is out of date still counts, and so does each of several lists.
    :raises CertificateError: as :func:`server_context`.
    """
    # Imported here, and below, because it loads the reactor's modules, which most sub-commands do not need.
    from twisted.internet.ssl import Certificate, trustRootFromCertificates

    roots = trustRootFromCertificates(
        [Certificate(crypto.X509.from_cryptography(each)) for each in authorities]
    )
    context = _context(chain, key, trustRoot=roots)
    store = context.get_cert_store()
    assert store is not None
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    verify = _verifier(_revokers(revoked, [*authorities, *chain[1:]]))
    set_verify(context, SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    return context


Revokers = Mapping[tuple[bytes, int], Sequence[x509.Certificate]]
"""authorities that have revoked a certificate, by its issuer's name in DER and its serial number"""


def _verifier(revokers: Revokers) -> Callable[[SSL.Connection, crypto.X509, int, int, int], int]:
    """Return what judges each certificate that a client shows, after OpenSSL has: 0, or an error of
    OpenSSL.
    """

    def verify(connection: SSL.Connection, shown: crypto.X509, error: int, depth: int, is_good: int) -> int:
        certificate = shown.to_cryptography()
        fault = 0 if is_good else error
        if not fault and _is_revoked(certificate, revokers):
            fault = REVOKED
        # Twisted has its own protocol there, wrapped around the one above TLS.
        gatekeeper = getattr(connection.get_app_data(), "wrappedProtocol", None)
        if isinstance(gatekeeper, Gatekeeper):
            return 0 if gatekeeper.judge(certificate, depth, fault) else fault or UNACCEPTABLE
        return fault

    return verify


def _is_revoked(certificate: x509.Certificate, revokers: Revokers) -> bool:
    # An authority that was made anew under its name begins again with its serial numbers.
    found = revokers.get((certificate.issuer.public_bytes(), certificate.serial_number), ())
    return any(is_signed_by(certificate, authority) for authority in found)


def _revokers(
    lists: Iterable[x509.CertificateRevocationList], authorities: Sequence[x509.Certificate]
) -> Revokers:
    # OpenSSL's own check knows one list of an authority, and takes an authority of the same name with another
    # key for one whose list is missing.
    found: dict[tuple[bytes, int], list[x509.Certificate]] = {}
    for each in lists:
        issuer = each.issuer.public_bytes()
        signers = [authority for authority in authorities if signed_list(each, authority)]
        for entry in each:
            found.setdefault((issuer, entry.serial_number), []).extend(signers)
    return found


def described_key(key: object) -> str:
    """Return the kind of a key: ``RSA 2048``, ``secp256r1``."""
    if isinstance(key, (rsa.RSAPublicKey, rsa.RSAPrivateKey)):
        return f"RSA {key.key_size}"
    if isinstance(key, (ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey)):
        return key.curve.name
    return type(key).__name__


def _context(chain: Sequence[x509.Certificate], key: PrivateKey, **options: Any) -> SSL.Context:
    from twisted.internet.ssl import CertificateOptions

    own, *signers = chain
    # Twisted's type stubs know only pyOpenSSL's own types, which are deprecated.
    identity: dict[str, Any] = {"privateKey": key, "certificate": own, "extraCertChain": signers}
    try:
        context = CertificateOptions(**identity, **options).getContext()
    except SSL.Error as error:
        raise CertificateError(
            f"OpenSSL refuses it ({openssl_words(error)}; its key is {described_key(key)})"
        ) from None
    # By default Twisted refuses a client that offers a protocol by ALPN if none is configured (alert 80).
    context.set_alpn_select_callback(lambda connection, offered: SSL.NO_OVERLAPPING_PROTOCOLS)
    return context


def openssl_words(error: SSL.Error) -> str:
    """Return OpenSSL's own words for an error."""
    stack = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(dict.fromkeys(words for *_, words in stack if words)) or "no reason given"
