"""Windows come a fixed time after their uplinks, on one timer."""

from __future__ import annotations

from twisted.internet.task import Clock

from bssci.simulator.sensor import RadioTelegram
from bssci.simulator.windows import WINDOW_DELAY, Windows


def test_each_window_comes_in_its_time_on_one_timer() -> None:
    clock = Clock()
    used: list[tuple[float, int]] = []
    windows = Windows(clock, lambda telegram: used.append((clock.seconds(), telegram.packet_counter)))
    for counter in range(3):
        windows.open_after(RadioTelegram(1, counter, b""))
        clock.advance(0.125)
    assert len(clock.getDelayedCalls()) == 1
    clock.pump([0.125] * 10)
    assert used == [(WINDOW_DELAY + 0.125 * counter, counter) for counter in range(3)]
    assert clock.getDelayedCalls() == []


def test_cleared_windows_pass_unused() -> None:
    clock = Clock()
    used: list[RadioTelegram] = []
    windows = Windows(clock, used.append)
    windows.open_after(RadioTelegram(1, 1, b""))
    windows.clear()
    assert clock.getDelayedCalls() == []
    windows.open_after(RadioTelegram(1, 2, b""))
    clock.advance(WINDOW_DELAY)
    assert [telegram.packet_counter for telegram in used] == [2]
