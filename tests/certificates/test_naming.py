"""Which servers a client believes, by a handshake in memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.ssl import Certificate, optionsForClientTLS
from twisted.python.failure import Failure

from bssci.certificates.naming import NamedServer, NamesNoHost
from tests.support.log_lines import log_lines
from tests.support.tls import TLSFiles, tls_files

__all__ = ["log_lines", "tls_files"]


class Connecting:
    """A client's side, in place of Twisted's protocol for TLS.

    :ivar faults: reasons for which the server's certificate was refused.
    """

    factory = SimpleNamespace(wrappedFactory=None)

    def __init__(self) -> None:
        self.faults: list[BaseException] = []

    def failVerification(self, reason: Failure) -> None:  # noqa: N802
        self.faults.append(reason.value)

    def connect(self, options: NamedServer, certificate: Path, key: Path) -> str:
        """Return why OpenSSL gave up, in its words; empty: the handshake succeeded."""
        context = SSL.Context(SSL.TLS_METHOD)
        context.use_certificate_file(str(certificate))
        context.use_privatekey_file(str(key))
        client, server = options.clientConnectionForTLS(self), SSL.Connection(context, None)
        client.set_connect_state()
        server.set_accept_state()
        for side, other in ((client, server), (server, client)) * 5:
            try:
                side.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                return str(error)
            with suppress(SSL.WantReadError):
                other.bio_write(side.bio_read(1 << 20))
        return ""


def options(files: TLSFiles, host: str) -> NamedServer:
    authority = Certificate.loadPEM(files.ca.read_bytes())
    return NamedServer(optionsForClientTLS(host, authority), host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_that_its_certificate_names_is_believed(tls_files: TLSFiles, host: str) -> None:
    client = Connecting()
    assert client.connect(options(tls_files, host), tls_files.certificate, tls_files.key) == ""
    assert client.faults == []


@pytest.mark.parametrize("host", ["example.org", "127.0.0.2", "::1", "bücher.example"])
def test_one_that_it_does_not_name_is_not(tls_files: TLSFiles, host: str) -> None:
    client = Connecting()
    assert "verify failed" in client.connect(options(tls_files, host), tls_files.certificate, tls_files.key)
    [fault] = client.faults
    assert isinstance(fault, VerificationError) and not isinstance(fault, NamesNoHost)


def test_nor_is_one_whose_certificate_names_no_host(tls_files: TLSFiles, log_lines: list[str]) -> None:
    """Of the same authority: with the certificate of a base station anybody could be the server."""
    client, bundle = Connecting(), tls_files.station_bundle()
    certificate, key = bundle / "station_cert.pem", bundle / "station_key.pem"
    assert "verify failed" in client.connect(options(tls_files, "localhost"), certificate, key)
    [fault] = client.faults
    assert isinstance(fault, NamesNoHost) and "no subjectAltName" in str(fault)
    assert log_lines == []


def test_one_of_another_authority_is_openssl_s_to_refuse(tls_files: TLSFiles, tmp_path: Path) -> None:
    other, client = TLSFiles(tmp_path), Connecting()
    assert "verify failed" in client.connect(options(tls_files, "localhost"), other.certificate, other.key)
    assert client.faults == []
