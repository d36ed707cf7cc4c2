"""The live stream: one encoding for all, a bound for each."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from bssci.journal import StorageError
from bssci.model import SensorWarning, StationState
from bssci.web import service
from bssci.web.live import feed, live
from bssci.web.pages.table import STATIC
from tests.support.decoders import ORDINARY
from tests.support.journal import uplink
from tests.support.web import EPOCH, SENSOR, Browser, Connection, WebHouse, sensor_entry

STATION = "70B3D59CD0000001"


class Viewer:
    """A browser that watches."""

    def __init__(self, browser: Browser, query: str = "", **headers: str) -> None:
        self.connection = Connection(browser.house)
        self.connection.send(browser.request("GET", f"/api/live{query}", headers=headers))

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What came: (event, data)."""
        body = self.connection.received.partition(b"\r\n\r\n")[2].decode()
        found = []
        for block in body.replace("\r\n", "\n").split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    def ids(self) -> list[int]:
        """Where it would go on after each that tells so."""
        lines = self.connection.received.partition(b"\r\n\r\n")[2].decode().splitlines()
        return [int(line[4:]) for line in lines if line.startswith("id: ")]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events()]


def state(at: float = EPOCH) -> StationState:
    return StationState(at=at, base_station_eui=STATION, state="online")


def test_events_come_as_they_happen(web: WebHouse) -> None:
    viewer = Viewer(web.browser("viewer"))
    assert viewer.kinds() == ["hello"]
    seq = web.happen(uplink(7), state())
    web.advance(feed.PACE)
    assert viewer.kinds() == ["hello", "uplink", "station-state"]
    _, event = viewer.events()[1]
    assert event["seq"] == seq and event["cnt"] == 7 and event["title"]
    viewer.connection.lose()
    assert len(web.admin.context.hub) == 0


def test_events_come_with_their_readings(web: WebHouse) -> None:
    browser = web.browser("operator")
    browser.post("/api/sensors", sensor_entry(decoder="water-meter"))
    viewer, readings = Viewer(browser), {"value": 77.167, "unit": "m³"}
    seq = web.happen(uplink(7, SENSOR, payload=bytes.fromhex(ORDINARY)))
    web.advance(feed.PACE)
    late = Viewer(browser, f"?since={seq - 1}")
    stored = browser.get("/api/events?limit=1").json()["events"][0]
    one = browser.get(f"/api/events/{seq}").json()
    for event in (viewer.events()[1][1], late.events()[1][1], stored, one):
        assert (event["components"]["volume"], event["decoder"]) == (readings, "water-meter@1.0")
        assert event["values"].startswith("Volume 77.167\u202fm³, ")
    assert "Volume 77.167\u202fm³" in browser.get("/live").text
    assert "components" not in browser.get("/api/events/export").json()
    for query in ("volume", "77.167"):
        assert browser.get(f"/api/events?q={query}").json()["events"] == [], "stored events have no readings"


def test_looking_back_counts_for_no_decoder(web: WebHouse) -> None:
    browser = web.browser("operator")
    browser.post("/api/sensors", sensor_entry(decoder="water-meter"))
    seq = web.happen(uplink(7, SENSOR, payload=bytes.fromhex(ORDINARY)))
    web.advance(feed.PACE)
    for path in ("/live", "/api/events", f"/api/events/{seq}", f"/sensors/{SENSOR}"):
        assert "77.167" in browser.get(path).text, path
    Viewer(browser, f"?since={seq - 1}")
    assert web.outside.decoders is not None
    assert web.outside.decoders.decoding.by_decoder.get("water-meter") is None


