"""``bssci station-cert``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.certificates import reading as certificates
from bssci.cli import main


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_bundle_for_one_more_station(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    capsys.readouterr()
    assert main(["station-cert", "70:b3:d5:67:70:ff:00:01"]) == 0
    bundle = directory / "certs" / "stations" / "70B3D56770FF0001"
    assert capsys.readouterr().out.count("created certs/stations/70B3D56770FF0001/") == 3
    certificate = certificates.read_certificates(bundle / "station_cert.pem", "")[0]
    assert certificates.euis_of(certificate) == {"70B3D56770FF0001"}
    before = [path.read_bytes() for path in sorted(bundle.iterdir())]
    assert main(["station-cert", "70B3D56770FF0001"]) == 0
    assert [path.read_bytes() for path in sorted(bundle.iterdir())] == before


def test_a_bundle_names_the_port_of_an_endpoint(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main(["init"])
    monkeypatch.setenv("LISTEN", "tcp:16017:interface=127.0.0.1")
    assert main(["station-cert", "70B3D56770FF0001"]) == 0
    place = directory / "certs" / "stations" / "70B3D56770FF0001" / "connection.txt"
    assert "\nport=16017\n" in place.read_text()


def test_a_bundle_needs_an_authority_and_an_eui(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["station-cert", "70B3D56770FF0001"]) == 1
    remedy = "restore it, set CA_FILE, or run `bssci init` if there are no certificates yet"
    assert f"certs/ca_cert.pem: does not exist; {remedy}" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["station-cert", "70B3"])
    assert "'70B3' is not an EUI" in capsys.readouterr().err
