"""The command line around a simulation."""

from __future__ import annotations

from pathlib import Path

import pytest

from bssci.simulator import cli
from tests.simulator.simulation import parse
from tests.support.tls import TLSFiles


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--stations", "0"], "--stations 0: must be at least 1"),
        (["--rate", "0"], "--rate 0.0: must be above 0"),
        (["--copies", "2"], "--copies 2: there are only 1 station"),
        (["--vendor", "acme"], "--vendor acme: must be one of weptech"),
        (["--quirk", "odd"], "--quirk: no quirk 'odd'"),
        (["--quirk", "json", "bin-arrays"], "exclude each other"),
        (["--first-eui", "12"], "--first-eui 12: must be 16 hexadecimal digits"),
        (["--port", "70000"], "--port 70000: must be at most 65535"),
        (["--sensor-config", "/nowhere.json"], "--sensor-config /nowhere.json: No such file"),
        (["--bundles", "/nowhere"], "--bundles /nowhere: is not a directory"),
    ],
)
def test_bad_options_are_named(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(parse(*options)) == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_a_missing_certificate_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("--bundle", str(tmp_path))) == 1
    assert f"{tmp_path}/ca_cert.pem: No such file" in capsys.readouterr().err


def test_a_key_of_another_certificate_is_named(
    tls_files: TLSFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tls_files.station_bundle()
    assert cli.run(parse("--bundle", str(bundle), "--key", str(tls_files.key))) == 1
    assert "is not the private key of" in capsys.readouterr().err
