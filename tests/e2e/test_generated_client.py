"""A client that openapi-python-client generates from the description of the API works with the service."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import pytest_twisted

from bssci.web.access.accounts import AccountFile
from tests.support.running_service import free_ports
from tests.support.service import ServiceProcess, endpoint, until

GENERATOR = Path(sysconfig.get_path("scripts")) / "openapi-python-client"
SENSOR, NEW = "70B3D56770110001", "70B3D56770110002"
CONFIGURATION = """\
post_hooks: []
content_type_overrides:
  application/x-ndjson: text/plain
  application/x-pem-file: text/plain
  application/zip: application/octet-stream
"""
"""as docs/api.md tells it"""
UNREAD = ("text/csv", "text/plain", "application/octet-stream")
"""bodies beside JSON that the generator has no words for, and leaves out with a warning"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the client is generated; it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "generated_client"
    for name in [each for each in sys.modules if each.partition(".")[0] == "generated_client"]:
        del sys.modules[name]


@pytest.mark.skipif(not GENERATOR.exists(), reason="needs openapi-python-client")
@pytest_twisted.ensureDeferred
async def test_a_generated_client_reads_and_writes(tmp_path: Path, package: Path) -> None:
    port = free_ports(1)[0]
    service = ServiceProcess(tmp_path / "service", WEB_PORT=port)
    service.configure([endpoint(int(SENSOR, 16), bidi=True)])
    url = f"http://127.0.0.1:{port}"
    token = AccountFile(service.directory / "data", time.time).create_token("client", "operator")
    try:
        await service.start()
        await until(lambda: _answers(url))
        said = _generate(_description(url, token), package)
        assert "Endpoint will not be generated" not in said
        assert all(kind in UNREAD for kind in _unsupported(said)), said
        _use(package.name, url, token)
    finally:
        service.end()


def _use(package: str, url: str, token: str) -> None:
    client_module = importlib.import_module(f"{package}.client")
    models = importlib.import_module(f"{package}.models")

    def call(tag: str, name: str, **arguments: Any) -> Any:
        module = importlib.import_module(f"{package}.api.{tag}.{name}")
        return module.sync_detailed(client=client, **arguments)

    with client_module.AuthenticatedClient(base_url=url, token=token) as client:
        listed = call("sensors", "get_sensors", per_page=10)
        assert isinstance(listed.parsed, models.SensorPage)
        assert [each.eui for each in listed.parsed.sensors] == [SENSOR]

        one = call("sensors", "get_sensors_eui", eui=SENSOR)
        assert isinstance(one.parsed, models.SensorDetail)
        assert (one.status_code, one.parsed.eui, one.parsed.bidi) == (200, SENSOR, True)

        body = models.SensorEntry(eui=NEW, nw_key="0F" * 16, short_addr="0002", bidi=True, name="Cellar")
        stored = call("sensors", "post_sensors", body=body)
        assert stored.parsed.success is True
        assert call("sensors", "get_sensors_eui", eui=NEW).parsed.name == "Cellar"

        queued = call(
            "sensors", "post_sensors_eui_downlink", eui=NEW, body=models.DownlinkBody(data=[1, 255], ref="r")
        )
        assert isinstance(queued.parsed, models.DownlinkTaken)
        assert (queued.parsed.ref, queued.parsed.state) == ("r", "queued")

        missing = call("sensors", "get_sensors_eui", eui="70B3D567701100FF")
        assert isinstance(missing.parsed, models.RefusedAnswer)
        assert (missing.status_code, missing.parsed.success, missing.parsed.error.code) == (
            404,
            False,
            "not_found",
        )

    with client_module.AuthenticatedClient(base_url=url, token="bssci_wrong") as client:
        refused = call("sensors", "get_sensors")
        assert (refused.status_code, refused.parsed.error.code) == (401, "unauthorized")


def _generate(description: dict[str, Any], package: Path) -> str:
    source = package.with_suffix(".json")
    source.write_text(json.dumps(description))
    configuration = package.with_suffix(".yml")
    configuration.write_text(CONFIGURATION)
    command = [str(GENERATOR), "generate", "--path", str(source), "--config", str(configuration)]
    done = subprocess.run(
        [*command, "--meta", "none", "--output-path", str(package)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _unsupported(said: str) -> list[str]:
    return [line.split()[3] for line in said.splitlines() if line.startswith("Unsupported content type")]


def _description(url: str, token: str) -> dict[str, Any]:
    asked = Request(f"{url}/api/openapi.json", headers={"Authorization": f"Bearer {token}"})
    with urlopen(asked) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/healthz"):
            return True
    except OSError:
        return False
