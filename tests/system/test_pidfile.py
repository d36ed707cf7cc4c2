"""Pid files that were left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bssci.system.pidfile import remove_stale


@pytest.mark.parametrize("text", ["", "not a number", "4194303", "{own}", "1"])
def test_a_file_that_names_no_twistd_goes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "twistd.pid"
    path.write_text(text.format(own=os.getpid()))
    assert remove_stale(path) is True
    assert not path.exists()
    assert remove_stale(path) is False


@pytest.mark.parts
def test_the_file_of_a_twistd_that_runs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "twistd.pid"
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()", "twistd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None and other.stdout.readline()
        path.write_text(f"{other.pid}\n")
        assert remove_stale(path) is False
        assert path.exists()
        # The same number after a reboot, or in a container, is our own.
        monkeypatch.setattr(os, "getpid", lambda: other.pid)
        assert remove_stale(path) is True
