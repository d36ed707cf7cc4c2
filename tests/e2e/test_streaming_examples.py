"""The examples of examples/streaming against the service, with processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bssci.model.live_token import compose
from tests.support.npm import node_modules
from tests.support.running_service import QUICK, ROOT, RunningService

EXAMPLES = ROOT / "examples" / "streaming"
pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service"), "--web-tls=true", rate=QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def token(service: RunningService) -> str:
    """A token that the service takes."""
    return service.command("token", "create", "examples", "--live").strip()


@pytest.fixture(scope="module", params=["python", "node", "c"])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs an example."""
    folder = EXAMPLES / request.param
    if request.param == "python":
        return [sys.executable, str(folder / "stream.py")]
    if request.param == "c":
        return [str(compiled(folder, tmp_path_factory.mktemp("c")))]
    copy = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(folder, copy)
    (copy / "node_modules").symlink_to(node_modules((copy / "package.json").read_text()))
    return ["node", str(copy / "stream.mjs")]


def compiled(folder: Path, directory: Path) -> Path:
    """The example in C, compiled with all warnings as errors."""
    missing = [name for name in ("make", "cc") if shutil.which(name) is None]
    if not any(Path(root, "include", "MQTTClient.h").exists() for root in ("/usr", "/usr/local")):
        missing.append("libpaho-mqtt-dev")
    if not [*Path("/usr/include").glob("curl/curl.h"), *Path("/usr/include").glob("*/curl/curl.h")]:
        missing.append("libcurl4-openssl-dev")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)} (make system-parts)")
    copy = directory / "example"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("stream"))
    flags = "CFLAGS=-O2 -Wall -Wextra -Wpedantic -Werror"
    subprocess.run(["make", "-C", copy, flags], check=True, timeout=60)
    return copy / "stream"


class Run:
    """An example at work.

    :ivar said: what it prints, on both outputs.
    """

    def __init__(self, command: list[str], service: RunningService, directory: Path, **settings: str) -> None:
        self._log = directory / "said.log"
        variables = {
            "MQTT_BROKER_URL": service.url.replace("https", "wss") + "/mqtt",
            "MQTT_TOPIC": "mioty/#",
            "CA_CERT_PATH": str(service.ca_file),
            "OUTPUT": "console",
            **settings,
        }
        text = "".join(f"{name}={value}\n" for name, value in variables.items())
        (directory / ".env").write_text(f"# as a person writes it\n{text}")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=subprocess.STDOUT)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until something was said so many times."""
        deadline = time.monotonic() + 90
        while self.said.count(text) < count:
            assert self._process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)

    def status(self) -> int:
        """The exit status, when it ends of itself."""
        return self._process.wait(60)

    def end(self) -> int:
        """The exit status after SIGTERM."""
        self._process.terminate()
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()


def test_it_receives_and_survives_a_restart(
    service: RunningService, token: str, example: list[str], tmp_path: Path
) -> None:
    name = Path(example[-1]).name
    run = Run(example, service, tmp_path, MQTT_API_TOKEN=token, MQTT_CLIENT_ID=name)
    try:
        # The first may be the last value; a session is on disk within a quarter of a second.
        run.wait_for("mioty/ep/", 3)
        service.restart()
        run.wait_for("session resumed")
        run.wait_for("mioty/ep/", run.said.count("mioty/ep/") + 1)
    finally:
        status = run.end()
    assert status == 0
    assert token not in run.said


def test_its_database(service: RunningService, token: str, example: list[str], tmp_path: Path) -> None:
    database = tmp_path / "kept"
    run = Run(
        example,
        service,
        tmp_path,
        MQTT_API_TOKEN=token,
        OUTPUT="database",
        DATABASE_PATH=str(database),
    )
    try:
        run.wait_for("connected")
        deadline = time.monotonic() + 30
        while not database.exists() or not database.stat().st_size:
            assert time.monotonic() < deadline, run.said
            time.sleep(0.1)
    finally:
        assert run.end() == 0


def test_it_ends_when_nobody_reads_its_output(
    service: RunningService, token: str, example: list[str], tmp_path: Path
) -> None:
    variables = {
        "MQTT_API_TOKEN": token,
        "MQTT_BROKER_URL": service.url.replace("https", "wss") + "/mqtt",
        "MQTT_TOPIC": "mioty/#",
        "CA_CERT_PATH": str(service.ca_file),
    }
    with subprocess.Popen(
        example, cwd=tmp_path, env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
    assert (process.wait(60), said.splitlines()[-1:]) == (1, ["error: nobody reads the output any more"])


def test_its_webhook(service: RunningService, token: str, example: list[str], tmp_path: Path) -> None:
    """Each message is posted, and again where the first answer was no success."""
    with Receiving(statuses=[503]) as hook:
        run = Run(
            example,
            service,
            tmp_path,
            MQTT_API_TOKEN=token,
            OUTPUT="webhook",
            WEBHOOK_URL=hook.url,
        )
        try:
            hook.wait_for(3)
        finally:
            assert run.end() == 0
    assert hook.bodies[0] == hook.bodies[1]
    assert all(body["topic"].startswith("mioty/") and body["payload"] for body in hook.bodies)
    assert "not written, next attempt in" in run.said


class Receiving:
    """A receiver of webhooks on a port of its own.

    :param statuses: of the first answers; the others are 204.
    :ivar bodies: what was posted, as objects.
    """

    def __init__(self, statuses: list[int]) -> None:
        self.bodies: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/json"
                receiver.bodies.append(json.loads(body))
                self.send_response(statuses.pop(0) if statuses else 204)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Receiving:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int) -> None:
        """Wait until so many were posted."""
        deadline = time.monotonic() + 60
        while len(self.bodies) < count:
            assert time.monotonic() < deadline, self.bodies
            time.sleep(0.1)


def test_a_bad_token_is_not_sent_and_a_wrong_one_refused(
    service: RunningService, example: list[str], tmp_path: Path
) -> None:
    wrong = compose("0" * 32)
    mistyped = Run(example, service, tmp_path, MQTT_API_TOKEN=wrong[:-1] + "_")
    assert mistyped.status() == 1
    refused = Run(example, service, tmp_path, MQTT_API_TOKEN=wrong)
    assert refused.status() == 2
    assert wrong not in refused.said


def test_a_certificate_of_nobodys_is_refused(
    service: RunningService, token: str, example: list[str], tmp_path: Path
) -> None:
    run = Run(example, service, tmp_path, MQTT_API_TOKEN=token, CA_CERT_PATH="")
    assert run.status() == 3
    assert "certificate" in run.said
