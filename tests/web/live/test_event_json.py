from __future__ import annotations

from typing import Any

import pytest
from twisted.python.failure import Failure

from bssci.model import EUI, AnyEvent, StationState, eui_to_int
from bssci.sinks.testing_events import every_event
from bssci.web.live import event_json
from bssci.web.live.event_json import event_dict, parties, uplink_dict
from tests.support.center import Line
from tests.support.journal import online, reception, uplink
from tests.support.web import WebHouse


def test_every_event_says_what_it_is_in_a_sentence() -> None:
    for number, event in enumerate(every_event(), 1):
        told = event_dict(number, event)
        assert told["seq"] == number
        assert told["timestamp"] == event.at
        assert told["title"] and told["kind"]
        assert told["names"] == {}


def test_an_event_that_cannot_be_described_costs_itself_only(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    said = event_json.event_json

    def failing(event: AnyEvent) -> dict[str, Any]:
        if isinstance(event, StationState):
            raise ValueError("no words for it")
        return said(event)

    monkeypatch.setattr(event_json, "event_json", failing)
    browser, name = web.browser("viewer"), online().base_station_eui
    seq = web.happen(uplink(1), online(), uplink(2))
    events = browser.get("/api/events").json()["events"]
    assert [event["kind"] for event in events] == ["uplink", "damaged", "uplink"]
    assert [event["kind"] for event in browser.get("/api/events?q=0102").json()["events"]] == ["uplink"] * 2
    assert browser.get(f"/api/events/{seq + 1}").json()["kind"] == "damaged"
    Line(web, eui_to_int(name)).connect()
    for page in ("/live", f"/stations/{name}"):
        assert "An event that cannot be shown" in browser.get(page).text, page
    assert [error.type for error in expected_errors] == [ValueError], "the same fault is logged once a minute"
    expected_errors.clear()


def test_names_are_those_of_who_is_in_it() -> None:
    event = uplink(1)
    names = {event.end_point_eui: "cellar", reception(1).base_station_eui: "roof", EUI("00" * 8): "nobody"}
    assert event_dict(1, event, lambda eui: names.get(eui, ""))["names"] == {
        event.end_point_eui: "cellar",
        reception(1).base_station_eui: "roof",
    }


def test_the_parties_of_an_event() -> None:
    assert parties(uplink(1)) == (uplink(1).end_point_eui, [reception(1).base_station_eui])
    assert parties(online()) == (None, [online().base_station_eui])


def test_bytes_of_an_uplink_are_integers_and_hexadecimal_digits() -> None:
    told = uplink_dict(uplink(1))
    assert bytes(told["data"]) == bytes.fromhex(told["dataHex"]) == reception(1).payload
    assert told["size"] == len(reception(1).payload)
