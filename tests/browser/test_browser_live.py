"""The live page when things end: the session, the past, the patience; and fields with a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from bssci.web.pages.table import STATIC, render
from tests.browser.chromium import expect
from tests.browser.conftest import WAIT
from tests.browser.test_browser import SILENT_STREAM
from tests.support.running_service import SENSOR, RunningService
from tests.web.pages.page_samples import samples

EUI = SENSOR["eui"]
ROW = '<tr data-key="7"><td><time datetime="2026-01-01T00:00:00Z"></time></td><td>Found</td></tr>'


@pytest.fixture
def own_page(chromium: Any, session: Any, service: RunningService) -> Iterator[Any]:
    """A tab whose browser may complain, and whose cookies a test may take away."""
    context = chromium.new_context(base_url=service.url, storage_state=session)
    yield context.new_page()
    context.close()


@pytest.fixture
def alone(chromium: Any) -> Iterator[Any]:
    """A tab without a service: a test answers what its page asks for, and nothing else is on its way."""
    context = chromium.new_context(base_url="http://alone.test")
    tab = context.new_page()
    tab.set_default_timeout(WAIT)
    tab.route("**/*", lambda route: route.abort())
    tab.route(
        "**/static/**",
        lambda route: route.fulfill(path=STATIC / urlsplit(route.request.url).path.removeprefix("/static/")),
    )
    yield tab
    context.close()


def test_the_end_of_the_session_is_said_once_and_ends_all_tries(own_page: Any) -> None:
    asked: list[str] = []
    own_page.on("request", lambda request: asked.append(request.url))
    own_page.clock.install()
    own_page.goto("/live?kind=station-status")
    expect(own_page.locator(".freshness")).to_have_text("Live")
    own_page.context.clear_cookies()
    own_page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(own_page.locator(".freshness")).to_have_text("Your session has ended: log in again")
    before = len(asked)
    own_page.clock.run_for(60_000)
    expect(own_page.locator(".freshness")).to_have_text("Your session has ended: log in again")
    assert asked[before:] == []


def test_events_come_again_after_a_proxy_has_refused_them_while_the_service_restarted(
    own_page: Any, known_sensor: str
) -> None:
    own_page.clock.install()
    own_page.route("**/api/live*", lambda route: route.fulfill(status=502))
    with own_page.expect_response("**/api/live*"):
        own_page.goto(f"/sensors/{known_sensor}")
    own_page.unroute("**/api/live*")
    with own_page.expect_request("**/api/live*"):
        own_page.clock.run_for(30_000)


def test_the_end_of_the_session_does_not_lead_away(own_page: Any) -> None:
    own_page.add_init_script(SILENT_STREAM)
    own_page.goto("/live")
    expect(own_page.locator(".freshness")).to_have_text("Live")
    own_page.context.clear_cookies()
    event = {"seq": 1 << 50, "kind": "uplink", "timestamp": 1.7e9, "title": "Up", "sensor_eui": EUI}
    own_page.evaluate(
        "(it) => stream.dispatchEvent(new MessageEvent(it.kind, { data: JSON.stringify(it) }))", event
    )
    expect(own_page.locator(".freshness")).to_have_text("Your session has ended: log in again")
    assert own_page.url.endswith("/live")


def test_copies_of_an_advertisement_join_its_row_as_they_arrive(own_page: Any) -> None:
    """Each copy of another scanner joins the row for two seconds; what else comes has a row of its own."""
    own_page.add_init_script(SILENT_STREAM)
    own_page.goto("/live?kind=telegram")
    expect(own_page.locator(".freshness")).to_have_text("Live")
    heard = [
        {"gateway": "roof", "rssi": -71, "timestamp": 1.7e9},
        {"gateway": "cellar", "rssi": -58, "timestamp": 1.7e9 + 0.25, "names": {"cellar": "Cellar 2"}},
        {"gateway": "roof", "rssi": -70, "timestamp": 1.7e9 + 1},
        {"gateway": "hall", "rssi": -70, "timestamp": 1.7e9 + 9},
    ]
    for seq, it in enumerate(heard, 1 << 50):
        event = {"seq": seq, "kind": "telegram", "device": "ble:A4:C1:38:00:00:01", "title": "Advertisement"}
        event |= {"dataHex": "0102", "envelope": {"service_data": {"181a": "AQI="}}, "names": {}} | it
        own_page.evaluate(
            "(it) => stream.dispatchEvent(new MessageEvent(it.kind, { data: JSON.stringify(it) }))", event
        )
    rows = own_page.locator("[data-live-rows] tr")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_contain_text("Advertisement, heard by 2 scanners")
    expect(rows.nth(2)).to_contain_text("heard by Cellar 2 (\u221258\u202fdBm), roof (\u221271\u202fdBm)")
    rows.nth(2).locator("summary").click()
    expect(rows.nth(2).locator("details")).to_contain_text("cellar (\u221258\u202fdBm), 250\u202fms later")
    expect(rows.nth(2).locator("details a").first).to_have_attribute("href", f"/api/events/{1 << 50}")
    expect(rows.nth(0)).to_contain_text("heard by hall")


def test_what_comes_fast_is_drawn_once_a_second_and_nothing_moves(own_page: Any) -> None:
    """Each drawing lays out and paints hundreds of rows: the page took a whole core of the browser."""
    own_page.add_init_script(SILENT_STREAM)
    own_page.clock.install()
    own_page.goto("/live?kind=uplink")
    expect(own_page.locator(".freshness")).to_have_text("Live")
    own_page.evaluate("""() => {
        globalThis.drawn = 0;
        new MutationObserver((all) => { drawn += all.some((each) => each.addedNodes.length) ? 1 : 0; })
            .observe(document.querySelector("[data-live-rows]"), { childList: true });
    }""")
    before = own_page.locator("[data-live-rows] tr").count()
    for number in range(30):
        event = {"seq": (1 << 50) + number, "kind": "uplink", "timestamp": 1.7e9, "title": f"Up {number}"}
        own_page.evaluate(
            "(it) => stream.dispatchEvent(new MessageEvent(it.kind, { data: JSON.stringify(it) }))",
            event | {"sensor_eui": EUI, "known": True},
        )
        own_page.clock.run_for(100)
    own_page.clock.run_for(1000)
    assert own_page.locator("[data-live-rows] tr").count() - before == 30
    assert 3 <= own_page.evaluate("drawn") <= 5
    assert own_page.evaluate("document.getAnimations().length") == 0
    own_page.clock.run_for(2000)
    assert own_page.locator("[data-live-rows] .new").count() == 0


def test_a_refused_stream_is_said_and_tried_again(own_page: Any) -> None:
    own_page.route("**/api/live*", lambda route: route.fulfill(status=429))
    own_page.goto("/live")
    told = "Too many live pages and streams of this account are open, trying again"
    expect(own_page.locator(".freshness")).to_have_text(told)
    own_page.unroute("**/api/live*")
    expect(own_page.locator(".freshness")).to_have_text("Live")


class Past:
    """Answers of the service to a search, page by page.

    :param pages: the rows of each.
    """

    def __init__(self, page: Any, pages: list[str]) -> None:
        self.asked = 0
        self.held: list[Any] | None = None
        """what waits, where a test answers by itself"""
        self._page = page
        self._pages = pages
        data = {**samples()["live.html"], "events": [], "older": 900, "args": {"q": "found"}}
        page.route(
            "**/sample",
            lambda route: route.fulfill(body=render("live.html", **data), content_type="text/html"),
        )
        page.route("**/live?q=found&before=*", self._take)
        page.add_init_script(SILENT_STREAM)
        page.goto("/sample")
        expect(page.locator(".freshness")).to_have_text("Live")

    def _take(self, route: Any) -> None:
        self.asked += 1
        if self.held is None:
            self.answer(route)
        else:
            self.held.append(route)

    def answer_held(self) -> None:
        """Answer the first search that waits, as soon as it has come here.

        The page says that it looks before its request has arrived, and only waiting hands it over.
        """
        while not self.held:
            self._page.wait_for_timeout(10)
        self.answer(self.held.pop(0))

    def answer(self, route: Any) -> None:
        rows = self._pages.pop(0)
        older = 900 - self.asked if self._pages else ""
        route.fulfill(
            content_type="text/html",
            body=f'<section data-live data-older="{older}">'
            f"<table><tbody data-live-rows>{rows}</tbody></table>"
            "<div data-live-empty>No event in the journal</div></section>",
        )


def test_a_look_back_goes_on_until_something_is_found(alone: Any) -> None:
    past = Past(alone, ["", "", "", ROW, ""])
    alone.get_by_role("link", name="Earlier events").click()
    expect(alone.locator("[data-live-rows] > tr")).to_contain_text("Found")
    expect(alone.get_by_role("link", name="Earlier events")).to_be_visible()
    expect(alone.locator("[data-live-empty]")).to_be_hidden()
    expect(alone.locator(".toasts .note")).to_have_count(0)
    assert past.asked == 4


def test_a_look_back_says_once_that_there_is_nothing(alone: Any) -> None:
    past = Past(alone, ["", "", ""])
    alone.get_by_role("link", name="Earlier events").click()
    expect(alone.locator(".toasts .note")).to_contain_text("Nothing earlier fits")
    expect(alone.locator("[data-live-older]")).to_have_count(0)
    expect(alone.locator("[data-live-empty]")).to_have_text("No event in the journal")
    assert past.asked == 3


def test_a_look_back_is_stopped_by_a_second_click(alone: Any) -> None:
    past = Past(alone, ["", "", ROW])
    past.held = []
    alone.get_by_role("link", name="Earlier events").click()
    stop = alone.get_by_role("link", name="Stop looking")
    expect(stop).to_have_attribute("aria-busy", "true")
    stop.click()
    past.answer_held()
    expect(alone.get_by_role("link", name="Earlier events")).not_to_have_attribute("aria-busy", "true")
    expect(alone.locator(".toasts .note")).to_have_count(0)
    assert past.asked == 1


def test_a_wrong_eui_is_marked_and_the_filter_stays(page: Any) -> None:
    page.goto("/live?kind=uplink")
    page.get_by_label("Sensor", exact=True).fill("Water meter")
    page.get_by_role("button", name="Apply").click()
    field = page.get_by_label("Sensor", exact=True)
    expect(field).to_have_value("Water meter")
    expect(field).to_have_attribute("aria-invalid", "true")
    told = "Sensor must be 16 hexadecimal digits. “Text, name or payload” finds names."
    expect(field).to_have_accessible_description(told)
    expect(page.get_by_label("Kind")).to_have_value("uplink")
    field.fill("70B3D59CD0000001")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".freshness")).to_have_text("Live")
