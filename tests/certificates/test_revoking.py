"""The list of what our own authority has revoked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from bssci.certificates import bundles, issuing, revoking
from bssci.certificates.reading import CertificateError, own_list_file, read_certificates, read_own_list
from bssci.model import EUI

NOW = datetime(2026, 5, 1, tzinfo=UTC)
FIRST, SECOND = EUI("CAFE000000000001"), EUI("CAFE000000000002")


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca_cert.pem"
    list(bundles.make_authority(path, NOW))
    return path


def bundled(ca: Path, eui: EUI) -> x509.Certificate:
    list(bundles.make_station(ca, ca.parent / "stations", eui, NOW))
    return read_certificates(ca.parent / "stations" / eui / "station_cert.pem", "")[0]


def revoke(ca: Path, certificate: x509.Certificate) -> None:
    own_list_file(ca).write_bytes(revoking.revoke(ca, certificate, NOW))


def test_the_list_grows_by_one_and_is_signed_by_the_authority(ca: Path) -> None:
    first, second = bundled(ca, FIRST), bundled(ca, SECOND)
    revoke(ca, first)
    revoke(ca, second)
    revoke(ca, first)
    [found] = read_own_list(ca, read_certificates(ca, ""))
    assert [each.serial_number for each in found] == [first.serial_number, second.serial_number]
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert {each.at for each in revoking.listed(ca)} == {NOW}


def test_of_a_new_authority_the_old_list_stays_and_counts_no_more(ca: Path) -> None:
    first = bundled(ca, FIRST)
    revoke(ca, first)
    ca.unlink()
    bundles.authority_key_file(ca).unlink()
    list(bundles.make_authority(ca, NOW))
    assert read_own_list(ca, read_certificates(ca, "")) == []
    (ca.parent / "stations" / FIRST / "station_cert.pem").unlink()
    again = bundled(ca, FIRST)
    revoke(ca, again)
    assert {each.serial_number for each in revoking.listed(ca)} == {first.serial_number, again.serial_number}


def test_a_backup_takes_no_revocation_back(ca: Path) -> None:
    first, second = bundled(ca, FIRST), bundled(ca, SECOND)
    path = own_list_file(ca)
    revoke(ca, first)
    backup = path.read_bytes()
    assert revoking.restored(ca, backup) == backup
    revoke(ca, second)
    now = path.read_bytes()
    assert revoking.restored(ca, backup) == now
    path.write_bytes(backup)
    assert revoking.restored(ca, now) == now
    path.write_bytes(b"damaged")
    assert revoking.restored(ca, now) == now
    path.unlink()
    assert revoking.restored(ca, now) == now


def test_lists_that_differ_are_both_kept(ca: Path) -> None:
    first, second = bundled(ca, FIRST), bundled(ca, SECOND)
    path = own_list_file(ca)
    revoke(ca, first)
    backup = path.read_bytes()
    path.unlink()
    revoke(ca, second)
    path.write_bytes(revoking.restored(ca, backup))
    assert {each.serial_number for each in revoking.listed(ca)} == {first.serial_number, second.serial_number}
    assert len(read_own_list(ca, read_certificates(ca, ""))) == 2


@pytest.mark.parametrize("content", [b"", b"no list", b"-----BEGIN X509 CRL-----\n-----END X509 CRL-----\n"])
def test_a_backup_without_a_list_in_the_list_is_refused(ca: Path, content: bytes) -> None:
    with pytest.raises(CertificateError, match="holds no revocation list"):
        revoking.restored(ca, content)


def test_what_others_signed_is_theirs_to_revoke(ca: Path) -> None:
    key = issuing.new_key()
    stranger = issuing.create_authority(key, NOW)
    with pytest.raises(CertificateError, match="block the station"):
        revoking.revoke(ca, _issued_elsewhere(key, stranger), NOW)


def _issued_elsewhere(key, authority) -> x509.Certificate:
    return issuing.issue_station(issuing.new_key(), issuing.Authority(authority, key), FIRST, NOW)


def test_a_damaged_list_of_ours_is_refused_with_a_remedy_that_helps(ca: Path) -> None:
    own_list_file(ca).write_bytes(b"nothing of the kind")
    with pytest.raises(CertificateError, match="restore it from a backup"):
        read_own_list(ca, read_certificates(ca, ""))
