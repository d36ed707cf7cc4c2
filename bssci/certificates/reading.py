"""Reading of certificates, keys and revocation lists, and of what they contain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bssci.model import EUI, parse_eui
from bssci.model.eui import EUI_IN_TEXT

MADE_BY_INIT = ("CERT_FILE", "KEY_FILE", "CA_FILE")
"""settings whose files ``bssci init`` makes"""
OWN_LIST = "revoked.pem"
"""name of the file beside CA_FILE with the revocation list that the service itself keeps"""
REVOKED = "crl.pem"
"""name of the file beside CA_FILE with revocation lists, unless CRL_FILE names another"""
_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----")
"""line that begins or ends a block of a PEM file"""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""kinds of private key that the TLS libraries of gateways understand"""
_SIGNING = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)

AUTHORITY_KEY = "the authority's key"
"""in place of the name of a setting: a key that no setting names, because it is beside CA_FILE"""


class CertificateError(ValueError):
    """A certificate or key cannot be used: one line with file, place and remedy.

    :param fault: what is wrong, and where.
    :param remedy: what to do about a file that settings name; empty: ``fault`` says it.
    :param upload: what to do about a file that is being uploaded; empty: the same.
    :ivar uploaded: the line for a file that is being uploaded.
    """

    def __init__(self, fault: str, remedy: str = "", upload: str = "") -> None:
        super().__init__("; ".join(filter(None, (fault, remedy))))
        self.uploaded = "; ".join(filter(None, (fault, upload or remedy)))


@dataclass(frozen=True)
class Description:
    """Facts about a certificate that people ask for."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """subject alternative names"""
    not_after: datetime
    fingerprint: str
    """SHA-256, as 64 hexadecimal digits"""


def read_certificates(path: Path, setting: str) -> list[x509.Certificate]:
    """Read the certificates of a PEM file; there is at least one.

    :raises CertificateError: naming the file and the ``setting`` that points to it.
    """
    data = _read(path, setting)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise CertificateError(
            f"{path}: holds no PEM certificate",
            _remedy(setting, " to a file that does"),
            "upload one that does",
        ) from None


def read_key(path: Path, setting: str) -> PrivateKey:
    """Read the private key of a PEM file without a password.

    :raises CertificateError: naming the file and the ``setting`` that points to it.
    """
    key = _read_key(path, setting)
    if not isinstance(key, PrivateKey):
        raise CertificateError(
            f"{path}: is neither an elliptic-curve nor an RSA key", _remedy(setting, " to one"), "upload one"
        )
    return key


def _read_key(path: Path, setting: str) -> PrivateKeyTypes:
    data = _read(path, setting)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise CertificateError(
            f"{path}: is protected by a password",
            f"remove it with `openssl pkey -in {path} -out NEW`",
            "remove it with `openssl pkey -in OLD -out NEW`, and upload NEW",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(
            f"{path}: holds no PEM private key",
            _remedy(setting, " to a file that does"),
            "upload one that does",
        ) from None


def read_pair(certificate: Path, key: Path, prefix: str = "") -> tuple[list[x509.Certificate], PrivateKey]:
    """Read a server's certificate with its chain, and its key.

    :param prefix: beginning of the names of the settings: ``WEB_`` for WEB_CERT_FILE and WEB_KEY_FILE.
    :raises CertificateError: naming file and setting; also if the two do not belong together, or the
        certificate is not for servers.
    """
    chain, found = read_certificates(certificate, f"{prefix}CERT_FILE"), read_key(key, f"{prefix}KEY_FILE")
    _refuse_strangers(chain, certificate, found, key, prefix)
    if not _may_serve(chain[0]):
        raise CertificateError(
            f"{certificate}: is for clients only (extended key usage without serverAuth), no client would "
            "accept it",
            f"set {prefix}CERT_FILE to a certificate for servers",
            "upload a certificate for servers",
        )
    return chain, found


def read_client_pair(
    certificate: Path, key: Path, prefix: str
) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """Read a client's certificate with its chain, and its key of any kind. Raises what :func:`read_pair`
    raises.
    """
    chain, found = read_certificates(certificate, f"{prefix}CERT_FILE"), _read_key(key, f"{prefix}KEY_FILE")
    _refuse_strangers(chain, certificate, found, key, prefix)
    return chain, found


def _refuse_strangers(
    chain: Sequence[x509.Certificate], cert_file: Path, key: PrivateKeyTypes, key_file: Path, prefix: str
) -> None:
    public = key.public_key()
    for number, certificate in enumerate(chain):
        if certificate.public_key() == public:
            if number == 0:
                return
            raise CertificateError(
                f"{cert_file}: number {number + 1} ({certificate.subject.rfc4514_string()}) belongs to"
                f" {key_file}, and must come first; put each certificate before the one that signed it"
            )
    raise CertificateError(
        f"{key_file}: is not the key of {cert_file}",
        f"set {prefix}KEY_FILE and {prefix}CERT_FILE to a pair",
        "upload a certificate and its own key together",
    )


def revocation_file(ca_file: Path, crl_file: Path | None) -> Path | None:
    """Return the file of revocation lists: CRL_FILE, or ``crl.pem`` beside CA_FILE if it exists, or None."""
    beside = ca_file.with_name(REVOKED)
    return crl_file or (beside if beside.exists() else None)


def read_revoked(
    path: Path | None, authorities: Sequence[x509.Certificate]
) -> list[x509.CertificateRevocationList]:
    """Read the revocation lists of the authorities: several PEM blocks, or one list in DER.

    :param path: None for no list. Lists of other authorities in the file are ignored.
    :raises CertificateError: the file cannot be read, or a list is not signed by its authority.
    """
    if path is None:
        return []
    ours = []
    for each in lists_of(path, "CRL_FILE"):
        named = [authority for authority in authorities if authority.subject == each.issuer]
        if any(signed_list(each, authority) for authority in named):
            ours.append(each)
        elif named:
            raise CertificateError(
                f"{path}: the list of {each.issuer.rfc4514_string()} is not signed by that authority;"
                " fetch it again"
            )
    return ours


def own_list_file(ca_file: Path) -> Path:
    """Return the path of the revocation list that the service itself keeps."""
    return ca_file.with_name(OWN_LIST)


def read_own_list(
    ca_file: Path, authorities: Sequence[x509.Certificate]
) -> list[x509.CertificateRevocationList]:
    """Read the list of what the service itself has revoked; lists of earlier authorities are ignored.

    :raises CertificateError: the file cannot be read.
    """
    path = own_list_file(ca_file)
    if not path.exists():
        return []
    lists = lists_of(
        path, "CA_FILE", "restore it from a backup: without it, what was revoked is accepted again"
    )
    return [each for each in lists if any(signed_list(each, one) for one in authorities)]


def lists_of(path: Path, setting: str, remedy: str = "") -> list[x509.CertificateRevocationList]:
    """Read the revocation lists of a file: several PEM blocks, or one list in DER.

    :param remedy: what to do if there is none; empty: to change the setting.
    :raises CertificateError: there is none, or the file cannot be read.
    """
    lists = lists_in(_read(path, setting))
    if not lists:
        remedy = remedy or f"set {setting} to a file that does"
        raise CertificateError(f"{path}: holds no revocation list; {remedy}")
    return lists


def lists_in(data: bytes) -> list[x509.CertificateRevocationList]:
    """Return the revocation lists in the content of a file; none if there is none, or one is damaged."""
    try:
        if b"-----BEGIN" not in data:
            return [x509.load_der_x509_crl(data)]
        blocks = [block for label, block in pem_blocks(data) if label == b"X509 CRL"]
        return [x509.load_pem_x509_crl(block) for block in blocks]
    except ValueError:
        return []


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return whether an authority has signed a certificate, by name and signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def signed_list(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    """Return whether an authority has signed a list."""
    key = authority.public_key()
    try:
        return isinstance(key, _SIGNING) and found.is_signature_valid(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def pem_blocks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield label and text of every complete PEM block, in time proportional to the length of the data."""
    # One pass over the boundaries: a pattern for a whole block would search for an end after each
    # beginning, which takes minutes if the file consists of beginnings.
    begun: re.Match[bytes] | None = None
    for boundary in _BOUNDARY.finditer(data):
        if boundary[1] == b"BEGIN":
            begun = boundary
        elif begun is not None and begun[2] == boundary[2]:
            yield begun[2], data[begun.start() : boundary.end()] + b"\n"
            begun = None


