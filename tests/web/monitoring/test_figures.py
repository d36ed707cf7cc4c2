from __future__ import annotations

from bssci.model import EUI, eui_from_int
from bssci.web.monitoring.figures import RATE_STEP, CounterRate
from tests.support.center import Line
from tests.support.journal import online, reception, uplink
from tests.support.web import WebHouse


def test_a_rate_is_that_of_the_last_minute() -> None:
    rate = CounterRate(0.0)
    for step in range(1, 40):
        rate.mark(step * RATE_STEP, 100 if step > 20 else 0)
    assert rate.value(200.0, 100) == 0.0
    assert rate.value(200.0, 160) == 60 / (200.0 - 27 * RATE_STEP)
    assert CounterRate(5.0).value(5.0, 9) == 0.0


def test_rates_are_those_of_what_was_published_and_received(web: WebHouse) -> None:
    figures, station = web.admin.context.figures, reception(1).base_station_eui
    web.center.ingest.receptions([reception(1), reception(2)])
    web.settle()
    web.advance(RATE_STEP)
    assert figures.uplink_rate() == 2 / RATE_STEP
    assert figures.station_rate(station) > 0
    assert figures.station_rate(EUI("0" * 16)) == 0
    assert web.center.ingest.received_by == {station: 2}


def test_a_station_that_is_forgotten_has_no_figures_any_more(web: WebHouse) -> None:
    figures, line = web.admin.context.figures, Line(web)
    line.connect()
    station = eui_from_int(line.eui)
    web.center.ingest.receptions([reception(1, station=station)])
    web.settle()
    web.advance(RATE_STEP)
    assert figures.station_rate(station) > 0
    web.do(web.center.registry.forget(station))
    web.advance(RATE_STEP)
    assert not web.center.ingest.received_by and not figures._station_rates


def test_what_is_passed_over_is_counted_all_the_same(web: WebHouse) -> None:
    web.admin.context.feed.stop()
    web.happen(uplink(1), uplink(2), online())
    assert web.journal.events.counts() == {"uplink": 2, "station-state": 1}
