"""WCAG 2.2 AA, measured: axe on every page, then what axe cannot see.

axe-core judges each page in both schemes, wide and on a phone; of texts that look alike it judges the
contrast of one. What it is unsure of counts as a fault, too.
Focus, reflow, text spacing, motion, keyboard and what is announced are measured here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bssci.web.pages.table import render
from tests.browser.chromium import expect
from tests.browser.conftest import LONG_WORD, addresses
from tests.browser.test_browser import SILENT_STREAM
from tests.support.running_service import STATION, RunningService
from tests.web.pages.page_samples import samples

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, PHONE, NARROW = 1280, 390, 320
HEIGHT = 844
MEASURES = (Path(__file__).parent / "measures.js").read_text()

EUI = "70B3D59CDFFFFFF1"
SENSOR = {"eui": EUI, "nwKey": "0F" * 16, "shortAddr": "0F0F", "bidi": True, "name": LONG_WORD, "tags": ["a"]}
TOKEN = "made-here"
VIEWER, PASSWORD = "vera", "a password of vera"
NEW_SENSORS = "\n".join(
    ["eui,nwKey,shortAddr,bidi", f"70B3D59CDFFFFFF2,{'0E' * 16},0E0E,true", "70B3D59CDFFFFFF3,12,0001,false"]
)


# What is looked at


def at(path: str, status: int = 200) -> Callable[[Any], None]:
    def show(page: Any) -> None:
        assert page.goto(path).status == status

    return show


def sample(template: str, parts: dict[str, slice] | None = None, **changes: Any) -> Callable[[Any], None]:
    """A page with more states than a service that has just started has; of lists perhaps only parts.

    Made when it is shown: each process of pytest collects this file, and one shows it.
    """

    def show(page: Any) -> None:
        values = {**samples()[template], **changes}
        values.update({name: values[name][part] for name, part in (parts or {}).items()})
        text = render(template, **values)
        page.route("**/sample", lambda route: route.fulfill(body=text, content_type="text/html"))
        page.goto("/sample")

    return show


def log_in_refused(page: Any) -> None:
    page.goto("/login")
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()


def form_refused(page: Any) -> None:
    page.goto("/sensors/new")
    page.get_by_label("Network key").fill("12")
    page.get_by_role("button", name="Add and attach").click()
    expect(page.locator(".field-error")).to_have_count(3)


def import_tried(page: Any) -> None:
    page.goto("/sensors/import")
    page.get_by_label("Or its content").fill(NEW_SENSORS)
    page.get_by_role("button", name="Check").click()
    page.get_by_role("region", name="Errors per row").wait_for()


def setting_refused(page: Any) -> None:
    page.goto("/config")
    field = page.get_by_label("DEDUPLICATION_DELAY", exact=True)
    field.fill("soon")
    # Not by the button: it goes off as soon as what was typed has been checked.
    field.press("Enter")
    expect(page.locator("#e-DEDUPLICATION_DELAY")).not_to_be_empty()


def settings_compared(page: Any) -> None:
    page.goto("/config")
    page.get_by_label("RETENTION_DAYS", exact=True).fill("120")
    page.get_by_label("MAX_CONNECTIONS", exact=True).fill("400")
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").wait_for()


def rows_chosen(page: Any) -> None:
    page.goto("/sensors")
    page.get_by_label("Select all on this page").check()


def selection_edited(page: Any) -> None:
    rows_chosen(page)
    page.get_by_role("button", name="Edit…").click()
    page.get_by_role("button", name="Change…").click()
    page.get_by_role("dialog").get_by_role("alert").get_by_text("Enter what").wait_for()


def clear_all_asked(page: Any) -> None:
    page.goto("/sensors")
    page.get_by_role("button", name="Delete all").click()
    page.get_by_label("to confirm").fill("DELETE")


def certificate_checked(page: Any) -> None:
    page.goto("/certificates")
    form = page.get_by_role("region", name="Upload")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download Service center").click()
    form.get_by_label("Certificate (PEM)").set_input_files(download.value.path())
    form.get_by_role("button", name="Check").click()
    form.get_by_text("fit together").wait_for()


def token_made(page: Any) -> None:
    page.goto("/accounts")
    for each in page.locator("summary").all():
        each.click()
    tokens = page.get_by_role("region", name="API tokens")
    tokens.get_by_label("Name").fill(TOKEN)
    tokens.get_by_role("button", name="Make it").click()
    page.get_by_text("shown only once").wait_for()


def done_and_told(page: Any) -> None:
    page.goto(f"/sensors/{EUI}")
    page.get_by_role("button", name="Attach", exact=True).click()
    page.locator(".toasts .note").wait_for()


def connection_lost(page: Any) -> None:
    page.goto("/stations")
    page.context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.locator(".freshness[data-state=stale]").wait_for()


def menu_opened(page: Any) -> None:
    page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    page.goto("/")
    page.get_by_role("button", name="Menu").click()


def live_filtered(page: Any) -> None:
    page.goto("/live?kind=uplink")
    page.locator("[data-live-rows] > tr").first.wait_for()


def live_refused(page: Any) -> None:
    page.goto("/live?sensor=Water+meter")
    page.locator(".field-error").wait_for()


def route_tried(page: Any) -> None:
    page.goto("/explorer")
    page.get_by_label("Find a route").fill("get /api/alarms")
    page.locator("[data-routes] summary:visible").click()
    page.get_by_role("button", name="Try GET /api/alarms").click()
    page.locator(".answer").wait_for()


class Scene(NamedTuple):
    show: Callable[[Any], None]
    part: str = "html"
    """which of the page is looked at: what is not seen on the plain page"""
    who: str = "admin"
    """whose tab it is shown in"""
    widths: tuple[int, ...] = (WIDE, PHONE)


SCENES: dict[str, Scene] = {
    "/login": Scene(at("/login"), who="nobody"),
    "log-in refused": Scene(log_in_refused, "form", "nobody"),
    "set-up": Scene(sample("setup.html", error="password: is too short"), who="sample"),
    "nothing there": Scene(at("/nothing", 404)),
    "not allowed": Scene(at("/audit"), "main", "viewer"),
    "accounts of a viewer": Scene(at("/accounts"), who="viewer"),
    "form refused": Scene(form_refused, "main form"),
    "import tried": Scene(import_tried, "[data-import-result]"),
    "setting refused": Scene(setting_refused, "[data-setting=DEDUPLICATION_DELAY], [data-savebar]"),
    "settings compared": Scene(settings_compared, "dialog"),
    "rows chosen": Scene(rows_chosen, ".table, [data-selection]"),
    "selection edited": Scene(selection_edited, "dialog"),
    "clear all asked": Scene(clear_all_asked, "dialog"),
    "certificate checked": Scene(certificate_checked, "[data-upload]"),
    "token made": Scene(token_made, "[data-show-token]"),
    "done and told": Scene(done_and_told, ".toasts"),
    "connection lost": Scene(connection_lost),
    "menu opened": Scene(menu_opened, ".sidebar", widths=(PHONE,)),
    "live filtered": Scene(live_filtered, ".filters"),
    "route tried": Scene(route_tried, "[data-routes]"),
    "live refused": Scene(live_refused, ".filters"),
    "many states: dashboard": Scene(
        sample("dashboard.html", needs_restart=["LISTEN_PORT"]), "main", "sample"
    ),
    "many states: stations": Scene(sample("stations.html"), "main", "sample"),
    "many states: sensors": Scene(
        sample("sensors.html", {"rows": slice(9)}, args={"station": STATION}),
        "main",
        "sample",
    ),
    "many states: silent sensors": Scene(
        sample("sensors.html", {"rows": slice(9)}, args={"status": "warning", "tag": "water"}),
        "main",
        "sample",
    ),
    "many states: sensor": Scene(sample("sensor.html"), "main", "sample"),
    "many states: gateway": Scene(sample("gateway.html"), "main", "sample"),
    "many states: controller": Scene(sample("controller.html"), "main", "sample"),
    "many states: template": Scene(sample("template.html"), "main", "sample"),
    "many states: live": Scene(sample("live.html", {"events": slice(-4, None)}), "main", "sample"),
    "many states: logs": Scene(sample("logs.html", {"lines": slice(4)}), "main", "sample"),
    "many states: certificates": Scene(
        sample("certificates.html", errors=["certs/ca.pem: cannot be read"]), "main", "sample"
    ),
}


# The browser


@pytest.fixture(scope="module")
def viewer(chromium: Any, session: Any, things: None, service: RunningService) -> Iterator[Any]:
    """Cookies of somebody who only reads; beside it, a sensor. Both are gone afterwards."""
    context = chromium.new_context(base_url=service.url, storage_state=session)
    own = chromium.new_context(base_url=service.url)
    page = context.new_page()
    page.goto("/")
    headers = {"X-CSRF-Token": page.locator("meta[name=csrf]").get_attribute("content")}
    account = {"name": VIEWER, "password": PASSWORD, "role": "viewer"}
    assert context.request.post("/api/accounts", data=account, headers=headers).ok
    assert context.request.post("/api/sensors", data=SENSOR, headers=headers).ok
    own.request.post("/login", form={"username": VIEWER, "password": PASSWORD}, max_redirects=0)
    yield own.storage_state()
    for gone in (
        f"/api/accounts/{VIEWER}",
        f"/api/sensors/{EUI}",
        f"/api/tokens/{TOKEN}",
    ):
        context.request.delete(gone, headers=headers)
    context.close()
    own.close()


@pytest.fixture(scope="module")
def people(chromium: Any, session: Any, viewer: Any, service: RunningService) -> Iterator[dict[str, Any]]:
    """A context each; without motion, so that no colour is caught on its way to another."""
    axe = pytest.importorskip(
        "axe_playwright_python.base", reason="needs axe: pip install axe-playwright-python"
    )
    states = {"admin": session, "viewer": viewer, "nobody": None}
    contexts = {
        who: chromium.new_context(base_url=service.url, storage_state=state, reduced_motion="reduce")
        for who, state in states.items()
    }
    for each in contexts.values():
        # Scripts of the browser's own, which the page's policy does not concern.
        each.add_init_script(axe.AXE_SCRIPT)
        each.add_init_script(MEASURES)
    yield contexts
    for each in contexts.values():
        each.close()


@pytest.fixture(scope="module")
def kept_tabs(people: dict[str, Any]) -> dict[str, Any]:
    """A tab each, in which one page is opened after another: a new tab would judge all looks anew."""
    tabs = {who: context.new_page() for who, context in people.items()}
    # What does not come from the service gets nothing from it either.
    tabs["sample"] = people["admin"].new_page()
    tabs["sample"].add_init_script(SILENT_STREAM)
    return tabs


@pytest.fixture
def kept_tab(kept_tabs: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Shows something in a tab that is kept, ready to be measured."""
    used = []

    def show_in(show: Callable[[Any], None], who: str) -> Any:
        page = kept_tabs[who]
        used.append(page)
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})
        page.emulate_media(color_scheme="light")
        show(page)
        return page

    yield show_in
    for each in used:
        each.context.set_offline(False)
        each.unroute_all(behavior="wait")
        each.goto("/healthz")


