"""The page of examples/streaming/browser: readings of the service as numbers, chart and map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

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
    from playwright.sync_api import expect

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
