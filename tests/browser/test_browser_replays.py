"""Kept messages are delivered again from the page of replays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.browser.chromium import expect
from tests.support.running_service import SENSOR


def test_a_replay_is_refused_in_words_then_begun_and_followed_to_its_end(
    page: Any, known_sensor: str
) -> None:
    page.goto(f"/sensors/{known_sensor}")
    expect(page.locator("[data-region=uplinks] tbody tr").first).to_be_visible()
    page.goto("/replays")
    now = datetime.fromisoformat(page.evaluate("new Date().toISOString()").replace("Z", "+00:00"))
    page.get_by_label("Sink").select_option("mqtt")
    for label, at in (("From", now - timedelta(hours=1)), ("To", now + timedelta(hours=1))):
        zone = page.evaluate("at => -new Date(at).getTimezoneOffset()", at.isoformat())
        page.get_by_label(label, exact=True).fill(f"{at + timedelta(minutes=zone):%Y-%m-%dT%H:%M}")
    page.get_by_label("Devices").fill("no device")
    begin = page.get_by_role("button", name="Begin…")

    def ask() -> None:
        begin.click()
        page.get_by_role("dialog").get_by_role("button").last.click()

    ask()
    form = page.get_by_role("region", name="Begin a replay")
    expect(form).to_contain_text("Devices must be a list")
    page.get_by_label("Devices").fill(str(SENSOR["eui"]).lower())
    ask()
    expect(form).to_contain_text("Publish again where others listen is needed for the sink mqtt")
    page.get_by_label("Publish again where others listen").check()
    ask()
    row = page.locator("[data-region=replays] tbody tr").first
    expect(row).to_contain_text("mqtt")
    expect(row).to_contain_text(f"mioty:{SENSOR['eui']}")
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("100")
    delivered = row.locator("[data-label=Delivered]").inner_text()
    assert int(delivered) > 0
