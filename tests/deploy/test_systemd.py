"""The systemd unit: understood by systemd, and what it withholds from the service."""

from __future__ import annotations

import configparser
import shlex
import signal
from pathlib import Path

import pytest

from tests.deploy.programs import program, run

UNIT = Path(__file__).parent.parent.parent / "deploy" / "systemd" / "bssci.service"
EXPOSURE = 15
"""tenths; what is left is that it talks to the network and writes its own files"""


def settings() -> configparser.RawConfigParser:
    """The unit; of a setting that is there twice, the last."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return parser


def test_it_runs_as_an_account_of_its_own_on_a_file_system_that_it_cannot_write() -> None:
    service = settings()["Service"]
    assert service["User"] == "bssci" and service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict" and service["StateDirectory"] == "bssci"
    assert service["WorkingDirectory"] == "/var/lib/bssci"
    assert "u bssci " in UNIT.with_name("bssci.sysusers.conf").read_text()


def test_it_leaves_room_for_the_connections_that_a_service_takes() -> None:
    assert int(settings()["Service"]["LimitNOFILE"]) > 5000


def test_it_tells_when_it_serves_and_that_it_lives() -> None:
    service = settings()["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert float(service["WatchdogSec"]) >= 30
    assert service["TimeoutStartSec"] == "30min", "to upgrade a large journal"


def test_the_socket_is_one_that_the_setting_takes() -> None:
    text = UNIT.with_name("bssci.socket").read_text()
    assert "ListenStream=0.0.0.0:16018" in text and "LISTEN=systemd:domain=INET:index=0" in text


def test_it_does_not_withhold_what_tls_needs() -> None:
    # Callbacks from OpenSSL are written into memory that is executable: with it, no handshake succeeds.
    assert "MemoryDenyWriteExecute" not in settings()["Service"]


@pytest.mark.parts
def test_no_reload_ends_its_start() -> None:
    service = "/opt/bssci/bin/twistd --nodaemon --pidfile= bssci"
    start = settings()["Service"]["ExecStart"]
    assert service in start
    said = run(*shlex.split(start.replace(service, "grep SigIgn /proc/self/status")))
    assert int(said.split()[1], 16) & 1 << signal.SIGHUP - 1


@pytest.mark.parts
def test_systemd_understands_it_and_finds_little_exposed(tmp_path: Path) -> None:
    analyze = program("systemd-analyze", "systemd")
    unit = tmp_path / UNIT.name
    (tmp_path / "bssci.socket").write_text(UNIT.with_name("bssci.socket").read_text())
    # The service is not installed where the unit expects it.
    unit.write_text(UNIT.read_text().replace("/opt/bssci/bin/twistd", "/bin/true"))
    assert run(analyze, "verify", "--man=no", unit, tmp_path / "bssci.socket").strip() == ""
    run(analyze, "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}", unit)
