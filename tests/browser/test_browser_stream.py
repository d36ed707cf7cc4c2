"""The page of examples/streaming/browser: readings of the service as numbers, chart and map."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.support.running_service import ROOT, SENSOR, RunningService

PAGE = ROOT / "examples" / "streaming" / "browser" / "index.html"
BLUEPRINT = {
    "version": "1",
    "uplink": [
        {
            "payload": [
                {"name": "kind", "size": 8, "type": "uint", "hidden": True},
                {"name": "counter", "size": 32, "type": "uint"},
                {"name": "rest", "size": 40, "type": "uint", "hidden": True},
            ]
        }
    ],
}


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with a sensor that has a decoder and a place."""
    directory = tmp_path_factory.mktemp("metered")
    placed = SENSOR | {"decoder": "counter", "location": {"lat": 51.05, "lon": 13.74}}
    (directory / "endpoints.json").write_text(json.dumps([placed]))
    (directory / "decoders").mkdir()
    (directory / "decoders" / "counter.json").write_text(json.dumps(BLUEPRINT))
    with RunningService(directory) as running:
        yield running


@pytest.mark.parts
@pytest.mark.timeout(180)
def test_readings_come_as_numbers_chart_and_map(chromium: Any, metered: RunningService) -> None:
    token = metered.command("token", "create", "page", "--live").strip()
    tab = chromium.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(PAGE.as_uri())
    tab.get_by_label("Address").fill(metered.url.replace("http", "ws") + "/mqtt")
    tab.get_by_label("Token").fill(token[:-1] + ("a" if token[-1] != "a" else "b"))
    tab.get_by_role("button", name="Connect").click()
    expect(tab.get_by_role("status")).to_contain_text("the token is mistyped")
    tab.get_by_label("Token").fill(token)
    tab.get_by_role("button", name="Connect").click()
    expect(tab.get_by_role("status")).to_have_text("Connected")
    device = f"mioty:{SENSOR['eui']}"
    expect(tab.get_by_role("cell", name=device)).to_be_visible(timeout=30_000)
    expect(tab.locator("#map circle")).to_have_count(1)
    expect(tab.locator("#map")).to_contain_text(device)
    expect(tab.locator("#chart path")).to_have_count(1)
    metered.command("token", "revoke", "page", "--live")
    expect(tab.get_by_role("status")).to_contain_text("the token is refused", timeout=30_000)
    assert asked == [PAGE.as_uri()]
    tab.close()


@pytest.mark.parts
@pytest.mark.timeout(120)
def test_a_token_of_the_page_is_shown_once_lets_a_client_in_and_ends_it_when_revoked(
    page: Any, service: RunningService, tmp_path: Path
) -> None:
    page.goto("/accounts")
    page.get_by_text("Make a live token").click()
    form = page.locator("form[data-api='POST /api/mqtt-tokens']")
    form.get_by_label("Name").fill("wall")
    form.get_by_label("Topic filters").fill("mioty/#")
    form.get_by_role("button", name="Make it").click()
    shown = page.get_by_text(re.compile("^bssci_mqtt_"))
    expect(shown).to_be_visible()
    (tmp_path / "token").write_text(shown.inner_text())
    page.goto("/accounts")
    expect(page.get_by_text(re.compile("^bssci_mqtt_"))).to_have_count(0)
    url = service.url.replace("http", "ws") + "/mqtt"
    command = [sys.executable, "-m", "bssci.cli", "watch", url, "--token-file", str(tmp_path / "token")]
    with subprocess.Popen(
        [*command, "--topic", "mioty/#"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as client:
        try:
            assert client.stdout is not None and client.stderr is not None
            assert client.stdout.readline().startswith("mioty/")
            page.reload()
            row = page.get_by_role("row").filter(has_text="wall")
            expect(row).to_contain_text("1 of 5")
            expect(row).to_contain_text("127.0.0.1")
            row.get_by_role("button", name="Revoke").click()
            page.get_by_role("button", name="Revoke", exact=True).click()
            expect(row).to_have_count(0)
            assert client.wait(30) == 3
            assert "refuses the token" in client.stderr.read()
        finally:
            client.kill()
