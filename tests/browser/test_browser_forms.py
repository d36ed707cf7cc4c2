"""Forms where something comes between: another tab, the end of a session, the entry of another, no script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.chromium import expect
from tests.browser.conftest import DEVICE
from tests.support.running_service import SENSOR, RunningService

KEY = "0F" * 16


@pytest.fixture
def own_page(chromium: Any, session: Any, service: RunningService) -> Iterator[Any]:
    """A tab whose browser may complain, and whose cookies a test may take away."""
    context = chromium.new_context(base_url=service.url, storage_state=session)
    yield context.new_page()
    context.close()


def remove(page: Any, eui: str) -> None:
    token = page.locator("meta[name=csrf]").get_attribute("content")
    assert page.request.delete(f"/api/sensors/{eui}", headers={"X-CSRF-Token": token}).ok


def test_what_is_entered_outlives_the_session_and_is_sent_after_a_log_in_elsewhere(
    own_page: Any, service: RunningService
) -> None:
    eui = "70B3D59CDFFFFFE1"
    own_page.goto("/sensors/new")
    own_page.get_by_label("EUI", exact=True).fill(f"  {eui}  ")
    own_page.get_by_label("Network key").fill(f"  {KEY}  ")
    own_page.get_by_label("Short address").fill("  0E0E  ")
    own_page.context.clear_cookies()
    own_page.get_by_role("button", name="Add and attach").click()
    expect(own_page.locator(".outcome")).to_contain_text(
        "Your session has ended. What you have entered stays here."
    )
    with own_page.expect_popup() as opened:
        own_page.get_by_role("link", name="Log in in another tab").click()
    other = opened.value
    other.get_by_label("User name").fill(service.user)
    other.get_by_label("Password").fill(service.password)
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url("**/")
    own_page.get_by_role("button", name="Add and attach").click()
    own_page.wait_for_url(f"**/sensors/{eui}")
    remove(own_page, eui)


def test_where_somebody_else_has_logged_in_since_a_form_says_so(own_page: Any, known_sensor: str) -> None:
    own_page.goto(f"/sensors/{known_sensor}/edit")
    own_page.locator("meta[name=csrf]").evaluate("it => { it.content = 'of another session'; }")
    own_page.route("**/api/me", lambda route: route.fulfill(json={"name": "olga", "csrf": "hers"}))
    own_page.get_by_label("Name", exact=True).fill("Never stored")
    own_page.get_by_role("button", name="Save").click()
    expect(own_page.locator(".outcome")).to_contain_text("Somebody else has logged in in this browser since.")


def test_what_another_tab_changed_meanwhile_stays(page: Any, known_sensor: str) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"/sensors/{known_sensor}/edit")
    page.get_by_label("Name", exact=True).fill("Named meanwhile")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/sensors/{known_sensor}")
    other.get_by_label("Place", exact=True).fill("Hall 3")
    other.get_by_role("button", name="Save").click()
    other.wait_for_url(f"**/sensors/{known_sensor}")
    expect(other.locator("h1")).to_have_text("Named meanwhile")
    expect(other.locator("[data-region=configuration]")).to_contain_text("Hall 3")


def test_a_form_that_adds_leaves_what_is_there_as_it_is(own_page: Any, session: Any) -> None:
    eui = str(SENSOR["eui"])
    own_page.goto("/sensors/new")
    if own_page.request.get(f"/sensors/{eui}").status == 404:
        token = own_page.locator("meta[name=csrf]").get_attribute("content")
        assert own_page.request.post("/api/sensors", data=SENSOR, headers={"X-CSRF-Token": token}).ok
    own_page.get_by_label("EUI", exact=True).fill(eui)
    own_page.get_by_label("Network key").fill(KEY)
    own_page.get_by_label("Short address").fill("0E0E")
    own_page.get_by_role("button", name="Add and attach").click()
    expect(own_page.locator(".field-error")).to_contain_text(f"{eui} is there already")
    answer = own_page.request.get(f"/api/sensors/{eui}").json()
    assert answer["configuration"]["shortAddr"] == SENSOR["shortAddr"]


def test_without_scripts_a_form_stays_and_puts_no_key_into_the_address(
    chromium: Any, session: Any, service: RunningService
) -> None:
    context = chromium.new_context(base_url=service.url, storage_state=session, java_script_enabled=False)
    tab = context.new_page()
    tab.goto("/sensors/new")
    tab.get_by_label("Network key").fill(KEY)
    tab.get_by_role("button", name="Add and attach").click()
    tab.wait_for_timeout(200)
    assert tab.url == f"{service.url}/sensors/new"
    expect(tab.get_by_label("Network key")).to_have_value(KEY)
    context.close()


def test_who_presses_a_button_that_goes_away_goes_on_from_its_row(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}")
    page.evaluate("""() => {
        const region = document.querySelector("[data-region=paths]");
        region.innerHTML = `<div class="table" tabindex="0"><table><tbody><tr data-key="gone">
            <td><a href="/">here</a><button>press</button></td></tr></tbody></table></div>`;
        region.querySelector("button").focus();
    }""")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("button", name="press")).to_have_count(0)
    assert page.evaluate("document.activeElement.matches('.table, main')")


def test_what_is_shown_after_a_change_was_asked_for_after_it(page: Any, known_sensor: str) -> None:
    """A page that was on its way already shows what was before the change."""
    page.goto(f"/sensors/{known_sensor}")
    asked: list[str] = []
    held: list[Any] = []

    def hold(route: Any) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            held.append(route)
        else:
            route.continue_()

    page.route(f"**/sensors/{known_sensor}", hold)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(200)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(asked) == 1
    with page.expect_request(f"**/sensors/{known_sensor}"):
        held[0].continue_()


def test_a_search_is_one_step_back(page: Any) -> None:
    page.goto("/sensors")
    search = page.locator("main [type=search]")
    for text in ("no", "no such", "no such sensor"):
        search.fill(text)
        page.wait_for_url(f"**/sensors?q={text.replace(' ', '+')}")
    page.go_back()
    page.wait_for_url("**/sensors")
    expect(page.locator("main [type=search]")).to_have_value("")


def test_who_would_replace_what_another_has_just_entered_is_told_of_it_first(
    page: Any, known_sensor: str
) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"/sensors/{known_sensor}/edit")
    page.get_by_label("Name", exact=True).fill("Named first")
    page.get_by_label("Place", exact=True).fill("Hall 5")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(f"**/sensors/{known_sensor}")
    other.get_by_label("Name", exact=True).fill("Named second")
    other.get_by_label("Latitude").fill("1.5")
    other.get_by_label("Longitude").fill("-2.5")
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".field-error")).to_have_text(
        "Somebody changed this meanwhile to: Named first. Press the button again to replace it."
    )
    expect(other.get_by_label("Name", exact=True)).to_have_value("Named second")
    assert other.request.get(f"/api/sensors/{known_sensor}").json()["name"] == "Named first"
    other.get_by_role("button", name="Save").click()
    other.wait_for_url(f"**/sensors/{known_sensor}")
    expect(other.locator("h1")).to_have_text("Named second")
    expect(other.locator("[data-region=configuration]")).to_contain_text("Hall 5 (1.5, -2.5)")


def test_a_setting_that_another_has_changed_is_marked_before_it_is_replaced(own_page: Any) -> None:
    own_page.goto("/config")
    token = own_page.locator("meta[name=csrf]").get_attribute("content")

    def save(value: str) -> None:
        headers = {"X-CSRF-Token": token}
        answer = own_page.request.post("/api/config", data={"TIMEZONE": value}, headers=headers)
        assert answer.ok, answer.text()

    own_page.locator("[name=TIMEZONE]").fill("Europe/Paris")
    save("Europe/Berlin")
    own_page.get_by_role("button", name="Save").click()
    shown = own_page.locator("dialog")
    expect(shown).to_contain_text("Europe/Berlin → Europe/Paris")
    expect(shown).to_contain_text("changed by somebody else since you opened this page")
    shown.get_by_role("button", name="Cancel").click()
    save("UTC")


def test_a_latitude_alone_is_refused_at_the_field_that_is_missing(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}/edit")
    page.get_by_label("Latitude").fill("48.1")
    page.get_by_label("Longitude").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field-error")).to_have_text(
        "Longitude is missing: enter it too, or clear Latitude."
    )
    expect(page.get_by_label("Longitude")).to_be_focused()


def test_a_search_over_a_slow_line_is_shown_while_it_runs(page: Any, known_sensor: str) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.goto("/sensors")
    page.route("**/sensors?q=*", hold)
    page.get_by_label("Filter by name, EUI or tag").fill("nothing has this name")
    expect(page.locator(".freshness")).to_have_text("Loading…")
    expect(page.locator("body")).to_have_class("is-loading")
    for each in held:
        each.continue_()
    expect(page.locator("main")).to_contain_text("No sensor matches")
    expect(page.locator(".freshness")).to_have_text("Live")
    expect(page.locator("body")).not_to_have_class("is-loading")
    page.unroute("**/sensors?q=*")
    page.get_by_label("Filter by name, EUI or tag").fill(known_sensor)
    expect(page.get_by_role("link", name="Export these 1")).to_be_visible()


@pytest.mark.usefixtures("things")
def test_who_saves_twice_in_a_row_is_not_taken_for_somebody_else(page: Any) -> None:
    page.goto(f"/devices/{DEVICE}")
    for name in ("First", "Second"):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Tags").fill(f"a,{name}")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("h1")).to_have_text(name)
        expect(page.get_by_label("Tags")).to_have_value(f"a, {name}")
    expect(page.locator(".field-error")).to_have_count(0)


def test_the_second_click_of_a_double_click_and_a_held_key_send_nothing_more(
    page: Any, known_sensor: str
) -> None:
    page.goto(f"/sensors/{known_sensor}")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    section = page.get_by_role("region", name="Downlinks")
    payload, button = section.get_by_label("Payload"), section.get_by_role("button", name="Queue it")
    if not payload.is_visible():
        section.locator("summary").click()
    payload.fill("01 02")
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    # The answer comes between the clicks, so that the form is empty at the second.
    for number in (1, 2):
        page.mouse.down(click_count=number)
        page.mouse.up(click_count=number)
        expect(page.locator(".toasts")).to_contain_text("Queued")
    payload.fill("03")
    payload.focus()
    for _ in range(2):
        page.keyboard.down("Enter")
        expect(payload).to_have_value("")
    page.keyboard.up("Enter")
    page.wait_for_timeout(100)
    assert [json.loads(each)["data"] for each in sent] == ["0102", "03"]


def test_a_comma_in_a_number_is_refused_and_not_left_out(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}/edit")
    for label, typed in (("Latitude", "8,5"), ("Longitude", "185")):
        page.get_by_label(label).fill("")
        page.get_by_label(label).press_sequentially(typed)
    page.get_by_role("button", name="Save").click()
    errors = page.locator(".field-error")
    expect(errors.first).to_have_text("Latitude must be a number, with a point instead of the comma: 8.5.")
    expect(page.get_by_label("Latitude")).to_have_value("8,5")
    page.get_by_label("Latitude").fill("8.5")
    page.get_by_role("button", name="Save").click()
    expect(errors).to_have_text("Longitude must be from -180 to 180.")


def test_the_service_s_error_calls_a_field_by_its_label(page: Any, known_sensor: str) -> None:
    page.goto(f"/sensors/{known_sensor}")
    section = page.get_by_role("region", name="Downlinks")
    if not section.get_by_label("Payload").is_visible():
        section.locator("summary").click()
    section.get_by_label("Payload").fill("00" * 201)
    section.get_by_role("button", name="Queue it").click()
    expect(section.locator(".field-error")).to_have_text("Payload must have at most 200 bytes")


def test_whoever_edits_or_watches_what_another_deletes_is_told_so(own_page: Any) -> None:
    eui = "70B3D59CDFFFFFE4"
    own_page.goto("/")
    token = own_page.locator("meta[name=csrf]").get_attribute("content")
    entry = {"eui": eui, "nwKey": KEY, "shortAddr": "0E0E", "bidi": True}
    assert own_page.request.post("/api/sensors", data=entry, headers={"X-CSRF-Token": token}).ok
    watching = own_page.context.new_page()
    watching.goto(f"/sensors/{eui}")
    own_page.goto(f"/sensors/{eui}/edit")
    own_page.get_by_label("Name", exact=True).fill("Renamed too late")
    remove(own_page, eui)
    own_page.get_by_role("button", name="Save").click()
    expect(own_page.locator(".outcome")).to_contain_text("This has been deleted or forgotten meanwhile.")
    expect(own_page.get_by_label("Name", exact=True)).to_have_value("Renamed too late")
    watching.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(watching.locator(".freshness")).to_have_text(
        "This is not there any more: it may have been deleted or forgotten"
    )


def test_a_refused_log_in_keeps_the_name_and_a_later_one_leads_to_the_anchor(
    chromium: Any, service: RunningService
) -> None:
    context = chromium.new_context(base_url=service.url)
    tab = context.new_page()
    tab.goto("/config#TIMEZONE")
    tab.get_by_label("User name").fill(service.user)
    tab.get_by_label("Password").fill("mistyped")
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("alert")).to_be_visible()
    expect(tab.get_by_label("User name")).to_have_value(service.user)
    expect(tab.get_by_label("Password")).to_be_focused()
    tab.get_by_label("Password").fill(service.password)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/config#TIMEZONE")
    context.close()


@pytest.mark.parametrize(
    ("path", "field", "button"),
    [
        ("/sensors/new", "EUI", "Add and attach"),
        ("/stations/new", "EUI", "Register"),
        ("/decoders/new", "Name", "Save"),
        ("/controllers/templates/new", "Name", "Save"),
    ],
)
def test_whoever_leaves_a_long_form_that_is_not_stored_is_asked(
    page: Any, path: str, field: str, button: str
) -> None:
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss() if len(asked) == 1 else dialog.accept()

    page.on("dialog", answer)
    page.goto(path)
    away = page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name="Live")
    form = page.locator("form", has=page.get_by_role("button", name=button, exact=True))
    form.get_by_label(field, exact=True).press_sequentially("half")
    away.click()
    assert asked == ["beforeunload"]
    expect(form.get_by_label(field, exact=True)).to_have_value("half")
    form.get_by_label(field, exact=True).fill("")
    away.click()
    page.wait_for_url("**/live")
    assert len(asked) == 1


def test_a_page_that_is_open_shows_the_new_role(
    chromium: Any, own_page: Any, service: RunningService
) -> None:
    own_page.goto("/")
    headers = {"X-CSRF-Token": own_page.locator("meta[name=csrf]").get_attribute("content")}
    account = {"name": "oskar", "password": "a password of oskar", "role": "operator"}
    assert own_page.request.post("/api/accounts", data=account, headers=headers).ok
    context = chromium.new_context(base_url=service.url)
    login = {"username": "oskar", "password": "a password of oskar"}
    context.request.post("/login", form=login, max_redirects=0)
    tab = context.new_page()
    tab.goto("/sensors")
    expect(tab.locator(".who")).to_contain_text("operator")
    assert own_page.request.post("/api/accounts/oskar", data={"role": "viewer"}, headers=headers).ok
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tab.locator(".who")).to_contain_text("viewer")
    context.close()
    own_page.request.delete("/api/accounts/oskar", headers=headers)


SLOW_ANSWER = """() => {
    window.fetch = async (_, { signal }) => new Response(new ReadableStream({
        start(line) {
            window.say = (text) => line.enqueue(new TextEncoder().encode(text));
            window.end = () => line.close();
            signal.addEventListener("abort", () => line.error(signal.reason));
        },
    }));
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_page_that_comes_slowly_is_waited_for_and_a_silent_line_is_not(page: Any) -> None:
    page.clock.install()
    page.goto("/sensors")
    page.evaluate(SLOW_ANSWER)
    for part in ("<!DOCTYPE html><title>x</title>", "<h1 data-region=heading>Slow, ", "but there</h1>"):
        page.clock.fast_forward(9000)
        page.evaluate("(part) => say(part)", part)
        # The part is read before the clock goes on.
        page.wait_for_timeout(50)
    page.evaluate("end()")
    expect(page.locator("h1")).to_have_text("Slow, but there")
    expect(page.locator(".freshness")).to_have_text("Live")
    page.evaluate(SLOW_ANSWER)
    page.clock.fast_forward(11_000)
    expect(page.locator(".freshness")).to_contain_text("No connection since")


def test_an_error_goes_as_soon_as_its_field_is_corrected_and_a_row_as_soon_as_it_is_known_to_be_gone(
    own_page: Any,
) -> None:
    own_page.goto("/")
    headers = {"X-CSRF-Token": own_page.locator("meta[name=csrf]").get_attribute("content")}
    made = own_page.request.post("/api/tokens", data={"name": "brief", "role": "viewer"}, headers=headers)
    assert made.ok
    own_page.goto("/accounts")
    users = own_page.get_by_role("region", name="Users")
    users.locator("summary").click()
    users.get_by_label("Name").fill("<b>")
    users.get_by_label("Password").fill("long enough it is")
    users.get_by_role("button", name="Add", exact=True).click()
    expect(users.locator(".field-error")).to_contain_text("must be 1 to 64 letters")
    users.get_by_label("Name").fill("b")
    expect(users.locator(".field-error")).to_have_count(0)
    expect(users.get_by_label("Name")).not_to_have_attribute("aria-invalid", "true")
    assert own_page.request.delete("/api/tokens/brief", headers=headers).ok
    own_page.get_by_role("button", name="Revoke brief").click()
    own_page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(own_page.locator(".toasts")).to_contain_text("there is no such token")
    expect(own_page.get_by_role("button", name="Revoke brief")).to_have_count(0)


def test_an_admin_sets_the_password_of_another_user(
    chromium: Any, own_page: Any, service: RunningService
) -> None:
    own_page.goto("/accounts")
    headers = {"X-CSRF-Token": own_page.locator("meta[name=csrf]").get_attribute("content")}
    account = {"name": "petra", "password": "a password of petra", "role": "viewer"}
    assert own_page.request.post("/api/accounts", data=account, headers=headers).ok
    own_page.reload()
    own_page.locator("summary", has_text="Set the password of another user").click()
    users = own_page.get_by_role("region", name="Users")
    users.get_by_label("User", exact=True).select_option("petra")
    users.get_by_label("New password").fill("another one of petra")
    users.get_by_role("button", name="Set it").click()
    expect(own_page.locator(".toasts")).to_contain_text("Password set")
    context = chromium.new_context(base_url=service.url)
    for password, status in (("a password of petra", 401), ("another one of petra", 200)):
        answer = context.request.post("/api/login", data={"username": "petra", "password": password})
        assert answer.status == status
    context.close()
    own_page.request.delete("/api/accounts/petra", headers=headers)


@pytest.mark.usefixtures("things")
def test_a_decoder_or_template_that_another_has_stored_meanwhile_is_not_replaced_unawares(
    own_page: Any,
) -> None:
    stored = "/api/decoders/garden-probe"
    text = own_page.request.get(stored).json()["text"]
    for path, change in (
        ("/decoders/garden-probe", lambda page: page.get_by_label("Text", exact=True).fill(f"{text}\n")),
        ("/controllers/templates/garden-probe", lambda page: page.get_by_label("Model").fill("Mine")),
    ):
        own_page.goto(path)
        headers = {"X-CSRF-Token": own_page.locator("meta[name=csrf]").get_attribute("content")}
        change(own_page)
        others = text.replace('"model": "', f'"model": "Another, beside {path}: ', 1)
        assert others != text
        answer = own_page.request.put(stored, data={"source": others, "kind": "json"}, headers=headers)
        assert answer.ok, answer.text()
        form = own_page.locator("form", has=own_page.get_by_role("button", name="Save", exact=True))
        form.get_by_role("button", name="Save", exact=True).click()
        expect(form.locator(".outcome")).to_contain_text("Somebody has changed this since you opened it.")
        assert own_page.request.get(stored).json()["text"] == others
        form.get_by_role("button", name="Save", exact=True).click()
        expect(own_page.locator(".toasts")).to_contain_text("Saved as version")
        assert own_page.request.get(stored).json()["text"] != others
        own_page.request.put(stored, data={"source": text, "kind": "json"}, headers=headers)


def test_buttons_look_inert_until_the_scripts_that_make_them_work_are_there(page: Any) -> None:
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/static/certificates.js", hold)
    page.goto("/certificates", wait_until="commit")
    check = page.get_by_role("region", name="Upload").get_by_role("button", name="Check")
    expect(check).to_have_css("opacity", "0.5")
    held[0].continue_()
    expect(check).to_have_css("opacity", "1")


def test_copying_works_without_tls(page: Any, known_sensor: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    # As for a page that comes from another machine without TLS.
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"/sensors/{known_sensor}")
    button = page.get_by_role("region", name="Configuration").get_by_role("button", name="Copy")
    button.click()
    expect(page.locator(".toasts")).to_contain_text("Copied.")
    expect(button).to_be_focused()
    search = page.get_by_label("Find a sensor by name or EUI")
    search.focus()
    page.keyboard.press("Control+v")
    expect(search).to_have_value(known_sensor)


def test_the_same_error_is_shown_once_however_often_it_comes(own_page: Any, known_sensor: str) -> None:
    own_page.goto(f"/sensors/{known_sensor}")
    own_page.route("**/attach", lambda route: route.abort())
    attach = own_page.get_by_role("button", name="Attach", exact=True)
    for _ in range(3):
        attach.click()
        expect(attach).not_to_have_attribute("aria-busy", "true")
    expect(own_page.locator(".toasts .note")).to_have_count(1)
    expect(own_page.locator(".toasts .note")).to_contain_text("The service cannot be reached.")


def test_a_log_in_is_sent_once_however_often_enter_is_pressed(chromium: Any, service: RunningService) -> None:
    context = chromium.new_context(base_url=service.url)
    tab = context.new_page()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    tab.goto("/login")
    tab.locator("html[data-ready]").wait_for()
    tab.route("**/login", hold)
    tab.get_by_label("User name").fill(service.user)
    tab.get_by_label("Password").fill(service.password)
    for _ in range(3):
        tab.keyboard.press("Enter")
    tab.wait_for_timeout(100)
    assert len(held) == 1
    held[0].continue_()
    tab.wait_for_url("**/")
    context.close()
