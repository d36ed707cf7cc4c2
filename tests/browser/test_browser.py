"""What operators do, in a real browser with the real service and simulated base stations."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bssci.web.formats import measured, number
from tests.browser.chromium import expect
from tests.browser.conftest import DEVICE, addresses
from tests.support.running_service import SENSOR, STATION, RunningService

EUI = str(SENSOR["eui"])
HOSTILE = "<script>alert(1)</script>"
NEW_STATION = "CAFEBA5E000000AA"
IMPORTED = 1000
SILENT_STREAM = """
window.EventSource = class extends EventTarget {
  static OPEN = 1;
  static CLOSED = 2;
  readyState = 1;
  constructor(path) { super(); this.path = path; window.stream = this; }
  close() {}
};
"""
"""a stream that is open and brings nothing but what a test sends"""


def test_a_wrong_password_is_refused_in_words(chromium: Any, service: RunningService) -> None:
    context = chromium.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    context.close()


def test_the_dashboard_says_how_it_is_and_leads_on(page: Any) -> None:
    page.goto("/stations")
    expect(page.locator(f"tr[data-key='{STATION}']")).to_contain_text("online")
    page.goto("/")
    expect(page.get_by_label("Health", exact=True)).to_contain_text(re.compile(r"\w+.*\."))
    expect(page.locator(".freshness")).to_have_text("Live")
    page.get_by_role("link", name=re.compile("^Base stations")).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Base stations")


def test_an_unknown_sensor_is_added_attached_and_heard_live(page: Any) -> None:
    page.goto("/live")
    page.locator("[data-live-rows]").get_by_role("link", name=EUI).first.click()
    page.wait_for_url("**/sensors/unknown")
    page.get_by_role("link", name=f"Add {EUI}").click()
    expect(page.get_by_label("EUI", exact=True)).to_have_value(EUI)
    page.get_by_label("Name", exact=True).fill(HOSTILE)
    page.get_by_label("Network key").fill(str(SENSOR["nwKey"]) + "0")
    page.get_by_label("Short address").fill(str(SENSOR["shortAddr"]))
    page.get_by_label("Bidirectional").check()
    page.get_by_role("button", name="Add and attach").click()
    expect(page.get_by_text("must be 32 hexadecimal digits, not 33")).to_be_visible()
    expect(page.get_by_label("Network key")).to_be_focused()
    page.get_by_label("Network key").fill(str(SENSOR["nwKey"]))
    page.get_by_role("button", name="Add and attach").click()
    page.wait_for_url(f"**/sensors/{EUI}")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.locator("[data-region=registrations]")).to_contain_text("attached")

    page.get_by_role("link", name="Watch live").click()
    first = page.locator("[data-live-rows] > tr").first
    before = first.get_attribute("data-key") or "0"
    expect(first).not_to_have_attribute("data-key", before)
    expect(first).to_contain_text("heard by")
    expect(page.locator("[data-live-rows] > tr", has_text="mqtt delivered").first).to_be_visible()


def test_live_is_paused_and_goes_on(page: Any) -> None:
    page.goto("/live?kind=uplink")
    expect(page.locator(".freshness")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".freshness")).to_have_text("Paused")
    expect(page.locator("[data-live-count]")).to_contain_text("wait")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("[data-live-count]")).not_to_contain_text("wait")


def test_a_downlink_is_sent_and_acknowledged(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}")
    page.get_by_label("Payload", exact=True).fill("01 0a FG")
    page.get_by_role("button", name="Queue it").click()
    expect(page.get_by_text("must be hexadecimal")).to_be_visible()
    page.get_by_label("Payload", exact=True).fill("01 0a FF")
    page.get_by_role("button", name="Queue it").click()
    row = page.locator("[data-region=downlinks] tbody tr").first
    expect(row).to_contain_text("01 0A FF")
    expect(row).to_contain_text("acknowledged")


def test_a_key_is_masked_until_it_is_revealed(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}")
    assert str(SENSOR["nwKey"]) not in page.content()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator("[data-secret]")).to_have_text(str(SENSOR["nwKey"]))
    page.goto("/audit")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Reveal a network key")


def test_a_base_station_connects_with_a_bundle_from_the_page(
    page: Any, service: RunningService, tmp_path: Path
) -> None:
    page.goto(f"/certificates?station={NEW_STATION}#bundle")
    expect(page.get_by_label("EUI of the base station")).to_have_value(NEW_STATION)
    page.get_by_label("EUI of the base station").fill(NEW_STATION.lower())
    page.get_by_label("Host of this service").fill("sc.example.com")
    with page.expect_download() as download:
        page.get_by_role("button", name="Make and download").click()
    archive = tmp_path / "bundle.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as members:
        members.extractall(tmp_path / "bundle")
        assert b"host=sc.example.com" in b"".join(map(members.read, members.namelist()))
    service.simulate("second", tmp_path / "bundle", NEW_STATION)
    page.goto("/stations")
    expect(page.locator(f"tr[data-key='{NEW_STATION}']")).to_contain_text("online")
    page.goto(f"/stations/{NEW_STATION}")
    expect(page.locator("[data-region=timeline]")).to_contain_text("Came online")


def test_a_setting_is_refused_then_shown_as_a_difference_and_saved(page: Any) -> None:
    page.goto("/config")
    field = page.get_by_label("AUTO_DETACH_TIMEOUT", exact=True)
    field.fill("soon")
    # Not by the button: it goes off as soon as what was typed has been checked.
    field.press("Enter")
    expect(page.locator("#e-AUTO_DETACH_TIMEOUT")).to_contain_text("number")
    field.fill("500000")
    page.get_by_role("button", name="Review and save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("259200")
    expect(dialog).to_contain_text("500000")
    with page.expect_navigation():
        dialog.get_by_role("button", name="Save").click()
    expect(field).to_have_value("500000")


def test_a_thousand_sensors_are_checked_then_imported(page: Any) -> None:
    rows = [f"70B3D59CE000{number:04X},{number:032X},{number:04X},false" for number in range(IMPORTED)]
    page.goto("/sensors/import")
    wrong = [f"70B3D59CE001{number:04X},12AB,0001,false" for number in range(250)]

    def choose(rows: list[str]) -> None:
        text = "\n".join(["eui,nwKey,shortAddr,bidi", *rows])
        file = {"name": "sensors.csv", "mimeType": "text/csv", "buffer": text.encode()}
        page.locator("#import-file").set_input_files(file)

    choose([*rows, *wrong])
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("region", name="Errors per row")).to_contain_text("must be 32 hexadecimal digits")
    expect(page.locator("[data-import-counts] > .tile").last).to_have_text("Wrong250")
    expect(page.locator("[data-import-note]")).to_contain_text("the first 200 are listed")
    expect(page.locator("[data-import-apply]")).to_be_disabled()
    choose(rows)
    page.get_by_role("button", name="Check").click()
    page.get_by_role("button", name=re.compile("^Import 1.000$")).click()
    page.wait_for_url("**/sensors", timeout=20_000)
    expect(page.get_by_text(re.compile(r"1–50 of 1.001 sensors"))).to_be_visible()
    page.get_by_label("Filter by name, EUI or tag").fill("70b3d59ce00003e7")
    expect(page.locator("[data-region=sensors] tbody tr")).to_have_count(1)


def test_a_file_of_excel_goes_to_the_service_as_its_bytes(page: Any, tmp_path: Path) -> None:
    row = f'70B3D59CE0020001;{1:032X};="0001";WAHR;Zähler Köln'
    (tmp_path / "excel.csv").write_bytes(f"eui;nwKey;shortAddr;bidi;name\r\n{row}\r\n".encode("cp1252"))
    page.goto("/sensors/import")
    page.locator("#import-file").set_input_files(tmp_path / "excel.csv")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("[data-import-apply]")).to_have_text("Import 1")
    expect(page.locator("[data-import-counts] > .tile").last).to_have_text("Wrong0")


def test_chosen_sensors_are_deleted_together(page: Any) -> None:
    page.goto("/sensors?q=70B3D59CE000000")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[data-selection]")).to_contain_text("16 selected")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No sensor matches")).to_be_visible()


def test_the_colours_follow_the_system_and_the_switch(page: Any) -> None:
    def background() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.emulate_media(color_scheme="dark")
    page.goto("/")
    dark = background()
    page.emulate_media(color_scheme="light")
    assert background() != dark
    page.get_by_role("button", name="Dark").click()
    assert background() == dark
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert background() == dark


@pytest.mark.usefixtures("things")
def test_no_page_of_a_sensor_that_is_heard_is_wider_than_the_screen(page: Any, known_sensor: str) -> None:
    """Of all other pages, test_accessibility.py asks that."""
    wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    for each in [path for path in addresses(known_sensor) if known_sensor in path]:
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.goto(each).status == 200, each
        assert page.evaluate(wider) <= 0, each
        page.set_viewport_size({"width": 1360, "height": 844})
        assert page.evaluate(wider) <= 0, each


def test_the_menu_opens_on_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Sensors").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sensors")


def test_the_menu_opens_where_the_browser_knows_no_popover(page: Any) -> None:
    def without(route: Any) -> None:
        answer = route.fetch()
        text = answer.text().replace(" popover>", ">")
        route.fulfill(
            response=answer, body=text.replace(".sidebar:not(:popover-open) { display: none; }", "")
        )

    page.route(re.compile(r"/(sensors|static/app\.css\S*)?$"), without)
    page.add_init_script("delete HTMLElement.prototype.popover")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    navigation = page.get_by_role("navigation", name="Pages")
    menu = page.get_by_role("button", name="Menu")
    expect(navigation).to_be_hidden()
    expect(menu).to_have_attribute("aria-expanded", "false")
    menu.press("Enter")
    expect(navigation.get_by_role("link").first).to_be_focused()
    expect(menu).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    expect(menu).to_be_focused()
    menu.click()
    page.get_by_role("main").click(position={"x": 380, "y": 400})
    expect(navigation).to_be_hidden()
    menu.click()
    navigation.get_by_role("link", name="Sensors").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sensors")
    page.unroute_all(behavior="wait")


def test_a_device_that_was_blocked_can_be_unblocked_at_once(page: Any, things: None) -> None:
    page.goto(f"/devices/{DEVICE}")
    page.get_by_role("button", name="Block\N{HORIZONTAL ELLIPSIS}").click()
    page.get_by_role("dialog").get_by_role("button", name="Block").click()
    page.get_by_role("button", name="Unblock").click()
    expect(page.get_by_role("button", name="Block\N{HORIZONTAL ELLIPSIS}")).to_be_visible()


def test_the_audit_log_is_filtered_as_one_types(page: Any) -> None:
    page.goto("/audit")
    page.get_by_label("Target or detail contains").fill("no such thing")
    page.wait_for_url("**/audit?q=no+such+thing")
    expect(page.get_by_text("No entry matches")).to_be_visible()


def test_scripts_write_numbers_as_the_templates_do(page: Any) -> None:
    page.goto("/")
    written = "async ([value, digits]) => (await import('/static/dom.js')).number(value, digits)"
    for value, digits in [(4667, 0), (999, 0), (1234567.891, 3), (0.12345, 5), (-0.04, 1), (-4667.5, 1)]:
        assert page.evaluate(written, [value, digits]) == number(value, digits)
    written = "async (value) => (await import('/static/dom.js')).measured(value)"
    for value in (107.0462, 4667.5, 21.0, -0.25, 0.000123, 0):
        assert page.evaluate(written, value) == measured(value)


def test_it_works_by_keyboard(page: Any) -> None:
    page.goto("/sensors")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("no such sensor")
    expect(page.get_by_text("No sensor matches")).to_be_visible()


def test_what_is_shown_is_marked_when_it_is_old(page: Any) -> None:
    page.goto("/stations")
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".freshness")).to_contain_text("No connection")
    page.context.set_offline(False)
    expect(page.locator(".freshness")).to_have_text("Live")


def test_a_service_that_does_not_answer_makes_what_is_shown_old(page: Any) -> None:
    page.goto("/stations")
    page.route("**/stations", lambda _: None)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".freshness")).to_contain_text("No connection")
    page.unroute("**/stations")
    expect(page.locator(".freshness")).to_have_text("Live")


def test_a_lost_stream_asks_at_once_whether_a_sensors_page_is_old(page: Any, known_sensor: str) -> None:
    page.add_init_script(SILENT_STREAM)
    page.goto(f"/sensors/{known_sensor}")
    expect(page.locator(".freshness")).to_have_text("Live")
    page.context.set_offline(True)
    page.evaluate("stream.dispatchEvent(new Event('error'))")
    expect(page.locator(".freshness")).to_contain_text("No connection", timeout=5000)


def test_live_is_old_when_its_stream_is_silent(page: Any) -> None:
    page.add_init_script(SILENT_STREAM)
    page.clock.install()
    # The clock of the page does not go on by itself, however long the steps take on a busy machine.
    page.clock.pause_at(time.time() + 1)
    page.goto("/live")
    expect(page.locator("html[data-ready]")).to_be_attached()
    page.clock.fast_forward(2_000)
    expect(page.locator(".freshness")).to_have_text("Live")
    page.clock.fast_forward(18_000)
    expect(page.locator(".freshness")).to_have_text("Live")
    page.evaluate("stream.dispatchEvent(new Event('ping'))")
    page.clock.fast_forward(20_000)
    expect(page.locator(".freshness")).to_have_text("Live")
    page.clock.fast_forward(4_000)
    expect(page.locator(".freshness")).to_contain_text("No connection", timeout=5000)


def test_live_shows_each_event_once_after_the_tab_was_changed_while_paused(page: Any) -> None:
    page.goto("/live?kind=uplink")
    count = page.locator("[data-live-count]")
    expect(page.locator(".freshness")).to_have_text("Live")
    page.get_by_role("button", name="Pause").click()
    expect(count).to_contain_text("wait")
    with page.expect_request("**/api/live**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(count).not_to_have_text(count.inner_text())
    page.get_by_role("button", name="Resume").click()
    expect(count).not_to_contain_text("wait")
    keys = page.locator("[data-live-rows] > tr").evaluate_all("rows => rows.map((row) => row.dataset.key)")
    assert len(keys) == len(set(keys))


def test_live_draws_what_comes_twice_once(page: Any) -> None:
    page.add_init_script(SILENT_STREAM)
    page.goto("/live")
    expect(page.locator(".freshness")).to_have_text("Live")
    newest = int(page.locator("[data-live]").get_attribute("data-newest"))
    for seq in (newest, newest + 1, newest + 1):
        event = {"seq": seq, "kind": "station-state", "timestamp": 1.7e9, "title": "Came online"}
        page.evaluate(
            "(it) => stream.dispatchEvent(new MessageEvent(it.kind, { data: JSON.stringify(it) }))", event
        )
    expect(page.locator(f"[data-live-rows] > [data-key='{newest + 1}']")).to_have_count(1)
    expect(page.locator("[data-live-count]")).to_have_text("1 since this page was opened")


def test_live_goes_on_after_what_it_did_not_want(page: Any) -> None:
    page.add_init_script(SILENT_STREAM)
    page.goto("/live?kind=station-state")
    expect(page.locator(".freshness")).to_have_text("Live")
    page.evaluate("stream.dispatchEvent(new MessageEvent('ping', { data: '{}', lastEventId: '987654321' }))")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("stream.path") == "/api/live?kind=station-state&since=987654321"


def test_live_shows_names_from_the_start_and_as_events_come(page: Any) -> None:
    page.goto("/live?kind=uplink")
    rows = page.locator("[data-live-rows] > tr")
    rows.first.wait_for()
    page.reload()
    newest = str(rows.first.get_attribute("data-key"))
    expect(rows.first).not_to_have_attribute("data-key", newest)
    for row in (rows.first, rows.last):
        station = row.locator("a[href^='/stations/']").first
        # At once, for the next event is the first row then.
        eui, path, name = station.evaluate("(it) => [it.title, it.getAttribute('href'), it.innerText]")
        assert (path, name) == (f"/stations/{eui}", f"simulated {eui}")


def test_live_is_searched_for_bytes_as_they_are_shown(page: Any) -> None:
    page.goto("/live?kind=uplink")
    payload = page.locator("[data-live-rows] .bytes").first.inner_text()
    page.get_by_label("Text, name or payload").fill(payload)
    with page.expect_request(lambda request: "/api/live?" in request.url) as asked:
        page.get_by_role("button", name="Apply").click()
    assert f"q={payload.replace(' ', '+')}" in asked.value.url
    assert page.locator("[data-live-rows] .bytes").all_inner_texts() == [payload]


def test_live_exports_what_is_searched_for(page: Any, tmp_path: Path) -> None:
    page.goto("/live?q=came+ONLINE")
    expect(page.locator("[data-live-rows] > tr").first).to_contain_text("Came online")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export").click()
    exported = tmp_path / "events.ndjson"
    download.value.save_as(exported)
    lines = exported.read_text().splitlines()
    assert lines and all("came online" in line.lower() for line in lines)


def test_a_region_appears_and_vanishes_on_an_open_page(page: Any) -> None:
    page.goto("/stations")
    region = page.locator("[data-region=refused]")
    expect(region).to_be_hidden()

    def refuse(route: Any) -> None:
        answer = route.fetch()
        empty = 'data-region="refused">'
        route.fulfill(response=answer, body=answer.text().replace(empty, f"{empty}<p>Somebody</p>"))

    page.route("**/stations", refuse)
    expect(region).to_have_text("Somebody")
    page.unroute_all(behavior="wait")
    expect(region).to_be_hidden()


@pytest.mark.parametrize("width", [1280, 390])
def test_an_eui_in_a_narrow_cell_stays_on_one_line(page: Any, width: int) -> None:
    subject = 'CN=Gateway<span class="eui">70B3D56770110001</span>,O=Example'
    cells = f'<td>{"Why it was refused. " * 20}</td><td class="break">{subject}</td>'
    table = f'<div class="table"><table class="cards"><tbody><tr>{cells}</tr></tbody></table></div>'
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/stations")
    page.locator("main").evaluate("(main, table) => main.innerHTML = table", table)
    assert page.locator("td.break .eui").evaluate("eui => eui.getClientRects().length") == 1


def test_tags_with_commas_survive_an_edit(page: Any, known_sensor: str) -> None:
    page.goto("/")
    headers = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    tags = ["hall 7, roof", "a;b"]
    assert page.request.post("/api/sensors", data={"eui": known_sensor, "tags": tags}, headers=headers).ok
    entered = (
        (None, tags),
        ("one, two", ["one", "two"]),
        (' "hall 7, roof",two , "a ""b""",', ["hall 7, roof", "two", 'a "b"']),
        ("", []),
    )
    for typed, kept in entered:
        page.goto(f"/sensors/{known_sensor}/edit")
        page.get_by_label("Name", exact=True).fill(f"Meter {typed}.")
        if typed is not None:
            page.get_by_label("Tags").fill(typed)
        page.get_by_role("button", name="Save").click()
        page.wait_for_url(f"**/sensors/{known_sensor}")
        detail = page.request.get(f"/api/sensors/{known_sensor}").json()
        assert (detail["name"], detail["tags"]) == (f"Meter {typed}.", kept)
    page.goto(f"/sensors/{known_sensor}/edit")
    page.get_by_label("Tags").fill('"one" two')
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-error")).to_contain_text("a comma after each quotation mark")


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(
    ("address", "kept"),
    [
        (f"/devices/{DEVICE}", f"/api/devices/{DEVICE}"),
        (f"/stations/{STATION}/edit", f"/api/base_stations/{STATION}"),
    ],
)
def test_all_tags_can_be_removed(page: Any, address: str, kept: str) -> None:
    for typed, tags in (('"a, b", c', ["a, b", "c"]), ("", [])):
        page.goto(address)
        page.get_by_label("Tags").fill(typed)
        with page.expect_response(lambda answer: answer.request.method in ("POST", "PATCH")):
            page.get_by_role("button", name="Save").click()
        page.wait_for_url(f"**{address.removesuffix('/edit')}")
        assert page.request.get(kept).json()["tags"] == tags
