from __future__ import annotations

from twisted.internet.task import Clock

from bssci.web.monitoring.figures import RATE_STEP, Figures, Rate
from tests.support.journal import online, reception, uplink


def test_a_rate_is_that_of_the_last_minute() -> None:
    rate = Rate(0.0)
    for step in range(1, 40):
        rate.mark(step * RATE_STEP, 100 if step > 20 else 0)
    assert rate.value(200.0, 100) == 0.0
    assert rate.value(200.0, 160) == 60 / (200.0 - 27 * RATE_STEP)
    assert Rate(5.0).value(5.0, 9) == 0.0


def test_events_are_counted_by_kind_and_by_station() -> None:
    clock = Clock()
    figures = Figures(clock)
    figures.start()
    figures.events([(1, uplink(1)), (2, uplink(2)), (3, online())])
    figures.skipped(4)
    assert (figures.uplinks, figures.receptions, figures.unseen) == (2, 2, 4)
    station = reception(1).base_station_eui
    assert figures.received_by == {station: 2}
    assert figures.by_kind.labels("station-state")._value.get() == 1
    clock.advance(RATE_STEP)
    assert figures.uplink_rate() == 2 / RATE_STEP
    assert figures.station_rate(station) > 0
    figures.stop()
    assert not clock.getDelayedCalls()