@pytest.fixture
def tab(people: dict[str, Any]) -> Iterator[Callable[..., Any]]:
    """Opens a new tab of the administrator, ready to be measured."""
    opened = []

    def open_tab(show: Callable[[Any], None], width: int = WIDE) -> Any:
        page = people["admin"].new_page()
        opened.append(page)
        page.set_viewport_size({"width": width, "height": HEIGHT})
        show(page)
        return page

    yield open_tab
    for each in opened:
        each.context.set_offline(False)
        each.close()


def axe_faults(page: Any, part: str = "html", widths: tuple[int, ...] = (WIDE, PHONE)) -> list[str]:
    """What axe finds, a line for each element."""
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        # All of it at once: nothing lies under a bar that sticks, as it would halfway down the page.
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": width, "height": height})
        for scheme, standards in (("light", STANDARDS), ("dark", None)):
            page.emulate_media(color_scheme=scheme)
            lines = page.evaluate("(given) => measures.axeFaults(...given)", [part, standards])
            found += [f"{scheme}, {width} px: {line}" for line in lines]
    return found


def focus_faults(page: Any) -> list[str]:
    """Where one does not see which element has the focus (2.4.7, 2.4.11, 1.4.11)."""
    found = []
    for width, scheme in ((WIDE, "light"), (PHONE, "dark")):
        page.set_viewport_size({"width": width, "height": 600})
        page.emulate_media(color_scheme=scheme)
        page.keyboard.press("Tab")
        found += [f"focus, {scheme}, {width} px: {it}" for it in page.evaluate("measures.focusFaults()")]
    return found


