"""``bssci init``."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from bssci import extensions
from bssci.certificates import reading as certificates
from bssci.certificates import steps
from bssci.cli import main
from bssci.cli.init import local_hosts
from bssci.extensions import ExtensionError, Installed
from bssci.settings import parsers
from bssci.settings.catalogue import Catalogue
from bssci.settings.groups import Group
from bssci.settings.rows import Setting


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def test_everything_that_a_first_start_needs(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    *lines, shown = capsys.readouterr().out.splitlines()
    assert shown.startswith("The web admin's first account, shown only once: user admin, password ")
    assert [line.split() for line in lines] == [
        ["created", name]
        for name in (
            "certs/ca_key.pem",
            "certs/ca_cert.pem",
            "certs/service_center_key.pem",
            "certs/service_center_cert.pem",
            "certs/stations/base-station/station_key.pem",
            "certs/stations/base-station/station_cert.pem",
            "certs/stations/base-station/ca_cert.pem",
            "endpoints.json",
            "data",
            ".env",
            "data/accounts.json",
        )
    ]
    assert json.loads((directory / "endpoints.json").read_text()) == []
    assert stat.S_IMODE((directory / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "certs").stat().st_mode) == 0o700
    assert stat.S_IMODE((directory / "data").stat().st_mode) == 0o700


def test_nothing_is_overwritten(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "endpoints.json").write_text("[ ]")
    (directory / ".env").write_text("STATE_DIR=state\n")
    main(["init"])
    before = contents(directory)
    capsys.readouterr()
    assert main(["init"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"kept"}
    assert contents(directory) == before
    assert (directory / "state").is_dir()


def test_an_interrupted_run_is_completed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device", "endpoints.json")

    with monkeypatch.context() as patch:
        patch.setattr("bssci.cli.init.write_atomically", full)
        assert main(["init"]) == 1
    before = contents(directory)
    assert not (directory / ".env").exists()
    assert main(["init"]) == 0
    assert contents(directory).items() > before.items()


def test_addresses_of_this_machine_and_given_names_are_certified(directory: Path) -> None:
    assert main(["init", "--host", "sc.example.org", "--host", "192.0.2.7"]) == 0
    certificate = certificates.read_certificates(directory / "certs/service_center_cert.pem", "")[0]
    names = certificates.describe(certificate).names
    assert {"sc.example.org", "192.0.2.7", "localhost", "127.0.0.1", *local_hosts()} <= set(names)
    # Base stations outside may not reach the addresses that a container or a machine behind NAT has.
    assert steps.host_of(directory / "certs/service_center_cert.pem") == "sc.example.org"


def test_what_is_no_host_makes_nothing(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["init", "--host", "http://sc.example"])
    assert "'http://sc.example' is neither a host name nor an address" in capsys.readouterr().err
    assert contents(directory) == {}


def test_the_env_file_says_where(directory: Path) -> None:
    (directory / ".env").write_text("CERT_FILE=tls/a.pem\nKEY_FILE=tls/b.pem\nCA_FILE=ca/c.pem\n")
    assert main(["init"]) == 0
    assert {"tls/a.pem", "tls/b.pem", "ca/c.pem", "ca/ca_key.pem"} <= contents(directory).keys()


def test_a_foreign_authority_is_not_replaced(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init"])
    (directory / "certs/ca_cert.pem").unlink()
    assert main(["init"]) == 1
    assert capsys.readouterr().err == (
        "error: certs/ca_cert.pem: does not exist, although certs/service_center_cert.pem does; "
        "restore it, or remove both\n"
    )
    assert not (directory / "certs/ca_cert.pem").exists()


def test_a_foreign_authority_without_key_is_accepted(directory: Path) -> None:
    main(["init"])
    (directory / "certs/ca_key.pem").unlink()
    assert main(["init"]) == 0
    assert not (directory / "certs/ca_key.pem").exists()


def test_bad_settings_stop_it(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / ".env").write_text("WEB_PORT=many\n")
    assert main(["init"]) == 1
    assert capsys.readouterr().err.startswith("error: WEB_PORT='many' (.env)")
    assert contents(directory).keys() == {".env"}


def test_a_setting_of_an_installed_sink_is_one(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group("Influx", (Setting("INFLUX_URL", "", parsers.text, "where"),))
    monkeypatch.setattr(extensions, "discover", lambda: Installed({}, Catalogue([group])))
    (directory / ".env").write_text("INFLUX_URL=here\nINFLUX_ULR=there\n")
    assert main(["init"]) == 0
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert warnings == ["warning: .env line 2: INFLUX_ULR is not a setting; INFLUX_URL is"]


def test_sinks_that_do_not_go_together_are_one_line(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ExtensionError("two sink plugins are named 'influx'")

    monkeypatch.setattr(extensions, "discover", fail)
    assert main(["init"]) == 1
    assert capsys.readouterr().err == "error: two sink plugins are named 'influx'\n"
