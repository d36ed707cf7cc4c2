"""TLS of a simulated base station: its certificate bundle, and its check of the service center."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from OpenSSL import crypto
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate, optionsForClientTLS


class BundleError(ValueError):
    """A bundle cannot be used; the message names the file and the fault."""


@dataclass(frozen=True)
class Bundle:
    """The three files that a base station needs."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def in_directory(cls, directory: Path) -> Bundle:
        """Return the bundle in a folder with ca_cert.pem, station_cert.pem and station_key.pem."""
        return cls(directory / "ca_cert.pem", directory / "station_cert.pem", directory / "station_key.pem")


class ClientTLS:
    """TLS 1.2 or later with a bundle; shared by all stations that use it.

    The service center's certificate must be signed by the CA of the bundle. Its name is checked only if
    ``server_name`` is given, as most service centers in the field are addressed by a name that is not
    in their certificate.

    :raises BundleError: a file is missing or wrong.
    """

    def __init__(self, bundle: Bundle, server_name: str | None = None) -> None:
        authority = _authority(bundle)
        identity = _identity(bundle)
        self._options: IOpenSSLClientConnectionCreator | CertificateOptions
        if server_name is None:
            self._options = CertificateOptions(
                privateKey=identity.privateKey.original, certificate=identity.original, trustRoot=authority
            )
        else:
            self._options = optionsForClientTLS(server_name, trustRoot=authority, clientCertificate=identity)

    def endpoint(self, reactor: object, host: str, port: int) -> IStreamClientEndpoint:
        """Return the endpoint through which a station connects to its service center."""
        return wrapClientTLS(self._options, HostnameEndpoint(reactor, host, port))


def _authority(bundle: Bundle) -> Certificate:
    try:
        return Certificate.loadPEM(_read(bundle.ca))
    except crypto.Error:
        raise BundleError(f"{bundle.ca}: is not a PEM certificate") from None


def _identity(bundle: Bundle) -> PrivateCertificate:
    try:
        identity: PrivateCertificate = PrivateCertificate.loadPEM(
            _read(bundle.key) + b"\n" + _read(bundle.certificate)
        )
    except (crypto.Error, VerifyError):
        raise BundleError(f"{bundle.key}: is not the private key of {bundle.certificate}") from None
    return identity


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror}") from None
