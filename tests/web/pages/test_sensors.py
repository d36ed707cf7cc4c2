from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from bssci.center.silence.standing import Standing
from bssci.journal import Registration
from bssci.model import EUI, DownlinkStatus, SensorStatus
from tests.support.center import Line
from tests.support.web import EPOCH, SENSOR, WebHouse
from tests.support.work import calls
from tests.web.html import Document
from tests.web.pages.page_events import STATION, heard


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
            "2 of 2 stations and 2 offline",
            "2 of 2 connectedand at 2 offline",
            "attached",
        ),
        ("ABC", "CD", "1 of 2 stations and 2 offline", "1 of 2 connectedand at 2 offline", "partly attached"),
        ("AB", "C", "0 of 1 station and 2 offline", "0 of 1 connectedand at 2 offline", "partly attached"),
        ("A", "", "no station online and 1 offline", "0 of 0 connectedand at 1 offline", "attached"),
        ("C", "C", "1 of 1 station", "1 of 1 connectedas configured", "attached"),
        ("", "C", "0 of 1 station", "0 of 1 connectedas configured", "waiting for a station"),
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
    assert cell(web, "State") == state + listed
    page = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text
    assert shown in page and state in page


def test_of_many_stations_those_that_need_attention_come_first_and_most_are_folded(web: WebHouse) -> None:
    stations = [EUI(f"CAFEBA5E{number:08X}") for number in range(20)]
    for station in stations:
        state = "refused" if station == stations[15] else "attached"
        told = Registration(end_point_eui=EUI(SENSOR), fingerprint=b"", state=state, at=EPOCH)
        web.journal.sessions.store_registrations(station, [told])
    web.settle()
    page = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text)
    rows = [each for each in page.all("tr") if each["data-key"].startswith("CAFEBA5E")]
    shown = [each["data-key"] for each in rows if each.within("details") is None]
    assert len(rows) == 20 and len(shown) == 8
    assert shown[0] == stations[15]
    assert "12 more base stations" in page.one("main").text


