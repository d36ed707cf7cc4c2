"""Lists in a window of usual width: every column is in sight, buttons included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bssci.web.pages.table import render
from tests.support.running_service import RunningService
from tests.web.pages.page_samples import samples

WIDTH, HEIGHT = 1280, 844
SIDEWAYS = """() => [...document.querySelectorAll(".table")]
    .filter((it) => it.scrollWidth > it.clientWidth + 1)
    .map((it) => `${it.ariaLabel ?? it.getAttribute("aria-labelledby")}: ${it.scrollWidth}`)"""
UNDIVIDED = """() => [...document.querySelectorAll("main > * .table")].flatMap((it) => {
    const found = [];
    for (let each = it; each.localName !== "body"; each = each.parentElement) {
        const { display, overflowX } = getComputedStyle(each);
        if (display === "grid" || overflowX !== "visible") found.push(each.className);
    }
    return found;
})"""
"""what holds a table and, in Firefox, stands on one page as a whole"""
BY_DETACH = {"args": {"status": "warning"}}
DETACH = {"detach_at": 1_700_100_000.0, "seconds_until_detach": 90_000.0, "warning": True}


@pytest.fixture(scope="module")
def tab(chromium: Any, session: Any, service: RunningService) -> Iterator[Any]:
    """One tab for all samples, which ask the service for what it does not have."""
    context = chromium.new_context(
        base_url=service.url, storage_state=session, viewport={"width": WIDTH, "height": HEIGHT}
    )
    yield context.new_page()
    context.close()


def too_wide(tab: Any, template: str, script: str = SIDEWAYS, **changes: Any) -> list[str]:
    text = render(template, **{**samples()[template], **changes})
    tab.route("**/sample", lambda route: route.fulfill(body=text, content_type="text/html"))
    tab.goto("/sample")
    found: list[str] = tab.evaluate(script)
    tab.unroute("**/sample")
    return found


@pytest.mark.parametrize("template", sorted(samples()))
def test_no_list_is_wider_than_its_panel(tab: Any, template: str) -> None:
    assert too_wide(tab, template) == []


def test_the_list_of_silent_sensors_has_room_for_the_date(tab: Any) -> None:
    rows = [row | DETACH for row in samples()["sensors.html"]["rows"]]
    assert too_wide(tab, "sensors.html", rows=rows, **BY_DETACH) == []


@pytest.mark.parametrize("template", ["sensors.html", "accounts.html", "sensor.html"])
def test_a_printed_list_is_divided_between_pages(tab: Any, template: str) -> None:
    tab.emulate_media(media="print")
    assert too_wide(tab, template, script=UNDIVIDED) == []
    tab.emulate_media(media="screen")
