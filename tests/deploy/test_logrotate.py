"""The example for logrotate: what a running service writes is rotated, and goes on in the same file."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.programs import program, run

EXAMPLE = Path(__file__).parent.parent.parent / "deploy" / "logrotate" / "bssci"
WRITER = """
import sys
for line in sys.stdin:
    print(line, end="", flush=True)
    print("written", file=sys.stderr, flush=True)
"""

pytestmark = pytest.mark.parts


def test_a_log_is_rotated_under_a_service_that_writes(tmp_path: Path) -> None:
    logrotate = program("logrotate", "logrotate")
    log, state, configuration = tmp_path / "bssci.log", tmp_path / "state", tmp_path / "bssci"
    text = EXAMPLE.read_text()
    assert "/var/log/bssci/*.log {" in text and "su root root" in text
    text = text.replace("/var/log/bssci/*.log", str(log))
    configuration.write_text(
        text.replace("su root root", f"su {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}")
    )
    configuration.chmod(0o644)
    tmp_path.chmod(0o700)
    # As systemd makes it for `append:` with the UMask of the unit: root's, and for nobody else.
    log.touch(0o600)
    assert "error" not in run(logrotate, "--debug", configuration).lower()
    with log.open("a") as out:
        service = subprocess.Popen(
            [sys.executable, "-c", WRITER],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert service.stdin is not None and service.stderr is not None
    try:
        service.stdin.write("before\n" * 100)
        service.stdin.flush()
        assert [service.stderr.readline() for _ in range(100)] == ["written\n"] * 100
        run(logrotate, "--force", "--state", state, configuration)
    finally:
        service.communicate("after\n", timeout=10)
    assert (tmp_path / "bssci.log.1").read_text() == "before\n" * 100
    assert log.read_bytes() == b"after\n"
