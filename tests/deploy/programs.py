"""Programs of the system that some tests drive; where one is missing, the test is skipped and says so."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"


def program(name: str, package: str) -> str:
    """The path of a program, of a Debian package."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        pytest.skip(f"needs {name}: apt-get install {package}")
    return found


def run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What a program said, on both outputs; it must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, check=False, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout
