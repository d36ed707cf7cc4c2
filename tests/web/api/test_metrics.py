from __future__ import annotations

import re

from tests.support.center import Line
from tests.support.journal import uplink
from tests.support.web import WebHouse

STATION = "70B3D59CD0000001"


def test_the_page_of_figures_has_those_of_every_part(web: WebHouse) -> None:
    web.happen(uplink(1))
    web.center.ingest.receptions([*uplink(2).receptions])
    web.settle()
    web.advance(1)
    requests = {"queued": 2, "oldest_seconds": 1.0, "answered": 7, "failed": 3, "rate": 0.1, "failing": False}
    web.center.deliveries.requests = lambda: {"mqtt": requests}
    assert web.browser("viewer").get("/api/bssci/status").json()["request_statistics"] == {"mqtt": requests}
    answer = web.browser("viewer").get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'bssci_sink_backlog{sink="mqtt"} 3.0' in answer.text
    assert 'bssci_events_total{kind="uplink"} 1.0' in answer.text
    assert 'bssci_requests_backlog{sink="mqtt"} 2.0' in answer.text
    assert 'bssci_requests_answered_total{sink="mqtt"} 7.0' in answer.text
    assert f'bssci_station_receptions_total{{station="{STATION}"}} 1.0' in answer.text
    assert 'bssci_uplink_merge_seconds_bucket{le="+Inf"} 1.0' in answer.text
    for name in ("bssci_stations_connected", "bssci_journal_bytes", "process_resident_memory_bytes"):
        assert re.search(rf"^{name} ", answer.text, re.M), name


def test_a_station_that_is_blocked_is_not_one_that_should_be_connected(web: WebHouse) -> None:
    Line(web).connect()
    admin = web.browser("admin")
    assert "\nbssci_stations_known 1.0\n" in admin.get("/metrics").text
    [station] = admin.get("/api/base_stations").json()["base_stations"]
    assert admin.ask("PATCH", f"/api/base_stations/{station['eui']}", {"blocked": True}).status == 200
    assert "\nbssci_stations_known 0.0\n" in admin.get("/metrics").text
