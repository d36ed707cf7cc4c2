from __future__ import annotations

from datetime import UTC, datetime

from bssci.center.alarms.conditions import Condition
from bssci.stations.causes import BLOCKED, NEW_BUNDLE, Cause
from tests.support.center import Line
from tests.support.web import WebHouse
from tests.web.html import Document

STATION = "CAFE000000000001"


def main_of(web: WebHouse, path: str) -> str:
    answer = web.browser("viewer").get(path)
    assert answer.status == 200
    return Document(answer.text).one("main").text.lower()


def test_a_station_is_listed_and_shown_while_it_is_connected_and_after(web: WebHouse) -> None:
    line = Line(web)
    line.connect()
    assert STATION.lower() in main_of(web, "/stations")
    assert "online" in main_of(web, f"/stations/{STATION}")
    line.lose()
    assert "offline" in main_of(web, f"/stations/{STATION}")
    assert "cable cut" in main_of(web, f"/stations/{STATION}")


def test_an_alarm_that_a_station_is_offline_is_an_error_on_the_dashboard_too(web: WebHouse) -> None:
    Line(web, eui=0xCAFE000000000002).connect()
    line = Line(web)
    line.connect()
    line.lose()
    assert "the service runs, but 1 base station is offline." in main_of(web, "/")
    away = Condition(f"station-offline:{STATION}", "error", "It is offline", "/", web.now())
    web.center.alarms.evaluate({"station-offline"}, [away])
    web.advance(60)
    assert "1 base station is offline." in main_of(web, "/")
    assert "the service runs" not in main_of(web, "/")


def test_without_stations_the_page_says_how_one_gets_in(web: WebHouse) -> None:
    page = Document(web.browser("viewer").get("/stations").text)
    assert STATION not in page.one("main").text
    assert page.one("main").text.strip()


def test_the_open_alarms_of_a_station_stand_on_its_page_and_not_on_that_of_another(web: WebHouse) -> None:
    for eui in (0xCAFE000000000001, 0xCAFE000000000002):
        Line(web, eui).connect()
    alarms = web.center.alarms
    alarms.evaluate(
        {"station-offline"},
        [Condition(f"station-offline:{STATION}", "error", "Base station Roof is offline", "/", web.now())],
    )
    assert "alarm since" in main_of(web, f"/stations/{STATION}")
    assert "base station roof is offline." in main_of(web, f"/stations/{STATION}")
    assert "alarm since" not in main_of(web, "/stations/CAFE000000000002")
    web.do(alarms.acknowledge(f"station-offline:{STATION}", "anna"))
    assert "acknowledged by anna" in main_of(web, f"/stations/{STATION}")


def test_a_bundle_is_offered_with_the_eui_to_those_who_may_make_it(web: WebHouse) -> None:
    admin = web.browser("admin")
    assert admin.post("/api/base_stations", {"eui": STATION}).status == 200
    web.center.refused_stations.add("198.51.100.7", Cause("it showed no certificate", NEW_BUNDLE), STATION)
    web.center.refused_stations.add("198.51.100.8", BLOCKED, STATION)

    def offered(role: str, path: str) -> list[str]:
        links = Document(web.browser(role).get(path).text).all("a")
        return [each["href"] for each in links if "station=" in each["href"] and "#bundle" in each["href"]]

    place = f"/certificates?station={STATION}#bundle"
    assert offered("admin", f"/stations/{STATION}") == [place, place]
    assert offered("admin", "/stations") == [place]
    assert offered("viewer", f"/stations/{STATION}") == offered("viewer", "/stations") == []
    page = Document(admin.get(f"/certificates?station={STATION.lower()}").text)
    assert [each["value"] for each in page.all("input") if each["name"] == "eui"][0] == STATION


def exports(web: WebHouse, path: str) -> dict[str, str]:
    """Links to exports by their texts."""
    links = Document(web.browser("viewer").get(path).text).all("a")
    return {each.text.strip(): each["href"] for each in links if "/export" in each["href"]}


def test_what_the_list_shows_can_be_exported_or_all(web: WebHouse) -> None:
    admin = web.browser("admin")
    for eui, name in ((STATION, "Roof"), ("CAFE000000000002", "Cellar")):
        assert admin.post("/api/base_stations", {"eui": eui, "name": name}).status == 200
    everything = "/api/base_stations/export?format=csv"
    assert exports(web, "/stations") == {"Export all": everything}
    chosen = {"Export these 1": "/api/base_stations/export?q=roof&format=csv", "Export all": everything}
    assert exports(web, "/stations?q=roof") == chosen
    assert exports(web, "/stations?q=attic") == {"Export all": everything}
    sensors = "/api/sensors/export?format=csv"
    assert exports(web, "/sensors?sort=name") == {"Export all": sensors}
    chosen = {"Export these 1": "/api/sensors/export?status=unheard&format=csv", "Export all": sensors}
    assert exports(web, "/sensors?status=unheard&sort=name") == chosen


def test_the_page_of_a_blocked_station_says_how_it_comes_back_or_is_forgotten(web: WebHouse) -> None:
    entry = {"eui": STATION, "blocked": True}
    assert web.browser("admin").post("/api/base_stations", entry).status == 200
    path = f"/stations/{STATION}"
    assert "until an administrator unblocks it." in main_of(web, path)
    shown = Document(web.browser("admin").get(path).text).one("main").text
    assert "Forget…" not in shown
    assert "cannot be forgotten: forgotten, it could connect again" in shown
    assert "unblock it, then forget it" in shown


def test_a_blocked_station_shows_since_when_it_is_blocked_and_not_why_it_was_lost_before(
    web: WebHouse,
) -> None:
    line = Line(web)
    line.connect()
    line.lose()
    lost_at = web.now()
    web.advance(600)
    assert web.browser("admin").post("/api/base_stations", {"eui": STATION, "blocked": True}).status == 200
    state = Document(web.browser("viewer").get(f"/stations/{STATION}").text).all("dl")[0].text
    assert f"{datetime.fromtimestamp(lost_at + 600, UTC):%H:%M:%S}" in state
    assert f"{datetime.fromtimestamp(lost_at, UTC):%H:%M:%S}" not in state and "cable cut" not in state
