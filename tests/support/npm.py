"""Packages of npm that tests use, installed once for each clone."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

KEPT = Path(__file__).parent.parent.parent / ".venv" / "npm"
INSTALL_TIME = 240
"""s that an installation may take"""


def node_modules(package: str, *options: str) -> Path:
    """Return the folder of what a package.json asks for. Skips the test where it cannot be had.

    :param package: the content of package.json.
    :param options: further ones of ``npm install``.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    kept = KEPT / hashlib.sha256(" ".join([package, *options]).encode()).hexdigest()[:16]
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=KEPT))
        (directory / "package.json").write_text(package)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefer-offline", *options]
        done = subprocess.run(command, cwd=directory, check=False, capture_output=True, timeout=INSTALL_TIME)
        if done.returncode:
            shutil.rmtree(directory)
            pytest.skip("npm install failed: the registry cannot be reached")
        # All or nothing, whatever ends the tests meanwhile.
        directory.rename(kept)
    return kept / "node_modules"
