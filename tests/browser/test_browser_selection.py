"""Sensors that are selected over pages and filters, while others delete some."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.support.running_service import RunningService

EUIS = [f"70B3D59CDFFFF{number:03X}" for number in range(5)]
SENSOR = {"nwKey": "0F" * 16, "shortAddr": "0E0E", "bidi": True}


@pytest.fixture
def five(chromium: Any, session: Any, service: RunningService) -> Iterator[Any]:
    """A tab beside five sensors whose names begin with "chosen"; the others are called otherwise."""
    context = chromium.new_context(base_url=service.url, storage_state=session)
    page = context.new_page()
    page.goto("/")
    headers = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    for number, eui in enumerate(EUIS):
        entry = {**SENSOR, "eui": eui, "name": f"chosen {number}"}
        assert page.request.post("/api/sensors", data=entry, headers=headers).ok
    yield page
    for eui in EUIS:
        page.request.delete(f"/api/sensors/{eui}", headers=headers)
    context.close()


def test_all_that_match_are_selected_and_what_the_page_does_not_show_is_told(five: Any) -> None:
    page, bar = five, five.locator("[data-selection]")
    page.goto("/sensors?q=chosen&per_page=2&page=3")
    expect(page.get_by_role("link", name="First", exact=True)).to_be_visible()
    page.goto("/sensors?q=chosen&per_page=2")
    expect(page.get_by_role("link", name="Last", exact=True)).to_be_visible()
    page.get_by_label("Select chosen 0").check()
    expect(page.get_by_role("button", name="Select all 5")).to_be_hidden()
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Select all 5").click()
    expect(bar).to_contain_text("5 selected, 3 of them not on this page")
    expect(page.get_by_role("button", name="Select all 5")).to_be_hidden()
    page.locator("main [type=search]").fill("chosen 4")
    expect(bar).to_contain_text("5 selected, 4 of them not on this page")
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete 5 sensors?")
    expect(page.get_by_role("dialog")).to_contain_text("4 of them are not on this page.")
    page.keyboard.press("Escape")


def test_what_another_deletes_leaves_the_selection(five: Any) -> None:
    page = five
    page.goto("/sensors?q=chosen")
    page.get_by_label("Select all on this page").check()
    token = page.locator("meta[name=csrf]").get_attribute("content")
    page.request.delete(f"/api/sensors/{EUIS[2]}", headers={"X-CSRF-Token": token})
    told = page.locator(".toasts")
    for text in ("Nothing was changed: 1 sensor of the selection has been deleted meanwhile.", "Delete: 4"):
        page.get_by_role("button", name="Delete…").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(told).to_contain_text(text)
    expect(page.locator("[data-selection]")).to_be_hidden()
    assert {page.request.get(f"/api/sensors/{eui}").status for eui in EUIS} == {404}


def test_whoever_leafs_by_keyboard_stays_at_the_button(five: Any) -> None:
    page = five
    page.goto("/sensors?q=chosen&per_page=1")
    page.get_by_role("link", name="Next", exact=True).focus()
    for number in range(2, 6):
        page.keyboard.press("Enter")
        page.wait_for_url(f"**&page={number}")
        expect(page.locator("[data-key=page]")).to_have_text(f"Page {number} of 5")
        if number < 5:
            expect(page.get_by_role("link", name="Next", exact=True)).to_be_focused()
    expect(page.locator("[data-key=page]")).to_be_focused()
    page.goto(f"/sensors/{EUIS[0]}/readings")
    page.get_by_role("link", name="Zoom in").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Later")).to_be_visible()
    expect(page.get_by_role("link", name="Zoom in")).to_be_focused()


def test_a_selection_is_edited_after_it_was_said_how_many_change(five: Any) -> None:
    page = five
    page.goto("/sensors?q=chosen")
    page.get_by_label("Select chosen 0").check()
    page.get_by_role("button", name="Edit…").click()
    form = page.get_by_role("dialog", name="Edit 1 sensor")
    form.get_by_role("button", name="Change…").click()
    expect(form.get_by_role("alert")).to_contain_text("Enter what is to change.")
    form.get_by_label("Add tags").fill('"roof, left"')
    form.get_by_role("button", name="Change…").click()
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator(".toasts")).to_contain_text("1 sensor changed.")
    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Edit…").click()
    form = page.get_by_role("dialog", name="Edit 5 sensors")
    form.get_by_label("Add tags").fill('"roof, left"')
    form.get_by_label("Interval", exact=True).fill("900")
    form.get_by_label("Remove the interval").check()
    form.get_by_role("button", name="Change…").click()
    expect(form.get_by_label("Interval", exact=True)).to_have_attribute("aria-invalid", "true")
    form.get_by_label("Interval", exact=True).fill("")
    form.get_by_role("button", name="Change…").click()
    expect(page.get_by_text("Change 4 sensors? Of the others it is so already.")).to_be_visible()
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.locator(".toasts")).to_contain_text("4 sensors changed.")
    expect(page.locator("[data-selection]")).to_be_hidden()
    tags = [page.request.get(f"/api/sensors/{eui}").json()["tags"] for eui in EUIS]
    assert tags == [["roof, left"]] * 5
