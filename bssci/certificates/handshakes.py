"""TLS handshakes in memory, to try whether base stations and service center could connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from OpenSSL import SSL, crypto

from bssci.certificates.contexts import openssl_words
from bssci.certificates.reading import PrivateKey

NOT_YET_VALID, EXPIRED, SELF_SIGNED, REVOKED, OTHER_PURPOSE = 9, 10, 18, 23, 26
"""errors of OpenSSL's verification (``X509_V_ERR_…``)"""
UNTRUSTED = frozenset({2, 7, 19, 20, 21})
"""errors which mean that the authority of a certificate is not trusted; 7: though one of its name is"""
_WORDS = {
    2: "its issuer is missing",
    7: "its signature is wrong",
    SELF_SIGNED: "it signed itself and is not trusted",
    19: "its root is not trusted",
    20: "its issuer is missing",
    21: "its issuer is missing",
    REVOKED: "it is revoked",
    24: "its issuer may not sign certificates",
    25: "there are more authorities between it and the certificate than it allows",
    OTHER_PURPOSE: "it is for another purpose",
    28: "it is rejected",
    66: "its key is too small",
    67: "the key of its authority is too small",
    68: "it is signed with SHA-1 or MD5, which no TLS library accepts any more",
    79: "its issuer is no authority",
}
_TURNS = 20


@dataclass
class Meeting:
    """Result of a handshake."""

    refused: str = ""
    """reason why one of the sides gave up, in OpenSSL's words; empty if the handshake succeeded"""
    faults: list[tuple[x509.Certificate, int]] = field(default_factory=list)
    """faults that the client finds in the server's certificates, by OpenSSL's numbers; not those of time"""


def meet(
    server: SSL.Context,
    trusted: Sequence[x509.Certificate],
    *,
    whole_chain: bool = False,
    identity: tuple[x509.Certificate, PrivateKey] | None = None,
) -> Meeting:
    """Connect a client with the defaults of OpenSSL to a server.

    :param trusted: authorities that the client knows.
    :param whole_chain: the client insists on a self-signed root, as small TLS libraries do.
    :param identity: certificate and key of the client.
    """
    meeting = Meeting()

    def note(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, is_good: int) -> bool:
        if not is_good and error not in (NOT_YET_VALID, EXPIRED):
            meeting.faults.append((certificate.to_cryptography(), error))
        return True

    context = SSL.Context(SSL.TLS_METHOD)
    context.set_verify(SSL.VERIFY_PEER, note)
    store = context.get_cert_store()
    assert store is not None
    for each in trusted:
        store.add_cert(crypto.X509.from_cryptography(each))
    if not whole_chain:
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        if identity is not None:
            context.use_certificate(identity[0])
            context.use_privatekey(identity[1])
        _carry(SSL.Connection(context, None), SSL.Connection(server, None))
    except SSL.Error as error:
        meeting.refused = openssl_words(error)
    return meeting


def words_of_fault(error: int) -> str:
    """Return a description of an error number of OpenSSL's verification."""
    return _WORDS.get(error, f"OpenSSL error {error}")


def _carry(client: SSL.Connection, server: SSL.Connection) -> None:
    """Carry bytes between both sides until none are left.

    :raises SSL.Error: one of them gives up.
    """
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(_TURNS):
        moved = False
        for side, other in ((client, server), (server, client)):
            try:
                side.do_handshake()
                side.recv(1)
            except SSL.WantReadError:
                pass
            try:
                other.bio_write(side.bio_read(1 << 20))
                moved = True
            except SSL.WantReadError:
                pass
        if not moved:
            return
