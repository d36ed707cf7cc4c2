"""What a simulated sensor sends, and how stations hear it."""

from __future__ import annotations

from random import Random
from statistics import mean, stdev

from bssci.simulator.sensor import NOISE_DB, Signal, SimulatedSensor


def sensor(**fields: object) -> SimulatedSensor:
    return SimulatedSensor(0xCAFE, Random(3), {0: Signal(8, -110)}, **fields)


def test_counters_rise_and_roll_over() -> None:
    sending = sensor(packet_counter=0xFFFFFFFF)
    assert [sending.transmit().packet_counter for _ in range(3)] == [0xFFFFFFFF, 0, 1]


def test_each_uplink_has_another_payload() -> None:
    sending = sensor()
    assert len({sending.transmit().payload for _ in range(50)}) == 50


def test_only_a_bidirectional_sensor_listens_and_only_so_often() -> None:
    sending = sensor(bidirectional=True, window_every=3)
    assert [sending.transmit().downlink_open for _ in range(6)] == [True, False, False, True, False, False]
    assert not sensor().transmit().downlink_open


def test_a_downlink_is_acknowledged_in_the_next_uplink_only() -> None:
    sending = sensor(bidirectional=True)
    counter = sending.transmit().packet_counter
    sending.receive_downlink(counter, b"hello")
    assert [sending.transmit().downlink_acknowledged for _ in range(2)] == [True, False]
    assert sending.received == [b"hello"]


def test_a_downlink_that_comes_too_late_is_not_acknowledged() -> None:
    sending = sensor(bidirectional=True)
    counter = sending.transmit().packet_counter
    sending.transmit()
    sending.receive_downlink(counter, b"late")
    assert not sending.transmit().downlink_acknowledged


def test_the_acknowledgement_survives_the_roll_over() -> None:
    sending = sensor(bidirectional=True, packet_counter=0xFFFFFFFF)
    sending.receive_downlink(sending.transmit().packet_counter, b"")
    assert sending.transmit().downlink_acknowledged


def test_signals_scatter_around_their_mean() -> None:
    levels = [sensor_signal.snr for sensor_signal in map(sensor().signal_at, [0] * 500)]
    assert abs(mean(levels) - 8) < 0.3
    assert abs(stdev(levels) - NOISE_DB) < 0.3
