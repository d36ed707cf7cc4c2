"""Certificate files: made once, kept ever after, completed after an interruption."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bssci.certificates import bundles, issuing
from bssci.certificates import reading as certificates
from bssci.certificates.checking import check_pair
from bssci.certificates.reading import CertificateError
from bssci.model import EUI

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATION = EUI("70B3D56770FF0001")
ALL = (
    "ca_key.pem",
    "ca_cert.pem",
    "service_center_key.pem",
    "service_center_cert.pem",
    f"stations/{STATION}/station_key.pem",
    f"stations/{STATION}/station_cert.pem",
    f"stations/{STATION}/ca_cert.pem",
)


def make(directory: Path) -> dict[str, bool]:
    """For each file whether it was created."""
    ca, cert, key = (directory / name for name in ("ca_cert.pem", ALL[3], ALL[2]))
    made = [
        *bundles.make_authority(ca, NOW),
        *bundles.make_server(ca, cert, key, [], NOW),
        *bundles.make_station(ca, directory / "stations", STATION, NOW),
    ]
    return {str(each.path.relative_to(directory)): each.created for each in made}


def test_files_are_made_once(tmp_path: Path) -> None:
    assert make(tmp_path) == dict.fromkeys(ALL, True)
    before = {name: (tmp_path / name).read_bytes() for name in ALL}
    assert make(tmp_path) == dict.fromkeys(ALL, False)
    assert {name: (tmp_path / name).read_bytes() for name in ALL} == before
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ALL} == {0o600}


@pytest.mark.parametrize("written", range(len(ALL)))
def test_a_run_that_was_cut_off_is_completed(tmp_path: Path, written: int) -> None:
    make(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ALL[:written]}
    for name in ALL[written:]:
        (tmp_path / name).unlink()
    assert make(tmp_path) == {name: name not in before for name in ALL}
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert check_pair(tmp_path / ALL[3], tmp_path / ALL[2], tmp_path / "ca_cert.pem", NOW) == []


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "service_center_key.pem").unlink()
    with pytest.raises(CertificateError, match="service_center_key.pem: does not exist, though"):
        make(tmp_path)


def test_without_the_key_of_the_authority_nothing_is_issued(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "ca_key.pem").unlink()
    assert [made.created for made in bundles.make_authority(tmp_path / "ca_cert.pem", NOW)] == [False]
    with pytest.raises(CertificateError, match="ca_key.pem: does not exist; only the owner"):
        list(bundles.make_station(tmp_path / "ca_cert.pem", tmp_path / "other", STATION, NOW))
    assert not (tmp_path / "other").exists()


def test_the_key_of_another_authority_issues_nothing(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "ca_key.pem").write_bytes(issuing.key_to_pem(issuing.new_key()))
    with pytest.raises(CertificateError, match="ca_key.pem: is not the key of"):
        list(bundles.make_station(tmp_path / "ca_cert.pem", tmp_path / "other", STATION, NOW))


def test_a_key_in_the_file_of_the_authority_stays_at_home(tmp_path: Path) -> None:
    make(tmp_path)
    ca, key = tmp_path / "ca_cert.pem", tmp_path / "ca_key.pem"
    certificate = ca.read_bytes()
    ca.write_bytes(key.read_bytes() + certificate)
    copy = list(bundles.make_station(ca, tmp_path / "other", STATION, NOW))[-1].path
    assert copy.read_bytes() == certificate


def test_the_key_of_any_of_the_authorities_issues(tmp_path: Path) -> None:
    make(tmp_path)
    ca = tmp_path / "ca_cert.pem"
    list(bundles.make_authority(tmp_path / "new" / "ca.pem", NOW))
    both = (tmp_path / "new" / "ca.pem").read_bytes() + ca.read_bytes()
    own = certificates.read_certificates(ca, "")[0]
    ca.write_bytes(both)
    made = {each.path.name: each.path for each in bundles.make_station(ca, tmp_path / "other", STATION, NOW)}
    certificates.read_certificates(made["station_cert.pem"], "")[0].verify_directly_issued_by(own)
    assert made["ca_cert.pem"].read_bytes() == both


def test_a_bundle_that_names_no_station(tmp_path: Path) -> None:
    make(tmp_path)
    made = list(bundles.make_station(tmp_path / "ca_cert.pem", tmp_path / "stations", None, NOW))
    assert made[1].path == tmp_path / "stations" / "base-station" / "station_cert.pem"
    assert certificates.euis_of(certificates.read_certificates(made[1].path, "")[0]) == set()
