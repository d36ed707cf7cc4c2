from __future__ import annotations

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


def test_without_stations_the_page_says_how_one_gets_in(web: WebHouse) -> None:
    page = Document(web.browser("viewer").get("/stations").text)
    assert STATION not in page.one("main").text
    assert page.one("main").text.strip()
