from __future__ import annotations

import msgspec
import pytest

from bssci.model import StationState, StationStatus
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


def test_a_new_session_is_one_line_of_the_timeline_with_the_number_of_sensors(web: WebHouse) -> None:
    from bssci.journal import StationRecord

    web.journal.tables.put([StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0)])
    web.settle()
    web.crash()
    online = StationState(at=web.now(), base_station_eui=STATION, state="online")
    web.happen(online, msgspec.structs.replace(online, attached=12))
    timeline = web.browser("viewer").get(f"/api/base_stations/{STATION}").json()["timeline"]
    assert [(each["state"], each["attached"]) for each in timeline] == [("online", 12)]
