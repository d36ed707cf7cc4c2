"""The example with Node-RED against the service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bssci.model.live_token import compose
from tests.support.npm import node_modules
from tests.support.running_service import QUICK, ROOT, RunningService, free_ports

pytestmark = [pytest.mark.parts, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service"), "--web-tls=true", rate=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed."""
    copy = tmp_path_factory.mktemp("node-red") / "example"
    shutil.copytree(ROOT / "examples" / "streaming" / "node-red", copy)
    (copy / "node_modules").symlink_to(node_modules((copy / "package.json").read_text()))
    return copy


class NodeRed:
    """Node-RED with the flow of the example."""

    def __init__(self, folder: Path, service: RunningService, kept: Path, token: str, authority: str) -> None:
        self.log = kept.with_suffix(".log")
        [self.port] = free_ports(1)
        variables = {
            "MQTT_API_TOKEN": token,
            "MQTT_BROKER_URL": service.url.replace("https", "wss") + "/mqtt",
            "MQTT_TOPIC": "mioty/#",
            "MQTT_CLIENT_ID": kept.name,
            "CA_CERT_PATH": authority,
            "DATABASE_PATH": str(kept),
        }
        settings = "".join(f"{name}={value}\n" for name, value in variables.items())
        (folder / ".env").write_text(f"# as a person writes it\n{settings}")
        program = ["node", "node_modules/node-red/red.js", "--userDir", ".", "--settings", "settings.js"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                program,
                cwd=folder,
                env=os.environ | {"PORT": str(self.port)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def has_no_port(self) -> bool:
        """Wait until it listens, or has ended; returns whether somebody else took its port meanwhile."""
        deadline = time.monotonic() + 90
        while self.process.poll() is None and "Started flows" not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)
        return "port in use" in self.log.read_text()

    def wait_for(self, text: str, path: Path | None = None, count: int = 1) -> None:
        """Wait until something is said, or in the file, so many times."""
        deadline = time.monotonic() + 90
        file = path or self.log
        while not file.exists() or file.read_text().count(text) < count:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)


@contextmanager
def node_red(
    folder: Path, service: RunningService, kept: Path, token: str, authority: str = ""
) -> Iterator[NodeRed]:
    running = NodeRed(folder, service, kept, token, authority)
    while running.has_no_port():
        running = NodeRed(folder, service, kept, token, authority)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
    assert token not in running.log.read_text()


def test_it_receives_and_survives_a_restart(folder: Path, service: RunningService, tmp_path: Path) -> None:
    token = service.command("token", "create", "node-red", "--live").strip()
    kept = tmp_path / "kept"
    with node_red(folder, service, kept, token, str(service.ca_file)) as running:
        running.wait_for("mioty/ep/", kept)
        service.restart()
        running.wait_for("] connected", count=2)
        running.wait_for("mioty/ep/", kept, kept.read_text().count("mioty/ep/") + 1)
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/live/data", timeout=5) as answer:
            assert json.load(answer)["state"] == "Connected"
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/live", timeout=5) as answer:
            assert b"Live readings" in answer.read()
    assert "next attempt in" in running.log.read_text()


def test_a_mistyped_token_is_not_sent(folder: Path, service: RunningService, tmp_path: Path) -> None:
    with node_red(folder, service, tmp_path / "kept", compose("0" * 32)[:-1] + "_") as running:
        assert running.process.wait(60) == 1


def test_a_wrong_token_and_a_wrong_certificate_are_refused(
    folder: Path, service: RunningService, tmp_path: Path
) -> None:
    token = service.command("token", "create", "trust", "--live").strip()
    for name, given, authority in (
        ("token", compose("0" * 32), str(service.ca_file)),
        ("certificate", token, ""),
    ):
        with node_red(folder, service, tmp_path / name, given, authority) as running:
            running.wait_for("next attempt in", count=2)
        assert "] connected" not in running.log.read_text()
        assert not (tmp_path / name).exists()
