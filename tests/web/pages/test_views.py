"""Every page from a real service center in memory: for each role, with what happened in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest

from bssci.center.alarms.conditions import Condition
from bssci.center.silence.silence import Standing
from bssci.journal import Registration
from bssci.model import EUI, DownlinkStatus, Reception, SensorStatus, StationState, StationStatus, Uplink
from bssci.web.access.accounts import ROLES, Role, may
from bssci.web.pages.service import device
from bssci.web.pages.table import PAGES, Page
from tests.support.html import Document, faults
from tests.support.web import EPOCH, SENSOR, WebHouse
from tests.support.work import calls

STATION = "CAFEBA5E00000001"


def heard(counter: int, *, at: float = EPOCH + 900.0) -> Uplink:
    reception = Reception(
        end_point_eui=SENSOR,
        packet_counter=counter,
        payload=b"\x01\x02",
        base_station_eui=STATION,
        rx_time=int(at * 1e9),
        snr=7.25,
        rssi=-101.0,
        received_at=at,
    )
    return Uplink(at=at, id=f"id{counter}", known=True, receptions=[reception], duplicates=0)


def test_every_page_answers_each_role_as_it_may(web: WebHouse) -> None:
    for role in ROLES:
        browser = web.browser(role)
        for page in PAGES:
            if page.path.startswith("/stations/<eui>"):
                continue
            answer = browser.get(path_of(page))
            assert answer.status == (200 if may(role, page.role) else 403), (page.path, role)
            assert faults(Document(answer.text)) == [], (page.path, role)


def path_of(page: Page) -> str:
    return page.path.replace("<eui>", SENSOR).replace("<name>", "water-meter")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_without_a_session_a_page_leads_to_the_log_in(web: WebHouse, page: Page) -> None:
    answer = web.browser().get(path_of(page))
    assert answer.status == 303
    assert answer.headers["location"].startswith("/login?next=")


@pytest.mark.parametrize("path", ["/sensors/70B3D5677011FFFF", "/stations/CAFEBA5E0000FFFF", "/nothing"])
def test_what_is_not_there_is_a_page_too(web: WebHouse, path: str) -> None:
    answer = web.browser("viewer").get(path)
    assert answer.status == 404
    assert "Nothing here" in Document(answer.text).one("h1").text


def test_a_sensors_page_shows_what_happened(web: WebHouse) -> None:
    web.happen(
        SensorStatus(at=EPOCH, action="attached", end_point_eui=SENSOR, base_station_eui=STATION),
        heard(5),
        heard(9, at=EPOCH + 950.0),
        DownlinkStatus(at=EPOCH + 960.0, end_point_eui=SENSOR, queue_id=3, status="sent"),
    )
    text = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text
    assert "01 02" in text
    assert "3 lost before" in text
    assert "3 lost lately" in text
    assert "Downlink 3 sent" in text
    assert "Attached" in text


def test_what_came_late_is_not_lost(web: WebHouse) -> None:
    def text() -> str:
        return Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text

    web.happen(heard(5, at=EPOCH + 900.0), heard(9, at=EPOCH + 940.0))
    assert "3 lost before" in text() and "3 lost lately" in text()
    web.happen(heard(7, at=EPOCH + 960.0))
    assert text().count("1 lost before") == 2 and "2 lost lately" in text()
    web.happen(heard(8, at=EPOCH + 961.0), heard(6, at=EPOCH + 962.0))
    assert "lost before" not in text() and "none lost lately" in text()


def cell(web: WebHouse, label: str) -> str:
    """Of the first sensor of the list."""
    cells = Document(web.browser("viewer").get("/sensors").text).all("td")
    return plain(next(each.text for each in cells if each["data-label"] == label))


def plain(text: str) -> str:
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("held", "connected", "listed", "shown", "state"),
    [
        (
            "ABCD",
            "CD",
            "2 of 2and 2 offline",
            "2 of 2 connectedand at 2 offline",
            "attached",
        ),
        ("ABC", "CD", "1 of 2and 2 offline", "1 of 2 connectedand at 2 offline", "partly attached"),
        ("AB", "C", "0 of 1and 2 offline", "0 of 1 connectedand at 2 offline", "partly attached"),
        ("A", "", "0 of 0and 1 offline", "0 of 0 connectedand at 1 offline", "attached"),
        ("C", "C", "1 of 1", "1 of 1 connectedas configured", "attached"),
        ("", "C", "0 of 1", "0 of 1 connectedas configured", "waits for a station"),
    ],
)
def test_where_a_sensor_is_attached_is_said_plainly(
    web: WebHouse,
    monkeypatch: pytest.MonkeyPatch,
    held: str,
    connected: str,
    listed: str,
    shown: str,
    state: str,
) -> None:
    def station(letter: str) -> EUI:
        return EUI(f"CAFEBA5E0000000{letter}")

    for letter in [*held, "F"]:
        done = "detached" if letter == "F" else "attached"
        told = Registration(end_point_eui=EUI(SENSOR), fingerprint=b"", state=done, at=EPOCH)
        web.journal.sessions.store_registrations(station(letter), [told])
    web.settle()
    there = list(map(station, connected))
    monkeypatch.setattr(web.center.stations, "connected", lambda: there)
    monkeypatch.setattr(web.center, "is_connected", there.__contains__)
    assert (cell(web, "Stations"), cell(web, "State")) == (listed, state)
    page = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text
    assert shown in page and state in page


@pytest.mark.parametrize(
    ("left", "listed", "warned", "fate"),
    [
        (
            113_400.0,
            "detach in 1 d 7 h",
            "It is detached in 1 d 7 h unless",
            "warned, then detached in 1 d 7 h",
        ),
        (20.0, "detach in 20 s", "It is detached in 20 s unless", "warned, then detached in 20 s"),
        (0.0, "detach is due", "It is detached at the next look unless", "detached at the next look"),
        (None, "", "Last heard", "warned, then detached; not before it was heard once"),
    ],
)
def test_the_time_until_a_sensor_is_detached_fits(
    web: WebHouse,
    monkeypatch: pytest.MonkeyPatch,
    left: float | None,
    listed: str,
    warned: str,
    fate: str,
) -> None:
    web.center._published([heard(1)], web.happen(heard(1)))
    monkeypatch.setattr(web.center.silence, "state", lambda eui: "warning")
    monkeypatch.setattr(web.center.silence, "standing", lambda eui: Standing("warning", 100.0, left))
    assert cell(web, "State").endswith(f"silent{listed}")
    page = plain(Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text)
    assert warned in page
    assert f"When silent{fate}" in page


def test_a_sensor_that_is_detached_is_not_about_to_be(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    web.browser("operator").post(f"/api/sensors/{SENSOR}/detach")
    monkeypatch.setattr(web.center.silence, "state", lambda eui: "auto-detach pending")
    monkeypatch.setattr(web.center.silence, "standing", lambda eui: Standing("warning", 100.0, 0.0))
    assert cell(web, "State") == "detachedsilent"
    text = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text
    assert "It is detached" not in text


def test_what_becomes_of_a_silent_sensor_is_told_in_each_case(web: WebHouse) -> None:
    admin = web.browser("admin")

    def fate() -> str:
        parts = Document(admin.get(f"/sensors/{SENSOR}").text).all("dt", "dd")
        return next(value.text for name, value in pairwise(parts) if name.text == "When silent")

    assert fate() == "warned, then detached; not before it was heard once"
    admin.post("/api/config", {"AUTO_DETACH_ENABLED": False})
    assert fate() == "stays attached, as AUTO_DETACH_ENABLED is false"
    admin.post("/api/sensors", {"eui": SENSOR, "autoDetach": False})
    assert fate() == "stays attached"
    admin.post(f"/api/sensors/{SENSOR}/detach")
    assert fate() == "nothing, it is detached"


def test_the_live_page_shows_an_uplinks_way(web: WebHouse) -> None:
    first = web.happen(heard(5), StationState(at=EPOCH, base_station_eui=STATION, state="online"))
    page = Document(web.browser("viewer").get("/live").text)
    row = next(each for each in page.all("tr") if each["data-key"] == str(first))
    assert "Uplink 5, 2 bytes" in row.text
    assert "heard by" in row.text
    assert "waiting" in row.text
    assert "Came online, new session" in page.one("main").text


@pytest.mark.parametrize(("known", "leads"), [(True, f"/sensors/{SENSOR}"), (False, "/sensors/unknown")])
def test_an_uplink_leads_to_its_sensor_or_to_where_it_is_added(
    web: WebHouse, known: bool, leads: str
) -> None:
    seq = web.happen(msgspec.structs.replace(heard(5), known=known))
    page = Document(web.browser("viewer").get("/live").text)
    links = [each for each in page.all("a") if (row := each.within("tr")) and row["data-key"] == str(seq)]
    assert links[0]["href"] == leads


def test_the_live_page_searches_and_filters(web: WebHouse) -> None:
    web.happen(heard(5), StationStatus(at=EPOCH, base_station_eui=STATION, message="hot", cpu_load=0.5))
    browser = web.browser("viewer")
    assert "Uplink 5" not in browser.get("/live?kind=station-status").text
    assert "CPU" in browser.get("/live?q=HOT").text
    assert "Uplink 5" not in browser.get("/live?q=HOT").text
    assert "No event in the journal fits the filter" in browser.get("/live?q=cold").text
    assert "fits the filter above" not in browser.get("/live").text
    assert browser.get("/live?kind=nonsense").status == 422


@pytest.mark.parametrize("field", ["station", "sensor"])
def test_a_name_in_the_place_of_an_eui_is_marked_on_the_live_page(web: WebHouse, field: str) -> None:
    web.happen(heard(5))
    answer = web.browser("viewer").get(f"/live?kind=uplink&{field}=Water+meter")
    page = Document(answer.text)
    (wrong,) = [each for each in page.all("input") if each["aria-invalid"]]
    assert (wrong["name"], wrong["value"]) == (field, "Water meter")
    assert "must be 16 hexadecimal digits" in page.one("main").text
    assert "Uplink 5" not in answer.text and "data-live-pause" not in answer.text
    assert faults(page) == []


def test_the_live_page_searches_the_whole_journal(web: WebHouse) -> None:
    last = web.happen(heard(777), *[heard(1000 + number) for number in range(60)])
    page = Document(web.browser("viewer").get("/live?q=uplink+777").text)
    assert [row.text.count("Uplink 777") for row in page.all("tr") if row["data-key"]] == [1]
    assert page.one("section")["data-newest"] == str(last + 60)


def test_a_search_that_stopped_halfway_says_so(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.web.reports.history.SLICE", 5)
    web.happen(heard(777), *[heard(1000 + number) for number in range(60)])
    page = Document(web.browser("viewer").get("/live?q=uplink+777").text)
    assert "None of the newest events fits the filter" in page.one("main").text
    assert "Earlier events" in [each.text for each in page.all("a")]


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


def test_the_first_of_ten_thousand_sensors_is_small_and_little_work(
    make_web_house: Callable[..., WebHouse],
) -> None:
    browser = make_web_house(sensors=10_000).browser("operator")
    browser.get("/sensors")
    answer = browser.get("/sensors")
    assert calls(lambda: browser.get("/sensors")) < 8 * 10_000
    assert len(answer.body) < 100_000
    assert "of 10\N{NARROW NO-BREAK SPACE}000 sensors" in answer.text


def test_sensors_are_searched_sorted_and_paged(make_web_house: Callable[..., WebHouse]) -> None:
    browser = make_web_house(sensors=120).browser("viewer")

    def keys(path: str) -> list[str]:
        return [each["data-key"] for each in Document(browser.get(path).text).all("tr") if each["data-key"]]

    assert len(keys("/sensors")) == 50
    assert keys("/sensors?page=3&per_page=50")[-1] == "70B3D56770110078"
    assert keys("/sensors?sort=-eui&per_page=1") == ["70B3D56770110078"]
    assert keys("/sensors?q=0077") == ["70B3D56770110077"]
    assert keys("/sensors?status=detached") == []


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


@pytest.mark.parametrize("role", ROLES)
def test_settings_are_changed_by_administrators_only(web: WebHouse, role: Role) -> None:
    page = Document(web.browser(role).get("/config").text)
    fields = [each for each in page.all("input", "select") if each["id"].startswith("s-")]
    assert len(fields) > 30
    locked = [each for each in fields if "disabled" in each.attributes]
    assert (len(locked) < len(fields)) if role == "admin" else (locked == fields)


def test_the_chosen_colours_come_with_the_page(web: WebHouse) -> None:
    browser = web.browser("viewer")
    browser.cookies["theme"] = "dark"
    assert Document(browser.get("/").text).one("html")["data-theme"] == "dark"


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
            "Edge 138 on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/137.0.0.0 Mobile Safari/537.36",
            "Chrome 137 on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Safari/605.1.15",
            "Safari 18 on macOS",
        ),
        ("Firefox/140.0", "Firefox 140"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_a_session_tells_its_browser(agent: str, shown: str) -> None:
    assert device(agent) == shown


def test_every_page_says_how_the_service_is(web: WebHouse) -> None:
    browser = web.browser("admin")
    bad = Condition("station-refused:x", "warning", "X is refused", "/stations")
    web.center.alarms.evaluate({"station-refused"}, [bad])
    for path in ("/", "/sensors", "/certificates", "/audit"):
        page = Document(browser.get(path).text)
        [verdict] = [each for each in page.all("a") if each["class"] == "state warning" and each["title"]]
        assert (verdict.text, verdict["title"]) == ("1 warning", "All runs, but x is refused."), path
