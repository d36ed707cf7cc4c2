"""The explorer of the API in a browser: routes and messages are shown, and reading is tried."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.support.running_service import RATE, RunningService

pytestmark = pytest.mark.parts
SECONDS = 1e3


def route(page: Any, text: str) -> Any:
    """Open the only route that is found by a text."""
    page.get_by_label("Find a route").fill(text)
    rows = page.locator("[data-routes] details:visible")
    expect(rows).to_have_count(1)
    rows.locator("summary").click()
    return rows


def test_a_route_that_reads_is_tried_with_the_session(page: Any, known_sensor: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="API", exact=True).click()
    found = route(page, "get one sensor details masked")
    found.get_by_label("eui (in the path)").fill(known_sensor)
    found.get_by_role("button", name="Try GET").click()
    answer = found.get_by_role("group", name="Answer", exact=True)
    expect(answer).to_contain_text(known_sensor)
    assert json.loads(answer.inner_text())["eui"] == known_sensor
    expect(found.get_by_role("status")).to_contain_text("200 OK, application/json")


def test_numbers_are_shown_digit_by_digit(page: Any, known_sensor: str) -> None:
    page.goto("/explorer")
    found = route(page, "get /api/events export")
    found.get_by_label("kind").fill("uplink")
    page.wait_for_timeout(SECONDS / RATE)
    found.get_by_role("button", name="Try GET").click()
    shown = found.get_by_role("group", name="Answer", exact=True)
    expect(shown).to_contain_text(re.compile(r'"rxTime":\s*\d{19}\b'))
    times = re.findall(r'"rxTime":\s*(\d{19})', shown.inner_text())
    assert any(int(each) != int(float(each)) for each in times)


def test_what_is_refused_is_shown_as_it_was_answered(page: Any) -> None:
    page.goto("/explorer")
    found = route(page, "get one sensor details masked")
    found.get_by_label("eui (in the path)").fill("no EUI")
    found.get_by_role("button", name="Try GET").click()
    expect(found.get_by_role("status")).to_contain_text("422")
    expect(found.get_by_role("group", name="Answer", exact=True)).to_contain_text('"field": "eui"')


def test_a_stream_is_shown_as_far_as_it_came(page: Any) -> None:
    page.goto("/explorer")
    found = route(page, "get /api/live")
    found.get_by_role("button", name="Try GET").click()
    expect(found.get_by_role("group", name="Answer", exact=True)).to_contain_text("event: hello")


def test_a_change_is_told_as_a_command_and_not_tried(page: Any) -> None:
    page.goto("/explorer")
    found = route(page, "post /api/sensors/{eui}/attach")
    expect(found.get_by_role("button")).to_have_count(0)
    expect(found).to_contain_text("-X POST")
    expect(found).to_contain_text("operator or above")


def test_messages_lead_to_the_schemas_of_their_payloads(page: Any) -> None:
    page.goto("/explorer")
    table = page.get_by_role("group", name="Messages, table")
    expect(table).to_contain_text("device/{id}/telemetry/{name}")
    link = table.get_by_role("link", name="telemetry").get_attribute("href")
    assert "device_id" in page.context.request.get(link).text()


def test_everything_comes_from_the_service(page: Any, service: RunningService) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/explorer")
    page.locator("[data-messages] table").wait_for()
    assert len(asked) > 5
    assert [each for each in asked if not each.startswith(f"{service.url}/")] == []
