"""The condition of a simulated station: plausible, and changing slowly."""

from __future__ import annotations

from random import Random

from bssci.simulator.telemetry import Telemetry


def test_values_move_a_little_and_stay_plausible() -> None:
    telemetry = Telemetry(Random(1))
    readings = [telemetry.read(-1, time_ns=number, uptime=float(number)) for number in range(500)]
    assert len({reading.temp for reading in readings}) > 10
    for before, after in zip(readings, readings[1:], strict=False):
        assert abs(after.temp - before.temp) <= 3
    assert all(0 <= reading.dutyCycle <= 0.1 and 0 < reading.cpuLoad < 1 for reading in readings)


def test_a_station_does_not_move_and_its_clock_is_the_one_it_is_given() -> None:
    telemetry = Telemetry(Random(1))
    first, second = telemetry.read(-1, time_ns=1, uptime=1.9), telemetry.read(-2, time_ns=2, uptime=2.0)
    assert first.geoLocation == second.geoLocation == telemetry.position
    assert (first.opId, first.time, first.uptime) == (-1, 1, 1)
