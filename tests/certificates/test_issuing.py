from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from bssci.certificates.issuing import (
    CA_LIFE,
    LIFE,
    Authority,
    certificate_to_pem,
    create_authority,
    issue_server,
    issue_station,
    key_to_pem,
    new_key,
    parse_host,
)
from bssci.certificates.reading import CertificateError, euis_of
from bssci.model import EUI

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATION = EUI("CAFE000000000001")


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = new_key()
    return Authority(create_authority(key, NOW), key)


def test_an_authority_may_sign_and_nothing_below_it(authority: Authority) -> None:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical and constraints.value.ca and constraints.value.path_length == 0
    assert authority.certificate.not_valid_after_utc == NOW + CA_LIFE


def test_a_server_is_named_by_its_hosts_and_the_loopback(authority: Authority) -> None:
    certificate = issue_server(new_key(), authority, ["bssci.example", "192.0.2.1", "localhost"], NOW)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bssci.example", "localhost"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["192.0.2.1", "127.0.0.1", "::1"]
    certificate.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize(("eui", "named"), [(STATION, {STATION}), (None, set())])
def test_a_station_is_named_by_its_eui_or_not_at_all(
    authority: Authority, eui: EUI | None, named: set[EUI]
) -> None:
    certificate = issue_station(new_key(), authority, eui, NOW)
    assert euis_of(certificate) == named
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_no_certificate_outlives_its_authority(authority: Authority) -> None:
    late = NOW + CA_LIFE - timedelta(days=1)
    assert issue_station(new_key(), authority, STATION, late).not_valid_after_utc == NOW + CA_LIFE
    assert issue_station(new_key(), authority, STATION, NOW).not_valid_after_utc == NOW + LIFE


def test_files_are_pem(authority: Authority) -> None:
    assert key_to_pem(authority.key).startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert certificate_to_pem(authority.certificate).startswith(b"-----BEGIN CERTIFICATE-----\n")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (" sc.example ", "sc.example"),
        ("sc", "sc"),
        ("my_vm", "my_vm"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("sc\u00e9.example", "xn--sc-cja.example"),
        ("9.example", "9.example"),
    ],
)
def test_a_host_is_a_name_or_an_address(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "a b", "sc..example", "192.0.2.300", "http://sc.example", "sc.example:16018", "-sc", "fe80::1%eth0",
     "x" * 64, "\u00e9" * 300, "\ufdfa" * 20_000, ".".join(["abc"] * 64)],
)  # fmt: skip
def test_what_is_no_host_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a host name nor an address") as refused:
        parse_host(text)
    assert repr(text[:80]) in str(refused.value)


@pytest.mark.parametrize("year", [1970, 2000])
def test_nothing_is_issued_by_a_clock_that_was_never_set(authority: Authority, year: int) -> None:
    never_set = datetime(year, 1, 1, tzinfo=UTC)
    with pytest.raises(CertificateError, match=f"the clock of this machine says {year}-01-01: set it first"):
        create_authority(new_key(), never_set)
    with pytest.raises(CertificateError, match="set it first"):
        issue_station(new_key(), authority, STATION, never_set)