def certificate_span(der: bytes) -> tuple[float, float]:
    """Return the validity of a certificate (DER): its beginning and end, in Unix seconds.

    :raises CertificateError: it is not a certificate.
    """
    try:
        found = x509.load_der_x509_certificate(der)
        return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    except ValueError as error:
        raise CertificateError(str(error)) from None


def subject_of(certificate: x509.Certificate) -> str:
    """Return a certificate's subject as people read it: ``CN=station,O=plant``."""
    return certificate.subject.rfc4514_string() or "without a name"


def describe(certificate: x509.Certificate) -> Description:
    return Description(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=tuple(str(name.value) for name in _alternative_names(certificate)),
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def euis_of(certificate: x509.Certificate) -> set[EUI]:
    """Return the EUIs in CN and SAN, in any spelling, even as part of a name such as ``urn:dev:mac:…``."""
    common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    texts = [str(attribute.value) for attribute in common_names]
    texts += [
        name.value
        for name in _alternative_names(certificate)
        if isinstance(name, (x509.DNSName, x509.UniformResourceIdentifier))
    ]
    return {parse_eui(match[0]) for text in texts for match in EUI_IN_TEXT.finditer(text)}


def _may_serve(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.isdisjoint(usage)


def _alternative_names(certificate: x509.Certificate) -> Iterable[x509.GeneralName]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()


def _remedy(setting: str, to: str = "") -> str:
    """Return the advice to change a setting; or to make anew what is no setting, as ``the bundle``.

    The key of an authority is not made anew: no base station would trust what a new one signs.
    """
    if setting == AUTHORITY_KEY:
        return "restore it from a backup"
    return f"set {setting}{to}" if setting.isupper() else f"make {setting} anew"


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        remedy, upload = _remedy(setting), ""
        if setting in MADE_BY_INIT:
            # init refuses to make what is missing from a set of files that belong together.
            remedy = f"restore it, {remedy}, or run `bssci init` if there are no certificates yet"
            upload = "upload it, too"
        raise CertificateError(f"{path}: does not exist", remedy, upload) from None
    except OSError as error:
        raise CertificateError(f"{path}: cannot be read: {error.strerror}; check {setting}") from None
