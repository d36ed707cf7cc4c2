"""How many lines are logged of what comes without end."""

from __future__ import annotations

from bssci.system.line_limit import LINES, PERIOD, LineLimit


def test_it_leaves_out_lines_and_counts_them() -> None:
    now = [100.0]
    limit = LineLimit(lambda: now[0])
    assert [limit.admit() for _ in range(LINES + 30)] == [0] * LINES + [None] * 30
    now[0] += PERIOD - 1
    assert limit.admit() is None
    now[0] += 1
    assert [limit.admit(), limit.admit()] == [31, 0]
    now[0] += PERIOD
    assert limit.admit() == 0


def test_a_clock_that_is_set_back_ends_a_period() -> None:
    now = [1000.0]
    limit = LineLimit(lambda: now[0])
    for _ in range(LINES + 1):
        limit.admit()
    now[0] = 0.0
    assert limit.admit() == 1