def landmark_faults(page: Any) -> list[str]:
    """What a screen reader misses to find its way."""
    lines = [line.strip() for line in page.locator("body").aria_snapshot().splitlines()]
    expected = {
        "a link over the navigation first": lines[0] == '- link "Skip to the content":',
        "one main": sum(line.startswith("- main") for line in lines) == 1,
        "one heading of level 1": sum("[level=1]" in line for line in lines) == 1,
        "the navigation": '- navigation "Pages":' in lines,
        "a footer": any(line.startswith("- contentinfo") for line in lines),
    }
    return [f"not found: {what}" for what, there in expected.items() if not there]


def reflow_faults(page: Any) -> list[str]:
    """What needs scrolling sideways, or is lost: in a narrow window (1.4.10), with wide letters (1.4.12)."""
    found = []
    for width, spaced in ((PHONE, False), (NARROW, False), (NARROW, True), (WIDE, True), (WIDE, False)):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.evaluate(f"measures.spaceText({str(spaced).lower()})")
        where = f"{width} px{', wide letters' if spaced else ''}"
        found += [f"{where}: too wide: {it}" for it in page.evaluate("measures.tooWide()")]
        found += [f"{where}: cut off: {it}" for it in page.evaluate("measures.cutOff()")]
        found += [f"{where}: over its neighbours: {it}" for it in page.evaluate("measures.spilled()")]
    return found


