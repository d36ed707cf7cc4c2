"""Certificates: what is issued, and what is refused with which words."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bssci.certificates import bundles, issuing
from bssci.certificates import reading as certificates
from bssci.certificates.checking import check_pair
from bssci.certificates.issuing import Authority, certificate_to_pem, key_to_pem
from bssci.certificates.reading import CertificateError
from bssci.model import EUI

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATION = EUI("70B3D56770FF0001")


class Files:
    """CERT_FILE, KEY_FILE and CA_FILE in one directory."""

    def __init__(self, directory: Path) -> None:
        self.cert = directory / "service_center_cert.pem"
        self.key = directory / "service_center_key.pem"
        self.ca = directory / "ca_cert.pem"

    def make(self, now: datetime = NOW, hosts: tuple[str, ...] = ()) -> Files:
        list(bundles.make_authority(self.ca, now))
        list(bundles.make_server(self.ca, self.cert, self.key, hosts, now))
        return self

    def check(self, now: datetime = NOW) -> list[str]:
        return check_pair(self.cert, self.key, self.ca, now)

    def refusal(self, now: datetime = NOW) -> str:
        with pytest.raises(CertificateError) as caught:
            self.check(now)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path).make()


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def named(common_name: str, *alternatives: x509.GeneralName) -> x509.Certificate:
    key = issuing.new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(1))
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(key, hashes.SHA256())


def test_the_authority_can_sign_for_ten_years(files: Files) -> None:
    authority = load(files.ca)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value.ca) == (True, True)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert authority.not_valid_after_utc.year == NOW.year + 10
    assert authority.not_valid_before_utc < NOW


def test_the_service_center_carries_its_addresses(tmp_path: Path) -> None:
    server = load(Files(tmp_path).make(hosts=("sc.example.org", "192.0.2.7", "localhost")).cert)
    assert set(certificates.describe(server).names) == {
        "sc.example.org",
        "192.0.2.7",
        "localhost",
        "127.0.0.1",
        "::1",
    }
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_station_is_named_by_its_eui(files: Files, tmp_path: Path) -> None:
    list(bundles.make_station(files.ca, tmp_path / "stations", STATION, NOW))
    bundle = tmp_path / "stations" / STATION
    station = load(bundle / "station_cert.pem")
    description = certificates.describe(station)
    assert description.subject == f"CN={STATION}"
    assert description.names == (STATION,)
    assert description.issuer == "CN=BSSCI service center CA"
    assert len(description.fingerprint) == 64
    assert description.not_after == station.not_valid_after_utc
    assert certificates.euis_of(station) == {STATION}
    assert list(station.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    station.verify_directly_issued_by(load(bundle / "ca_cert.pem"))


def test_nothing_outlives_its_authority(tmp_path: Path) -> None:
    key = issuing.new_key()
    authority = Authority(issuing.create_authority(key, NOW), key)
    station = issuing.issue_station(issuing.new_key(), authority, STATION, NOW + timedelta(days=3000))
    assert station.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    "text",
    [
        "70B3D56770FF0001",
        "70b3d56770ff0001",
        "70-b3-d5-67-70-ff-00-01",
        "70:B3:D5:67:70:FF:00:01",
        "eui-70b3d56770ff0001",
        "70b3d56770ff0001.stations.example.org",
    ],
)
def test_an_eui_in_any_spelling(text: str) -> None:
    assert certificates.euis_of(named(text)) == {STATION}
    assert certificates.euis_of(named("localhost", x509.DNSName(text))) == {STATION}
    assert certificates.euis_of(named("gateway", x509.UniformResourceIdentifier(f"urn:dev:mac:{text}"))) == {
        STATION
    }


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "70B3D56770FF00",
        "70B3D56770FF000102",
        "550e8400-e29b-41d4-a716-446655440000",
        "base-station",
    ],
)
def test_a_name_without_an_eui(text: str) -> None:
    assert certificates.euis_of(named(text, x509.DNSName("localhost"))) == set()


def test_all_euis_that_a_certificate_names_are_found() -> None:
    other = "CAFE000000000001"
    assert certificates.euis_of(named(STATION, x509.DNSName(other))) == {STATION, EUI(other)}


def test_a_good_pair(files: Files) -> None:
    assert files.check() == []


def test_a_certificate_soon_to_expire_is_warned_about(files: Files) -> None:
    end = load(files.cert).not_valid_after_utc
    assert files.check(end - timedelta(days=31)) == []
    assert files.check(end - timedelta(days=29)) == [f"{files.cert}: expires on {end:%Y-%m-%d}"]


def test_an_expired_or_future_certificate_is_refused(files: Files) -> None:
    end = load(files.cert).not_valid_after_utc
    assert files.refusal(end + timedelta(days=1)) == (
        f"{files.cert}: expired on {end:%Y-%m-%d}; remove it and run `bssci init`"
    )
    assert files.refusal(NOW - timedelta(days=9)) == (
        f"{files.ca}: is valid only from 2026-05-31; check this machine's clock"
    )


def test_a_key_that_others_may_read_is_warned_about(files: Files) -> None:
    files.key.chmod(0o640)
    assert files.check() == [f"{files.key}: others may read it; run `chmod 600 {files.key}`"]


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    files.key.write_bytes(key_to_pem(issuing.new_key()))
    assert files.refusal() == (
        f"{files.key}: is not the key of {files.cert}; set KEY_FILE and CERT_FILE to a pair"
    )


def test_a_certificate_of_another_authority_is_refused(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(Files(tmp_path / "other").make().ca, files.ca)
    assert files.refusal() == (
        f"{files.cert}: is not signed by {files.ca} (signed by CN=BSSCI service center CA); "
        "append the certificate of each authority in between, set CA_FILE to its authority, "
        "or remove it and its key and run `bssci init`"
    )


def test_one_of_several_authorities_is_enough(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Files(tmp_path / "other").make()
    files.ca.write_bytes(other.ca.read_bytes() + files.ca.read_bytes())
    assert files.check() == []


def test_a_chain_leads_to_its_authority(tmp_path: Path) -> None:
    root_key, middle_key, key = (issuing.new_key() for _ in range(3))
    root = issuing.create_authority(root_key, NOW, path_length=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "middle")])
    middle = (
        x509.CertificateBuilder(root.subject, name, middle_key.public_key(), 1, NOW, NOW + timedelta(9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    leaf = issuing.issue_server(key, Authority(middle, middle_key), [], NOW)
    files = Files(tmp_path)
    files.ca.write_bytes(certificate_to_pem(root))
    files.key.write_bytes(key_to_pem(key))
    files.key.chmod(0o600)
    files.cert.write_bytes(certificate_to_pem(leaf) + certificate_to_pem(middle))
    until = f"{files.cert}: expires on 2026-06-10"
    assert files.check() == [until, f"{until} (CN=middle)"]
    files.cert.write_bytes(certificate_to_pem(leaf))
    assert "is not signed by" in files.refusal()


def test_an_authority_that_may_not_sign_is_refused(files: Files) -> None:
    key = issuing.new_key()
    files.key.write_bytes(key_to_pem(key))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=99))
    alone = certificate_to_pem(builder.sign(key, hashes.SHA256()))
    files.cert.write_bytes(alone)
    files.ca.write_bytes(alone)
    assert files.refusal() == (
        f"{files.ca}: may not sign certificates (it needs CA:TRUE and keyCertSign); use another CA"
    )


@pytest.mark.parametrize(
    ("usage", "serves"),
    [
        (None, True),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, True),
        (ExtendedKeyUsageOID.SERVER_AUTH, True),
        (ExtendedKeyUsageOID.CLIENT_AUTH, False),
    ],
)
def test_a_certificate_for_clients_only_is_refused(
    files: Files, usage: x509.ObjectIdentifier | None, serves: bool
) -> None:
    authority = bundles.read_authority(files.ca)
    key = certificates.read_key(files.key, "")
    builder = x509.CertificateBuilder(
        authority.certificate.subject, load(files.cert).subject, key.public_key(), 1, NOW, NOW + timedelta(90)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    files.cert.write_bytes(certificate_to_pem(builder.sign(authority.key, hashes.SHA256())))
    if usage == ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE:
        assert "(serverAuth); base stations that insist on it" in files.check()[0]
    elif serves:
        assert files.check() == []
    else:
        assert f"{files.cert}: is for clients only" in files.refusal()


def test_a_missing_file_is_named(files: Files) -> None:
    files.cert.unlink()
    assert files.refusal() == (
        f"{files.cert}: does not exist; restore it, set CERT_FILE, or run `bssci init` if there are no"
        " certificates yet"
    )


def test_an_unreadable_file_is_named(files: Files) -> None:
    files.key.unlink()
    files.key.mkdir()
    assert files.refusal() == f"{files.key}: cannot be read: Is a directory; check KEY_FILE"


def test_files_that_hold_something_else(files: Files) -> None:
    files.ca.write_text("")
    assert files.refusal() == f"{files.ca}: holds no PEM certificate; set CA_FILE to a file that does"
    files.make()
    files.ca.write_bytes(load(files.cert).public_bytes(serialization.Encoding.DER))
    assert "holds no PEM certificate" in files.refusal()
    files.ca.write_bytes(files.cert.read_bytes())
    files.key.write_text("no key")
    assert files.refusal() == f"{files.key}: holds no PEM private key; set KEY_FILE to a file that does"


def test_a_key_with_a_password_is_refused(files: Files) -> None:
    locked = issuing.new_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    files.key.write_bytes(locked)
    assert files.refusal() == (
        f"{files.key}: is protected by a password; remove it with `openssl pkey -in {files.key} -out NEW`"
    )


def test_a_key_that_gateways_do_not_know_is_refused(files: Files) -> None:
    files.key.write_bytes(
        ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    assert files.refusal() == f"{files.key}: is neither an elliptic-curve nor an RSA key; set KEY_FILE to one"


def test_what_no_setting_names_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match="cert.pem: does not exist; make the bundle anew$"):
        certificates.read_certificates(tmp_path / "cert.pem", "the bundle")
    (tmp_path / "cert.pem").write_text("x")
    with pytest.raises(CertificateError, match="holds no PEM certificate; make the bundle anew$"):
        certificates.read_certificates(tmp_path / "cert.pem", "the bundle")