def test_without_viewers_nothing_is_decoded_for_them(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", sensor_entry(decoder="water-meter"))
    decoders = web.outside.decoders
    assert decoders is not None
    web.happen(uplink(7, SENSOR, payload=bytes.fromhex(ORDINARY)))
    web.advance(feed.PACE)
    assert decoders.decoding.by_decoder.get("water-meter") is None
    Viewer(web.browser("viewer"))
    web.happen(uplink(8, SENSOR, payload=bytes.fromhex(ORDINARY)))
    web.advance(feed.PACE)
    tally = decoders.decoding.by_decoder.get("water-meter")
    assert tally is not None and tally.decoded == 1


def test_a_viewer_sees_only_what_it_asked_for(web: WebHouse) -> None:
    browser = web.browser("viewer")
    uplinks = Viewer(browser, "?kind=uplink")
    station = Viewer(browser, f"?station={STATION.lower()}")
    sensor = Viewer(browser, "?sensor=FCA84A0300001234&kind=sensor-warning,uplink")
    text = Viewer(browser, "?q=came+ONLINE")
    payload = Viewer(browser, "?q=01%2002")
    warning = SensorWarning(
        at=EPOCH,
        end_point_eui="0000000000000001",
        inactive_hours=1,
        hours_until_detach=1,
        warning_threshold_hours=1,
        detach_threshold_hours=2,
    )
    web.happen(uplink(1), state(), warning)
    web.advance(feed.PACE)
    assert uplinks.kinds() == ["hello", "uplink"]
    assert station.kinds() == ["hello", "uplink", "station-state"]
    assert sensor.kinds() == ["hello", "uplink"]
    assert text.kinds() == ["hello", "station-state"]
    assert payload.kinds() == ["hello", "uplink"]
    for viewer in (uplinks, station, sensor, text, payload):
        viewer.connection.lose()


def test_events_bring_names_and_are_found_by_them(web: WebHouse) -> None:
    web.browser("operator").post("/api/sensors", {"eui": SENSOR, "name": "Water meter"})
    viewer = Viewer(web.browser("viewer"), "?q=water+METER")
    web.happen(uplink(1), uplink(2, SENSOR))
    web.advance(feed.PACE)
    assert [event["names"] for kind, event in viewer.events() if kind == "uplink"] == [
        {SENSOR: "Water meter"}
    ]
    viewer.connection.lose()


def test_a_viewer_who_comes_back_gets_what_it_missed_once(web: WebHouse) -> None:
    browser = web.browser("viewer")
    first = web.happen(uplink(1), uplink(2), uplink(3))
    viewer = Viewer(browser, **{"Last-Event-ID": str(first)})
    web.happen(uplink(4))
    web.advance(feed.PACE)
    web.advance(feed.PACE)
    assert [event["cnt"] for kind, event in viewer.events() if kind == "uplink"] == [2, 3, 4]
    viewer.connection.lose()


def test_a_viewer_who_was_away_for_long_is_told(web: WebHouse) -> None:
    web.happen(*(uplink(number) for number in range(600)))
    viewer = Viewer(web.browser("viewer"), "?since=1")
    assert viewer.events()[1] == ("skipped", {"count": web.journal.events.last_seq - 1})
    viewer.connection.lose()


def test_a_viewer_who_does_not_read_is_dropped_at_a_bound(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_BUFFER", 20_000)
    browser = web.browser("viewer")
    slow, quick = Viewer(browser), Viewer(browser)
    slow.connection.transport.producer.pauseProducing()
    before = len(slow.connection.received)
    for number in range(10):
        web.happen(*(uplink(number * 10 + each) for each in range(10)))
        web.advance(feed.PACE)
    assert slow.connection.transport.aborted
    assert len(slow.connection.received) == before
    assert len(web.admin.context.hub) == 1 and web.admin.context.hub.dropped == 1
    assert quick.kinds().count("uplink") == 100
    for viewer in (slow, quick):
        viewer.connection.lose()


def test_a_viewer_who_reads_nothing_for_a_minute_is_dropped_while_nothing_happens(web: WebHouse) -> None:
    browser = web.browser("viewer")
    stuck, slow = Viewer(browser), Viewer(browser)
    for viewer in (stuck, slow):
        viewer.connection.transport.producer.pauseProducing()
    for number in range(live.UNREAD_PINGS + 1):
        assert not stuck.connection.transport.aborted
        if number == live.UNREAD_PINGS:
            slow.connection.transport.producer.resumeProducing()
            slow.connection.transport.producer.pauseProducing()
        web.advance(live.KEEP_ALIVE)
    assert stuck.connection.transport.aborted and not slow.connection.transport.aborted
    assert len(web.admin.context.hub) == 1 and web.admin.context.hub.dropped == 1
    for viewer in (stuck, slow):
        viewer.connection.lose()


def test_a_viewer_who_reads_again_goes_on(web: WebHouse) -> None:
    viewer = Viewer(web.browser("viewer"))
    producer = viewer.connection.transport.producer
    producer.pauseProducing()
    web.happen(uplink(1))
    web.advance(feed.PACE)
    assert viewer.kinds() == ["hello"]
    producer.resumeProducing()
    assert viewer.kinds() == ["hello", "uplink"]
    viewer.connection.lose()


def test_fifty_viewers_cost_one_encoding(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    encodings = []
    real = live.encoded
    monkeypatch.setattr(live, "encoded", lambda seq, *more: encodings.append(seq) or real(seq, *more))
    browser = web.browser("viewer")
    viewers = [Viewer(browser) for _ in range(50)]
    web.happen(uplink(1), uplink(2))
    web.advance(feed.PACE)
    assert len(encodings) == 2
    assert all(viewer.kinds().count("uplink") == 2 for viewer in viewers)
    for viewer in viewers:
        viewer.connection.lose()


def test_an_event_that_cannot_be_shown_costs_itself_only(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    encoded = live.encoded

    def failing(seq: int, event: Any, name_of: Any) -> live.Encoded:
        if isinstance(event, StationState):
            raise ValueError("no words for it")
        return encoded(seq, event, name_of)

    monkeypatch.setattr(live, "encoded", failing)
    browser = web.browser("viewer")
    viewer = Viewer(browser)
    seq = web.happen(uplink(1), state(), uplink(2))
    web.advance(feed.PACE)
    late = Viewer(browser, f"?since={seq - 1}")
    web.advance(feed.PACE)
    assert viewer.kinds() == late.kinds() == ["hello", "uplink", "uplink"]
    assert [error.type for error in expected_errors] == [ValueError], "the same fault is logged once a minute"
    expected_errors.clear()


def test_viewers_are_bounded(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_VIEWERS", 1)
    browser = web.browser("viewer")
    viewer = Viewer(browser)
    assert browser.get("/api/live").status == 503
    viewer.connection.lose()


def test_an_account_has_a_share_of_the_places(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_OF_ACCOUNT", 2)
    browser, again, other = web.browser("viewer"), web.browser("viewer"), web.browser("admin")
    viewers = [Viewer(browser), Viewer(again)]
    refused = again.get("/api/live")
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (
        429, "too_many_viewers", "30",
    )  # fmt: skip
    assert "2 live streams open already" in refused.error["message"]
    viewers.append(Viewer(other))
    assert viewers[-1].kinds() == ["hello"]
    viewers.pop(0).connection.lose()
    viewers.append(Viewer(browser))
    assert viewers[-1].kinds() == ["hello"]
    for viewer in viewers:
        viewer.connection.lose()


def test_a_viewer_is_told_that_the_line_lives_and_parted_from_when_it_logs_out(web: WebHouse) -> None:
    browser = web.browser("viewer")
    viewer = Viewer(browser)
    web.advance(live.KEEP_ALIVE)
    assert viewer.kinds() == ["hello", "ping"]
    browser.post("/api/logout")
    web.happen(state())
    web.advance(live.CHECK_PERIOD)
    assert viewer.connection.transport.aborted
    viewer.connection.lose()


def test_a_browser_waits_for_two_pings_and_little_more() -> None:
    (silent,) = re.findall(r"const SILENT = (\d+);", (STATIC / "live.js").read_text())
    assert 2 * live.KEEP_ALIVE < int(silent) / 1000 < 2.5 * live.KEEP_ALIVE < 30


def test_what_went_by_unwanted_is_not_missed(web: WebHouse) -> None:
    browser = web.browser("viewer")
    viewer = Viewer(browser, "?kind=station-state")
    web.happen(state())
    web.advance(feed.PACE)
    last = web.happen(*(uplink(number) for number in range(600))) + 599
    web.advance(1)
    web.advance(live.KEEP_ALIVE)
    assert viewer.ids() == [web.journal.events.last_seq - 600, last]
    viewer.connection.lose()
    again = Viewer(browser, "?kind=station-state", **{"Last-Event-ID": str(last)})
    assert again.kinds() == ["hello"]
    again.connection.lose()


def test_a_ping_names_no_number_that_was_not_shown(web: WebHouse) -> None:
    web.happen(uplink(1))
    web.crash()
    viewer = Viewer(web.browser("viewer"))
    web.advance(live.KEEP_ALIVE)
    assert viewer.ids() == [web.journal.events.last_seq]
    viewer.connection.lose()


@pytest.mark.parametrize("since", ["x", "-1"])
def test_a_number_to_go_on_from_that_is_none_is_refused(web: WebHouse, since: str) -> None:
    assert web.browser("viewer").get(f"/api/live?since={since}").error["field"] == "since"


def test_a_viewer_whose_account_was_removed_is_parted_from(web: WebHouse) -> None:
    viewer = Viewer(web.browser("viewer"))
    web.admin._refresher.start()
    web.file.remove("viewer")
    web.advance(service.REFRESH_INTERVAL)
    web.advance(live.CHECK_PERIOD)
    assert viewer.connection.transport.aborted
    viewer.connection.lose()


def test_a_flood_is_passed_over_and_counted(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_BEHIND", 50)
    monkeypatch.setattr(feed, "BATCH", 10)
    viewer = Viewer(web.browser("viewer"))
    web.happen(*(uplink(number) for number in range(100)))
    for _ in range(20):
        web.advance(feed.PACE)
    kinds = viewer.kinds()
    assert kinds[1] == "skipped" and viewer.events()[1][1] == {"count": 90}
    assert kinds.count("uplink") == 10
    assert 'bssci_events_total{kind="uplink"} 100.0' in web.browser("viewer").get("/metrics").text
    viewer.connection.lose()


def test_what_is_too_much_while_the_past_is_read_is_told(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MAX_HELD", 3)
    first, reading = web.happen(uplink(1), uplink(2)), Deferred[list[Any]]()
    web.advance(feed.PACE)
    monkeypatch.setattr(web.journal.events, "read", lambda *_: reading)
    viewer = Viewer(web.browser("viewer"), f"?since={first}")
    web.admin.context.hub.events([(first + 2 + number, uplink(3 + number)) for number in range(5)])
    web.admin.context.hub.skipped(10)
    assert viewer.kinds() == ["hello"]
    reading.callback([(first + 1, uplink(2))])
    kinds = ["hello", "uplink", "uplink", "uplink", "uplink", "skipped"]
    assert viewer.kinds() == kinds and viewer.events()[-1][1] == {"count": 12}
    web.admin.context.hub.skipped(1)
    assert viewer.kinds() == [*kinds, "skipped"] and viewer.events()[-1][1] == {"count": 1}
    viewer.connection.lose()


@pytest.mark.parametrize("error", [StorageError("disk full"), ValueError("no event")])
def test_a_stream_whose_past_cannot_be_read_is_broken_off(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure], error: Exception
) -> None:
    first = web.happen(uplink(1), uplink(2))
    monkeypatch.setattr(web.journal.events, "read", lambda *_: fail(error))
    viewer = Viewer(web.browser("viewer"), f"?since={first}")
    assert viewer.connection.transport.aborted
    assert viewer.kinds() == ["hello"] and b"disk full" not in viewer.connection.received
    viewer.connection.lose()
    assert len(web.admin.context.hub) == 0
    assert [each.value for each in expected_errors] == [error] * isinstance(error, ValueError)
    expected_errors.clear()


def test_text_of_others_stays_text(web: WebHouse) -> None:
    viewer = Viewer(web.browser("viewer"))
    web.happen(StationState(at=EPOCH, base_station_eui=STATION, state="offline", reason="a\n\nevent: x"))
    web.advance(feed.PACE)
    assert viewer.kinds() == ["hello", "station-state"]
    viewer.connection.lose()
