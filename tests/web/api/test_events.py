"""Stored events: read a page at a time, and exported as far back as they go."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from bssci.journal import StationRecord
from bssci.model import StationState
from bssci.web.api import events
from bssci.web.reports.history import EventViews
from tests.support.journal import STATION, online, uplink
from tests.support.web import EPOCH, SENSOR, Browser, WebHouse, parse
from tests.web.exports import Export
from tests.web.html import Document


def stored(browser: Browser, query: str) -> list[dict[str, Any]]:
    """The same, a page at a time."""
    found, before = [], ""
    while before is not None:
        page = browser.get(f"/api/events?limit=1000{query}{before and f'&before={before}'}").json()
        found, before = found + page["events"], page["next"]
    return found


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 1304),
        ("&kind=uplink", 1203),
        ("&kind=station-state,uplink", 1304),
        ("&q=uplink+120", 4),
        (f"&q=came+online&station={STATION}", 101),
        (f"&sensor={SENSOR}", 0),
    ],
)
def test_an_export_is_all_that_fits(web: WebHouse, query: str, count: int) -> None:
    web.happen(*[online() for _ in range(101)], *[uplink(number) for number in range(1203)])
    browser = web.browser("viewer")
    exported = Export(browser, f"?{query}").read()
    assert len(exported) == count
    assert exported == stored(browser, query)


def test_what_happens_meanwhile_is_not_in_it(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(events.SLICE + 1)])
    export = Export(web.browser("viewer"))
    web.happen(uplink(9999))
    assert len(export.read()) == events.SLICE + 1


def test_a_client_that_leaves_at_once_leaves_no_trace(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EXPORTS", 1)
    web.happen(uplink(1))
    reading = Deferred[dict[str, Any]]()
    browser = web.browser("viewer")
    with monkeypatch.context() as patch:
        patch.setattr(EventViews, "read", lambda *_, **__: reading)
        export = Export(browser)
        export.connection.lose()
        reading.callback({"events": [], "next": 1})
        web.advance(events.PAUSE)
    assert export.connection.received == b""
    assert len(Export(browser).read()) == 1


def test_exports_are_bounded_and_end_with_their_clients(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_EXPORTS", 1)
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    browser = web.browser("viewer")
    export = Export(browser)
    refused = browser.get("/api/events/export")
    assert refused.status == 503 and refused.error["code"] == "busy"
    export.connection.lose()
    size = len(export.connection.received)
    web.advance(events.PAUSE)
    assert len(export.connection.received) == size
    assert len(Export(browser).read()) == 4 * events.SLICE


def test_an_account_has_a_share_of_the_exports(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EXPORTS_OF_ACCOUNT", 1)
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    browser = web.browser("viewer")
    export = Export(browser)
    refused = browser.get("/api/events/export")
    assert (refused.status, refused.error["code"]) == (429, "too_many_exports")
    assert len(Export(web.browser("operator")).read()) == 4 * events.SLICE
    export.connection.lose()
    assert len(Export(browser).read()) == 4 * events.SLICE


def test_an_export_that_cannot_go_on_is_broken_off(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    export = Export(web.browser("viewer"))
    web.journal.broken = True
    web.advance(events.PAUSE)
    web.journal.broken = False
    assert export.transport.aborted
    assert not export.connection.received.endswith(b"0\r\n\r\n")
    export.connection.lose()


def test_an_export_that_goes_wrong_is_broken_off_and_logged(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    export = Export(web.browser("viewer"))
    monkeypatch.setattr(EventViews, "read", lambda *_, **__: fail(ValueError("no event")))
    web.advance(events.PAUSE)
    export.connection.lose()
    assert export.transport.aborted
    assert b"internal error" not in export.connection.received
    assert not export.connection.received.endswith(b"0\r\n\r\n")
    assert [str(each.value) for each in expected_errors] == ["no event"]
    expected_errors.clear()


def test_an_export_ends_with_its_session(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    browser = web.browser("viewer")
    export = Export(browser)
    browser.post("/api/logout")
    web.advance(events.PAUSE)
    assert export.transport.aborted
    export.connection.lose()
    assert not export.connection.received.endswith(b"0\r\n\r\n")


def test_an_export_that_cannot_begin_says_why(web: WebHouse) -> None:
    browser = web.browser("viewer")
    web.journal.broken = True
    export = Export(browser)
    web.journal.broken = False
    assert parse(export.connection.received).status == 503
    export.connection.lose()


def test_a_look_at_an_export_reads_nothing(web: WebHouse) -> None:
    web.happen(*[uplink(number) for number in range(4 * events.SLICE)])
    export = Export(web.browser("viewer"), method="HEAD")
    assert export.transport.disconnecting
    answer = parse(export.connection.received)
    assert answer.status == 200 and answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.body == b""


def test_the_live_page_exports_what_it_is_filtered_by(web: WebHouse) -> None:
    browser = web.browser("viewer")
    links = [each["href"] for each in Document(browser.get("/live?kind=uplink&q=a+b").text).all("a")]
    assert "/api/events/export?kind=uplink&q=a+b" in links


def test_events_bring_names_and_are_found_by_them(web: WebHouse) -> None:
    web.journal.tables.put(
        [StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0, name="Roof <1>")]
    )
    web.settle()
    web.crash()
    web.browser("operator").post("/api/sensors", {"eui": SENSOR, "name": "Meter <7>"})
    first = web.happen(
        uplink(1, SENSOR), StationState(at=EPOCH, base_station_eui="00000000000000AA", state="online")
    )
    browser = web.browser("viewer")
    names = {STATION: "Roof <1>", SENSOR: "Meter <7>"}
    assert browser.get(f"/api/events/{first}").json()["names"] == names
    [found] = browser.get("/api/events?q=roof+%3C1").json()["events"]
    assert (found["seq"], found["names"]) == (first, names)
    page = Document(browser.get("/live?q=meter+%3C7").text)
    [row] = [each for each in page.all("tr") if each["data-key"]]
    assert "heard by Roof <1> (" in row.text
    shown = {each["title"]: (each.text, each["href"]) for each in page.all("a") if each["title"] in names}
    assert shown == {
        STATION: ("Roof <1>", f"/stations/{STATION}"),
        SENSOR: ("Meter <7>", f"/sensors/{SENSOR}"),
    }
