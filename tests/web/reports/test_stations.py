from __future__ import annotations

from typing import Any

import msgspec
import pytest
from twisted.internet.defer import ensureDeferred

from bssci.model import StationState, StationStatus
from tests.support.center import result_of
from tests.support.web import WebHouse

STATION = "70B3D59CD0000001"


def test_base_stations_and_their_history(web: WebHouse) -> None:
    from bssci.journal import StationRecord

    web.journal.tables.put(
        [StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0, name="<script>")]
    )
    web.settle()
    web.crash()
    web.happen(
        StationState(at=web.now(), base_station_eui=STATION, state="online"),
        StationStatus(at=web.now(), base_station_eui=STATION, cpu_load=0.5),
    )
    browser = web.browser("viewer")
    for path in ("/api/base_stations", "/api/base-stations"):
        (row,) = browser.get(path).json()["base_stations"]
        assert (row["eui"], row["state"]) == (STATION, "offline")
    detail = browser.get(f"/api/base_stations/{STATION.lower()}").json()
    assert [each["state"] for each in detail["timeline"]] == ["online"]
    history = browser.get(f"/api/base_stations/{STATION}/history").json()
    assert history["series"]["cpu_load"] == [[pytest.approx(web.now()), 0.5]]
    assert "<script>" not in browser.get("/stations").text


def test_a_damaged_certificate_hides_no_station(web: WebHouse) -> None:
    from bssci.journal import StationRecord

    record = StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0, certificate=b"\x91")
    web.journal.tables.put([record])
    web.settle()
    web.crash()
    browser = web.browser("viewer")
    [row] = browser.get("/api/base_stations").json()["base_stations"]
    assert (row["eui"], row["certificate"]) == (STATION, None)
    assert browser.get(f"/api/base_stations/{STATION}").json()["certificate"] is None
    for page in ("/stations", f"/stations/{STATION}"):
        assert browser.get(page).status == 200


def test_a_new_session_is_one_line_of_the_timeline_with_the_number_of_sensors(web: WebHouse) -> None:
    from bssci.journal import StationRecord

    web.journal.tables.put([StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0)])
    web.settle()
    web.crash()
    online = StationState(at=web.now(), base_station_eui=STATION, state="online")
    web.happen(online, msgspec.structs.replace(online, attached=12))
    timeline = web.browser("viewer").get(f"/api/base_stations/{STATION}").json()["timeline"]
    assert [(each["state"], each["attached"]) for each in timeline] == [("online", 12)]


def test_many_stations_are_listed_in_slices_and_in_the_order_of_their_euis(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bssci.journal import StationRecord

    euis = [f"70B3D59CD00000{number:02X}" for number in range(7)]
    web.journal.tables.put(
        [StationRecord(base_station_eui=eui, first_seen_at=1.0, last_seen_at=2.0) for eui in reversed(euis)]
    )
    web.settle()
    web.crash()
    monkeypatch.setattr("bssci.web.reports.stations.SLICE", 3)
    waits: list[float] = []
    call_later = web.clock.callLater

    def noted(delay: float, *call: Any) -> Any:
        waits.append(delay)
        return call_later(delay, *call)

    monkeypatch.setattr(web.clock, "callLater", noted)
    listing = ensureDeferred(web.admin.views.stations.list())
    web.settle()
    listed = result_of(listing)
    assert [row["eui"] for row in listed["base_stations"]] == euis
    assert listed["counts"]["offline"] == listed["total"] == 7
    assert waits == [0, 0], "other work has a turn between three slices"
