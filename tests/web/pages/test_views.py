"""Every page from a real service center in memory: for each role, with what happened in it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from bssci.center.alarms.conditions import Condition
from bssci.web.access.accounts import ROLES, may
from bssci.web.pages.table import PAGES, Page
from tests.support.center import Line
from tests.support.controllers import MAC
from tests.support.telegrams import telegram
from tests.support.web import SENSOR, WebHouse
from tests.web.html import Document, faults
from tests.web.pages.page_events import heard

PIN = f"f2:{MAC}/J1/3"


def test_every_page_answers_each_role_as_it_may(web: WebHouse) -> None:
    heard_there = [telegram(device=PIN, gateway=f"f2-{MAC}")]
    web.center.devices.heard(heard_there)
    web.center.gateways.heard(heard_there)
    assert web.browser("admin").post("/api/provisioned", {"id": "roof"}).status == 200
    for role in ROLES:
        browser = web.browser(role)
        for page in PAGES:
            if page.path.startswith("/stations/<eui>"):
                continue
            answer = browser.get(path_of(page))
            assert answer.status == (200 if may(role, page.role) else 403), (page.path, role)
            assert faults(Document(answer.text)) == [], (page.path, role)


def path_of(page: Page) -> str:
    path = page.path.replace("<eui>", SENSOR).replace("<name>", "water-meter")
    path = path.replace("<gateway>", f"controller:f2-{MAC}").replace("<address>", MAC)
    return path.replace("<id>", PIN).replace("<template>", "garden-probe").replace("<device>", "roof")


def test_without_a_session_a_page_leads_to_the_log_in(web: WebHouse) -> None:
    for page in PAGES:
        answer = web.browser().get(path_of(page))
        assert answer.status == 303, page
        assert answer.headers["location"].startswith("/login?next="), page


@pytest.mark.parametrize("path", ["/sensors/70B3D5677011FFFF", "/stations/CAFEBA5E0000FFFF", "/nothing"])
def test_what_is_not_there_is_a_page_too(web: WebHouse, path: str) -> None:
    answer = web.browser("viewer").get(path)
    assert answer.status == 404
    assert "Not found" in Document(answer.text).one("h1").text


@pytest.mark.parametrize(("known", "leads"), [(True, f"/sensors/{SENSOR}"), (False, "/sensors/unknown")])
def test_an_uplink_leads_to_its_sensor_or_to_where_it_is_added(
    web: WebHouse, known: bool, leads: str
) -> None:
    seq = web.happen(msgspec.structs.replace(heard(5), known=known))
    page = Document(web.browser("viewer").get("/live").text)
    links = [each for each in page.all("a") if (row := each.within("tr")) and row["data-key"] == str(seq)]
    assert links[0]["href"] == leads


@pytest.mark.parametrize(
    ("path", "regions"),
    [
        ("/", {"restart", "guide"}),
        (f"/sensors/{SENSOR}", {"restart", "warning"}),
        ("/stations", {"restart", "refused"}),
    ],
)
def test_what_may_appear_later_has_its_region_from_the_start(
    web: WebHouse, path: str, regions: set[str]
) -> None:
    page = Document(web.browser("viewer").get(path).text)
    assert regions <= {each["data-region"] for each in page.all("div")}


def test_a_name_that_is_markup_stays_text(web: WebHouse) -> None:
    browser = web.browser("operator")
    entry = {"eui": SENSOR, "name": "<script>alert(1)</script>", "tags": ["<b>"]}
    assert browser.post("/api/sensors", entry).status == 200
    for path in ("/sensors", f"/sensors/{SENSOR}", f"/sensors/{SENSOR}/edit"):
        text = browser.get(path).text
        assert "&lt;script&gt;alert" in text
        assert "<script>alert" not in text


def test_keys_and_passwords_are_in_no_page(make_web_house: Callable[..., WebHouse]) -> None:
    house = make_web_house(**{"mqtt-username": "u", "mqtt-password": "top-secret-password"})
    browser = house.browser("admin")
    for page in PAGES:
        if page.view != "station":
            text = browser.get(path_of(page)).text
            assert "top-secret-password" not in text, page.path
            assert "000102030405060708090A0B0C0D0E0F" not in text.upper(), page.path


def test_the_chosen_colours_come_with_the_page(web: WebHouse) -> None:
    browser = web.browser("viewer")
    browser.cookies["theme"] = "dark"
    for path in ("/", "/nothing"):
        assert Document(browser.get(path).text).one("html")["data-theme"] == "dark"


def test_every_page_says_how_the_service_is(web: WebHouse) -> None:
    browser = web.browser("admin")
    bad = Condition("station-refused:x", "warning", "X is refused", "/stations")
    web.center.alarms.evaluate({"station-refused"}, [bad])
    for path in ("/", "/sensors", "/certificates", "/audit"):
        page = Document(browser.get(path).text)
        [verdict] = [each for each in page.all("a") if each["class"] == "state warning" and each["title"]]
        assert (verdict.text, verdict["title"]) == ("1 warning1", "The service runs, but x is refused."), path


def test_an_alarm_that_is_watched_is_in_the_corner_of_wide_and_narrow_screens(web: WebHouse) -> None:
    bad = Condition("station-refused:x", "warning", "X is refused", "/stations")
    web.center.alarms.evaluate({"station-refused"}, [bad])
    web.center.alarms.evaluate({"station-refused"}, [])
    page = Document(web.browser("admin").get("/sensors").text)
    texts = [each.text for each in page.all("span") if each["class"] in ("in-full", "in-short")]
    assert texts == ["All is well, 1 watched", "1 watched"]


def test_the_page_of_a_sensor_that_was_detached_automatically_says_why_and_what_to_do(
    make_web_house: Callable[..., WebHouse],
) -> None:
    options = {"auto-detach-timeout": "100", "auto-detach-warning-timeout": "50"}
    web = make_web_house(**options, **{"auto-detach-check-interval": "10"})
    Line(web).connect()
    web.center.silence.attached([SENSOR], web.now())
    for _ in range(16):
        web.advance(10)
    text = Document(web.browser("operator").get(f"/sensors/{SENSOR}").text).one("main").text
    assert (
        "Detached automatically" in text
        and "AUTO_DETACH_TIMEOUT" in text
        and "attached again automatically" in text
    )