@pytest.mark.parametrize(
    ("left", "listed", "warned", "fate"),
    [
        (
            113_400.0,
            "detach in 1 d 7 h",
            "It will be detached after 1 d 7 h in which a base station is connected, unless",
            "warned, then detached after 1 d 7 h in which a base station is connected",
        ),
        (0.0, "detach is due", "It is detached at the next check unless", "detached at the next check"),
        (None, "", "Last heard", "nothing until it is heard; then warned, then detached"),
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
    assert cell(web, "State").endswith(f"silent{listed}no station online")
    page = plain(Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text)
    assert warned in page
    assert f"When silent{fate}" in page


def test_when_a_silent_sensor_will_be_detached_is_said_by_date_and_as_a_column(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(web)
    line.connect()
    uplink = heard(1, at=web.now())
    web.center._published([uplink], web.happen(uplink))
    web.advance(100.0)
    watch, eui = web.center.silence, EUI(SENSOR)
    quick = {"enabled": True, "timeout": 200.0, "warning_timeout": 50.0, "check_interval": 10.0}
    watch.configure(**quick)
    at = web.now() + watch.standing(eui).seconds_until_detach
    on = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
    viewer = web.browser("viewer")
    assert viewer.get(f"/api/sensors/{SENSOR}").json()["detach_at"] == pytest.approx(at)
    page = plain(Document(viewer.get(f"/sensors/{SENSOR}").text).one("main").text)
    assert f"It will be detached on {on}, in 1 min 40 s, unless it is heard before." in page
    assert f"When silentwarned, then detached on {on}, in 1 min 40 s" in page
    assert on not in viewer.get("/sensors").text
    for query in ("status=warning", "sort=-detach_at"):
        assert on in viewer.get(f"/sensors?{query}").text
    line.lose()
    assert viewer.get(f"/api/sensors/{SENSOR}").json()["detach_at"] is None
    page = plain(Document(viewer.get(f"/sensors/{SENSOR}").text).one("main").text)
    assert "after 1 min 40 s in which a base station is connected" in page


def test_a_sensor_that_is_detached_is_not_about_to_be(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    web.browser("operator").post(f"/api/sensors/{SENSOR}/detach")
    monkeypatch.setattr(web.center.silence, "state", lambda eui: "auto-detach pending")
    monkeypatch.setattr(web.center.silence, "standing", lambda eui: Standing("warning", 100.0, 0.0))
    assert cell(web, "State") == "detachedsilentno station online"
    text = Document(web.browser("viewer").get(f"/sensors/{SENSOR}").text).one("main").text
    assert "It is detached" not in text


def test_what_becomes_of_a_silent_sensor_is_told_in_each_case(web: WebHouse) -> None:
    admin = web.browser("admin")

    def fate() -> str:
        parts = Document(admin.get(f"/sensors/{SENSOR}").text).all("dt", "dd")
        return next(value.text for name, value in pairwise(parts) if name.text == "When silent")

    assert fate() == "nothing until it is heard; then warned, then detached"
    admin.post("/api/config", {"AUTO_DETACH_ENABLED": False})
    assert fate() == "stays attached, as AUTO_DETACH_ENABLED is false"
    admin.post("/api/sensors", {"eui": SENSOR, "autoDetach": False})
    assert fate() == "stays attached"
    admin.post(f"/api/sensors/{SENSOR}/detach")
    assert fate() == "nothing, as it is detached"


def test_the_first_of_many_sensors_is_small_and_little_work(
    make_web_house: Callable[..., WebHouse],
) -> None:
    browser = make_web_house(sensors=5_000).browser("operator")
    browser.get("/sensors")
    answer = browser.get("/sensors")
    assert calls(lambda: browser.get("/sensors")) < 8 * 5_000
    assert len(answer.body) < 100_000
    assert "of 5\N{NARROW NO-BREAK SPACE}000 sensors" in answer.text


def test_sensors_are_searched_sorted_and_paged(make_web_house: Callable[..., WebHouse]) -> None:
    browser = make_web_house(sensors=120).browser("viewer")

    def keys(path: str) -> list[str]:
        return [each["data-key"] for each in Document(browser.get(path).text).all("tr") if each["data-key"]]

    assert len(keys("/sensors")) == 50
    assert keys("/sensors?page=3&per_page=50")[-1] == "70B3D56770110078"
    assert keys("/sensors?sort=-eui&per_page=1") == ["70B3D56770110078"]
    assert keys("/sensors?page=99") == keys("/sensors?page=3")
    assert keys("/sensors?q=0077&page=2") == keys("/sensors?q=0077") == ["70B3D56770110077"]
    assert keys("/sensors?status=detached") == []


def test_a_search_that_finds_no_sensor_leads_to_devices_and_base_stations(web: WebHouse) -> None:
    browser = web.browser("viewer")
    page = Document(browser.get("/sensors?q=kitchen+1").text)
    links = {each.text: each["href"] for each in page.all("a") if "q=kitchen" in each["href"]}
    assert links["all devices"] == "/devices?q=kitchen+1"
    assert links["base stations"] == "/stations?q=kitchen+1"
    assert all(browser.get(link).status == 200 for link in links.values())
    assert "look among" not in browser.get("/sensors?status=silent").text


def test_another_sensor_like_one_begins_with_its_fields_but_no_key(web: WebHouse) -> None:
    operator = web.browser("operator")
    changes = {"name": "Meter", "tags": ["roof, left"], "interval": 900, "decoderParameters": {"key": "00FF"}}
    operator.patch(f"/api/sensors/{SENSOR}", changes)
    assert f"/sensors/new?like={SENSOR}" in operator.get(f"/sensors/{SENSOR}").text
    assert "?like=" not in web.browser("viewer").get(f"/sensors/{SENSOR}").text
    page = Document(operator.get(f"/sensors/new?like={SENSOR}").text)
    fields = {each["name"]: each["value"] for each in page.all("input") if each["name"] and each["value"]}
    assert fields["name"] == "Meter" and fields["tags"] == '"roof, left"' and fields["interval"] == "900"
    assert not {"eui", "nwKey", "shortAddr"} & fields.keys()
    text = page.one("main").text
    assert "00FF" not in text and "Add and attach" in text and "Kept secret" not in text
    assert operator.get("/sensors/new?like=70B3D56770119999").status == 404
    assert operator.get("/sensors/new?like=x").status == 422


def test_a_tag_leads_to_all_sensors_that_have_it(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=3)
    operator, viewer = web.browser("operator"), web.browser("viewer")
    for eui, tags in ((SENSOR, ["roof, left", "water"]), ("70B3D56770110002", ["roof"])):
        operator.patch(f"/api/sensors/{eui}", {"tags": tags})
    [href] = [
        each["href"]
        for each in Document(viewer.get(f"/sensors/{SENSOR}").text).all("a")
        if each.text == "roof, left"
    ]
    page = Document(viewer.get(href).text)
    assert [row["data-key"] for row in page.all("tr") if row["data-key"]] == [SENSOR]
    assert "Only those with the tag roof, left" in plain(page.one("main").text)
    assert '"roof, left", water' in page.one("main").text
    assert "/api/sensors/export?tag=roof%2C+left&format=csv" in [each["href"] for each in page.all("a")]


def test_of_silent_sensors_those_come_first_that_are_detached_first(
    make_web_house: Callable[..., WebHouse], monkeypatch: pytest.MonkeyPatch
) -> None:
    web = make_web_house(sensors=3)
    left = {"70B3D56770110001": 200.0, "70B3D56770110002": 50.0, "70B3D56770110003": 100.0}
    monkeypatch.setattr(
        web.center.silence, "standing", lambda eui: Standing("warning", 100.0, left[eui], EPOCH)
    )

    def order(query: str) -> str:
        page = Document(web.browser("viewer").get(f"/sensors?{query}").text)
        return "".join(row["data-key"][-1] for row in page.all("tr") if row["data-key"])

    assert (order(""), order("status=warning"), order("status=warning&sort=eui")) == ("123", "231", "123")