def corner_faults(page: Any) -> list[str]:
    """What covers the round corners of a panel."""
    found = []
    for width, scheme in ((WIDE, "light"), (PHONE, "dark")):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.emulate_media(color_scheme=scheme)
        found += [f"{width} px: corner: {it}" for it in page.evaluate("measures.squareCorners()")]
    return found


# The tests


@pytest.mark.parametrize("path", addresses(EUI))
def test_a_page_is_for_everybody(path: str, kept_tab: Callable[..., Any]) -> None:
    page = kept_tab(at(path), "admin")
    found = landmark_faults(page) + axe_faults(page) + focus_faults(page) + reflow_faults(page)
    found += corner_faults(page)
    assert not found, "\n".join([path, *found])


@pytest.mark.parametrize("name", SCENES)
def test_what_comes_and_goes_is_for_everybody(name: str, kept_tab: Callable[..., Any]) -> None:
    scene = SCENES[name]
    page = kept_tab(scene.show, scene.who)
    found = axe_faults(page, scene.part, scene.widths) + corner_faults(page)
    if scene.who == "sample":
        found += reflow_faults(page)
    assert not found, "\n".join([name, *found])


def test_the_longest_verdict_fits_beside_the_search(tab: Callable[..., Any]) -> None:
    verdict = {"tone": "ok", "text": "All is well, 20 watched", "brief": "20 watched", "sentence": ""}
    page = tab(sample("dashboard.html", verdict=verdict), NARROW)
    expect(page.locator(".verdict")).to_have_text("20 watched", use_inner_text=True)
    assert page.evaluate("measures.tooWide()") == []


