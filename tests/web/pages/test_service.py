from __future__ import annotations

import pytest

from bssci.journal import Usage
from bssci.model import StationState, StationStatus
from bssci.web.access.accounts import ROLES, Role
from bssci.web.pages.service import device
from tests.support.telegrams import telegram
from tests.support.web import EPOCH, WebHouse
from tests.web.html import Document, faults
from tests.web.pages.page_events import STATION, heard


def test_the_live_page_shows_an_uplinks_way(web: WebHouse) -> None:
    first = web.happen(heard(5), StationState(at=EPOCH, base_station_eui=STATION, state="online"))
    page = Document(web.browser("viewer").get("/live").text)
    row = next(each for each in page.all("tr") if each["data-key"] == str(first))
    assert "Uplink 5, 2 bytes" in row.text
    assert "heard by" in row.text
    assert "waiting" in row.text
    assert "Came online, new session" in page.one("main").text


def test_the_live_page_shows_an_advertisement_once_with_every_scanner_by_its_name(web: WebHouse) -> None:
    heard_by = {"roof": -71.0, "cellar": -58.0, "hall": None}
    web.center.gateways.heard([telegram(gateway="cellar")])
    assert web.browser("operator").patch("/api/gateways/scanner:cellar", {"name": "Cellar 2"}).status == 200
    first = web.happen(
        *[telegram(number, gateway=name, rssi=rssi) for number, (name, rssi) in enumerate(heard_by.items())]
    )
    page = Document(web.browser("viewer").get("/live?kind=telegram").text)
    [alone, joined] = [each for each in page.all("tr") if each["data-key"] in (str(first), str(first + 2))]
    text = " ".join(joined.text.split()).replace("\u202f", " ").replace("\N{MINUS SIGN}", "-")
    assert "Advertisement, 2 bytes, heard by 2 scanners" in text
    assert "heard by Cellar 2 (-58 dBm), roof (-71 dBm) on disk" in text
    copies = [
        each["href"]
        for each in page.all("a")
        if each["href"].startswith("/api/events/") and each.text.isdigit()
    ]
    assert copies == [f"/api/events/{first}", f"/api/events/{first + 1}"]
    assert "heard by hall" in " ".join(alone.text.split()) and "Each copy" not in alone.text
    links = {each["href"] for each in page.all("a")}
    assert {"/gateways/scanner%3Acellar", "/devices/ble%3AAA%3ABB%3ACC%3ADD%3AEE%3AFF"} <= links


def test_payloads_that_are_json_are_shown_as_text(web: WebHouse) -> None:
    web.happen(telegram(1, payload=b'{"status": 1}'), telegram(2, payload=b"{\xff"))
    page = Document(web.browser("viewer").get("/live").text)
    assert [each.text for each in page.all("span") if each["class"] == "bytes"] == ["7B FF", '{"status": 1}']


def test_the_live_page_searches_and_filters(web: WebHouse) -> None:
    web.happen(heard(5), StationStatus(at=EPOCH, base_station_eui=STATION, message="hot", cpu_load=0.5))
    browser = web.browser("viewer")
    assert "Uplink 5" not in browser.get("/live?kind=station-status").text
    assert "CPU" in browser.get("/live?q=HOT").text
    assert "Uplink 5" not in browser.get("/live?q=HOT").text
    assert "No event in the journal matches the filter" in browser.get("/live?q=cold").text
    assert "matches the filter above" not in browser.get("/live").text
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
    assert "None of the newest events matches the filter" in page.one("main").text
    assert "Earlier events" in [each.text for each in page.all("a")]


@pytest.mark.parametrize("role", ROLES)
def test_settings_are_changed_by_administrators_only(web: WebHouse, role: Role) -> None:
    page = Document(web.browser(role).get("/config").text)
    fields = [each for each in page.all("input", "select") if each["id"].startswith("s-")]
    assert len(fields) > 30
    locked = [each for each in fields if "disabled" in each.attributes]
    assert (len(locked) < len(fields)) if role == "admin" else (locked == fields)


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


@pytest.mark.parametrize(
    ("undelivered", "days", "note"),
    [(3, None, "19 % not delivered yet"), (13, 2.54, "81 % not delivered yetfull in 2.5 days")],
)
def test_the_dashboard_shows_the_size_of_the_journal_and_when_it_is_full(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, undelivered: int, days: float | None, note: str
) -> None:
    megabyte = 1024 * 1024  # as JOURNAL_MAX_SIZE counts them
    usage = Usage(
        size=12 * megabyte, max_size=16 * megabyte, undelivered=undelivered * megabyte, unreadable=0
    )
    monkeypatch.setattr(web.journal, "usage", lambda: usage)
    monkeypatch.setattr(web.center.retention, "days_left", lambda: days)
    browser = web.browser("viewer")
    page = Document(browser.get("/").text)
    (tile,) = [each for each in page.all("a") if each["class"] == "tile" and "Journal" in each.text]
    text = " ".join(tile.text.replace("\u202f", " ").split())
    assert "12 MB of 16 MB" in text and note in text
    assert ("full in" in text) is (days is not None)
    metrics = browser.get("/metrics").text
    assert f"bssci_journal_bytes {12 * megabyte / 1e7:.7f}e+07" in metrics
    assert f"bssci_journal_max_bytes {16 * megabyte / 1e7:.7f}e+07" in metrics


def test_charts_without_values_say_when_the_first_come(web: WebHouse) -> None:
    assert web.browser("viewer").get("/").text.count("The first values come within a minute") == 4
