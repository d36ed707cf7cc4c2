"""The example of a decoder of a third party: it is installed, found, and reads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "bssci-tank-decoder"
PROGRAM = """
from bssci.decoders.interfaces import Payload
from bssci.decoders.running import run
from bssci.extensions import build_decoders
from bssci.cli.chosen import load
from pathlib import Path

decoders, problems = build_decoders(load()[1].settings)
assert problems == [], problems
(tank,) = [decoder for decoder in decoders if decoder.name == "tank"]
for data in ("A505DC50", "A5FFFF50", "00"):
    payload = Payload(data=bytes.fromhex(data), kind="uplink", device="mioty:1", received_at=0.0)
    decoded = run(tank, payload, {"height": 2.5})
    print(decoded.decoder, *[f"{it.name}={it.value}{it.unit}" for it in decoded.readings], decoded.failure)
"""


@pytest.mark.parts
def test_an_installed_decoder_is_found_and_reads(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", tmp_path / "site"]
    pip = [sys.executable, "-m", "pip", "install", *options, tmp_path / "source"]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    path = os.pathsep.join(map(str, (tmp_path / "site", ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "tank@1 battery=80% distance=1.5m level=1.0m fill_level=40.0% None",
        "tank@1 battery=80% None",
        "tank@1 DecodeFailure(code='no_tank', message='byte 0: four bytes that begin with A5 are expected')",
    ]
