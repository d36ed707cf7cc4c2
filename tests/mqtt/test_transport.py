"""TLS from files, and reasons in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from errno import ECONNREFUSED

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.error import (
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TCPTimedOutError,
)
from twisted.python.failure import Failure

from bssci.certificates.issuing import certificate_to_pem, key_to_pem
from bssci.certificates.naming import NamedServer, NamesNoHost
from bssci.certificates.reading import CertificateError
from bssci.mqtt.transport import explain, tls_options
from bssci.mqtt.values import MqttSettings
from tests.support.tls import tls_files  # noqa: F401


def settings(**files) -> MqttSettings:
    return MqttSettings(tls=True, **{name: str(path) for name, path in files.items()})


def test_tls_options_from_files(tls_files):  # noqa: F811
    assert tls_options(settings())
    bundle = tls_files.station_bundle()
    assert tls_options(
        settings(
            ca_file=tls_files.ca,
            cert_file=bundle / "station_cert.pem",
            key_file=bundle / "station_key.pem",
        )
    )


def test_the_broker_s_certificate_must_name_it():
    assert isinstance(tls_options(settings()), NamedServer)


def test_certificate_and_key_in_one_file(tls_files, tmp_path):  # noqa: F811
    both = tmp_path / "both.pem"
    both.write_bytes(tls_files.certificate.read_bytes() + tls_files.key.read_bytes())
    assert tls_options(settings(cert_file=both))


def test_a_key_that_only_the_broker_must_know(tmp_path):
    key, now = ed25519.Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service center")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    files = {"cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    files["cert_file"].write_bytes(certificate_to_pem(builder.sign(key, None)))
    files["key_file"].write_bytes(key_to_pem(key))
    assert tls_options(settings(**files))


def test_an_unusable_file_is_named(tls_files, tmp_path):  # noqa: F811
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    with pytest.raises(CertificateError, match="missing.pem: does not exist; set MQTT_CA_FILE"):
        tls_options(settings(ca_file=tmp_path / "missing.pem"))
    with pytest.raises(CertificateError, match="garbage.pem: holds no PEM certificate; set MQTT_CA_FILE"):
        tls_options(settings(ca_file=garbage))
    with pytest.raises(CertificateError, match="garbage.pem: holds no PEM private key; set MQTT_KEY_FILE"):
        tls_options(settings(cert_file=tls_files.certificate, key_file=garbage))


def test_a_key_of_another_certificate_is_refused(tls_files):  # noqa: F811
    other = tls_files.station_bundle() / "station_key.pem"
    with pytest.raises(CertificateError, match="is not the key of .*; set MQTT_KEY_FILE"):
        tls_options(settings(cert_file=tls_files.certificate, key_file=other))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionDone(), "the broker closed the connection"),
        (ConnectionLost(), "the connection was lost"),
        (ConnectionRefusedError(ECONNREFUSED, "refused"), "Connection refused"),
        (TCPTimedOutError(), "TCP connection timed out"),
        (DNSLookupError("no results for hostname lookup: nowhere"), "nowhere"),
        (SSL.Error([("SSL routines", "", "certificate verify failed")]), "TLS: certificate verify failed"),
        (SSL.Error([("SSL routines", "", "certificate verify failed")]), "has expired, or its authority"),
        (NamesNoHost(), "needs a subjectAltName"),
        (SSL.Error(), "Error"),
    ],
)
def test_why_a_connection_ended_is_said_in_words(error, words):
    text = explain(Failure(error))
    assert words in text and "other side" not in text