def test_bars_that_stick_do_not_hide_the_focus(tab: Callable[..., Any]) -> None:
    for show in (rows_chosen, setting_refused):
        assert focus_faults(tab(show)) == []


def test_tab_reaches_everything_in_its_order(tab: Callable[..., Any]) -> None:
    page = tab(at("/sensors"))
    stops = page.evaluate("measures.stops().map(measures.nameOf)")
    reached = []
    for _ in stops:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("measures.nameOf(document.activeElement)"))
    assert reached == stops


def test_rows_and_dialogs_work_by_keyboard(tab: Callable[..., Any]) -> None:
    page = tab(at("/sensors"))
    page.get_by_label(f"Select {SENSOR['name']}").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-selection]")).to_contain_text("1 selected")
    delete = page.get_by_role("button", name="Delete…")
    delete.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete 1 sensor?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
        outside = "document.activeElement !== document.body && !document.activeElement.closest('dialog')"
        assert not page.evaluate(outside)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()


def test_the_menu_works_by_keyboard(tab: Callable[..., Any]) -> None:
    page = tab(at("/"), width=PHONE)
    menu = page.get_by_role("button", name="Menu")
    navigation = page.get_by_role("navigation", name="Pages", exact=True)
    menu.focus()
    page.keyboard.press("Enter")
    expect(navigation).to_be_visible()
    page.keyboard.press("Tab")
    expect(navigation.get_by_role("link", name="Service center")).to_be_focused()
    page.keyboard.press("Escape")
    expect(navigation).to_be_hidden()
    expect(menu).to_be_focused()


def test_a_table_that_is_shown_as_cards_stays_a_table(tab: Callable[..., Any]) -> None:
    page = tab(at("/sensors"), width=PHONE)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert {"table", "row", "columnheader", "cell"} <= set(roles)


def test_new_events_and_a_lost_connection_are_announced_politely(tab: Callable[..., Any]) -> None:
    def show(page: Any) -> None:
        page.clock.install()
        page.goto("/live")

    page = tab(show)
    page.locator("[data-live-count]", has_text=re.compile("^[1-9]")).wait_for()
    page.clock.fast_forward(11_000)
    expect(page.get_by_role("status").filter(has_text=re.compile(r"^\d+ new, last: \w"))).to_have_count(1)
    connection_lost(page)
    expect(page.get_by_role("status").filter(has_text="No connection")).to_be_visible()


def test_nothing_moves_for_those_who_ask_for_that(tab: Callable[..., Any]) -> None:
    busy = "document.querySelector('[data-live-pause]').ariaBusy = 'true', document.getAnimations().length"
    page = tab(at("/live"))
    assert page.evaluate(busy) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(busy) > 0


def test_what_is_chosen_stands_out_in_forced_colours(tab: Callable[..., Any]) -> None:
    page = tab(at("/sensors"))
    page.emulate_media(forced_colors="active")
    for chosen, other in (
        (".tabs [aria-current]", ".tabs a:not([aria-current])"),
        (".sidebar [aria-current]", ".sidebar li a:not([aria-current])"),
        (".theme [aria-pressed=true]", ".theme [aria-pressed=false]"),
    ):
        colours = [
            page.locator(each).first.evaluate("(it) => getComputedStyle(it).backgroundColor")
            for each in (chosen, other)
        ]
        assert colours[0] != colours[1], chosen


def test_lines_and_marks_stand_out(tab: Callable[..., Any]) -> None:
    """What is no text (1.4.11): edges of fields, curves, marks of states, the outline of the focus."""
    page = tab(at("/"))
    marks = [
        "line-strong",
        "accent",
        "ok",
        "warn",
        "bad",
        "off",
        *(f"series-{number}" for number in range(6)),
    ]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        measured = page.evaluate("(them) => measures.tokens(...them)", [marks, ["page", "surface"]])
        measured += page.evaluate("measures.tokens(['accent'], ['sunken', 'raised', 'accent-soft'])")
        assert [f"{scheme}: {what}: {ratio:.2f}:1" for what, ratio in measured if ratio < 3] == []
