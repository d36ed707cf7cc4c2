"""The example of a source of a third party: it is installed, found, and brings what it finds, once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ServiceProcess, until

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "bssci-folder-source"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    shutil.copytree(EXAMPLE, tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", tmp_path / "site"]
    pip = [sys.executable, "-m", "pip", "install", *options, tmp_path / "source"]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, installed.stderr
    (tmp_path / "spool").mkdir()
    service = ServiceProcess(
        tmp_path / "service",
        SINKS="log,file", FILE_PATH="events.jsonl", SOURCES="folder", SOURCE_FOLDER=tmp_path / "spool",
    )  # fmt: skip
    service.extra_path.append(tmp_path / "site")
    yield service
    service.end()


@pytest.mark.parts
async def test_files_become_telegrams_and_go(service: ServiceProcess, tmp_path: Path) -> None:
    spool, written = tmp_path / "spool", service.directory / "events.jsonl"
    for number in range(3):
        (spool / f"meter-{number}.1.bin").write_bytes(bytes([number]))
    await service.start()
    await until(lambda: not list(spool.iterdir()))
    # The same file again, as after a crash between the journal and its deletion.
    (spool / "meter-1.1.bin").write_bytes(bytes([1]))
    (spool / "meter-9.1.bin").write_bytes(bytes([9]))
    await until(lambda: not list(spool.iterdir()))
    await until(lambda: written.exists() and "meter-9" in written.read_text())
    await service.stop()
    said = [json.loads(line) for line in written.read_text().splitlines()]
    telegrams = [each for each in said if each["kind"] == "telegram"]
    assert [each["device"] for each in telegrams] == [f"file:meter-{number}" for number in (0, 1, 2, 9)]
