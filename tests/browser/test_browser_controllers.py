"""Controllers in a browser: the import of tables, a device at a pin, the data points of a template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.support.controllers import MAC, tables


@pytest.fixture
def cleared(page: Any) -> Iterator[None]:
    """What the test enters is gone afterwards, for the service is that of other tests, too."""
    yield
    head = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    for id in (f"f2:{MAC}{port}" for port in ("", "/J1/3", "/J1/5", "/J2/6", "/J2/strike-1")):
        page.request.delete(f"/api/devices/{id}", headers=head)
    page.request.delete("/api/decoders/soil-probe", headers=head)


def test_tables_are_imported_and_edited(page: Any, cleared: None) -> None:
    page.goto("/controllers/import")
    wrong = {"Id": 9, "ConnectorId": 77, "DeviceId": 101}
    given = tables()
    given["Pin"].append(wrong)
    page.get_by_label("Or its content").fill(json.dumps(given))
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("region", name="Rows that are left out")).to_contain_text(
        "there is no connector 77"
    )
    page.get_by_role("button", name="Import 4").click()
    page.wait_for_url("**/controllers")
    expect(page.locator(".toasts")).to_contain_text("1 template, 3 devices")

    page.goto(f"/controllers/{MAC}")
    page.get_by_label("Pin or component", exact=True).fill("sensor-5")
    page.get_by_label("Name", exact=True).fill("Bed 5")
    page.get_by_label("Template").select_option("soil-probe")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="sensor-5")).to_contain_text("soil-probe")
    expect(
        page.get_by_role("row", name="strike-1").get_by_role("button", name="Send to Gate")
    ).to_be_visible()

    page.get_by_label("Pin or component", exact=True).fill("sensor-5")
    page.get_by_label("Name", exact=True).fill("Another")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Bed 5 is there already.")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("row", name="sensor-5")).to_contain_text("Bed 5")

    page.get_by_label("Device", exact=True).select_option(f"f2:{MAC}/J1/5")
    page.get_by_label("To the connector").select_option("J2")
    page.get_by_label("To the pin or component").fill("sensor-6")
    page.get_by_role("button", name="Move it").click()
    expect(page.locator(".toasts")).to_contain_text("Moved to J2")
    expect(page.get_by_role("region", name="Connector J2")).to_contain_text("Bed 5")
    expect(page.get_by_role("region", name="Connector J1")).not_to_contain_text("Bed 5")

    page.goto("/controllers/templates/soil-probe")
    page.get_by_role("button", name="Add a data point").click()
    page.get_by_label("Name of data point 4").fill("ph")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".outcome")).to_contain_text("Data point 4: its offset is missing")
    page.get_by_label("Offset of data point 4").fill("7")
    page.get_by_role("button", name="Remove data point 1").click()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toasts")).to_contain_text("Saved as version")
    expect(page.get_by_label("Name of data point 3")).to_have_value("ph")
