"""How many lines are logged of what comes without end."""

from __future__ import annotations

from pathlib import Path

import bssci
from bssci.system.line_limit import (
    FAULTS,
    LINES,
    LOG_EVERY,
    PERIOD,
    FaultLimit,
    LineLimit,
    is_logged,
    telling,
)


def test_of_faults_that_are_alike_the_first_is_logged_and_then_few() -> None:
    logged = [count for count in range(1, 3 * LOG_EVERY) if is_logged(count)]
    assert logged == [1, 1 + LOG_EVERY, 1 + 2 * LOG_EVERY]


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


def _admitted(limit: FaultLimit, text: str) -> int | None:
    try:
        exec(text)
    except ArithmeticError as error:
        return limit.admit(error)
    raise AssertionError


def test_each_fault_is_logged_once_in_a_period() -> None:
    now = [100.0]
    limit = FaultLimit(lambda: now[0])
    assert [_admitted(limit, text) for text in ("1/0", "1/0", "\n1/0", "\n1/0", "1/0")] == [
        0,
        None,
        0,
        None,
        None,
    ]
    now[0] += PERIOD
    assert [_admitted(limit, text) for text in ("1/0", "\n1/0")] == [2, 1]


def test_places_of_faults_are_bounded() -> None:
    limit = FaultLimit(lambda: 1.0)
    for line in range(FAULTS + 1):
        assert _admitted(limit, "\n" * line + "1/0") == 0
    assert len(limit._limits) == 1


def test_a_line_says_how_many_were_left_out_before_it_if_any_were() -> None:
    said = [telling("ignored {reason}", count).format(reason="why", left_out=count) for count in (0, 1, 31)]
    assert said == ["ignored why", "ignored why, 1 line left out", "ignored why, 31 lines left out"]
    files = Path(bssci.__file__).parent.rglob("*.py")
    assert [path.name for path in files if "{left_out} lines" in path.read_text()] == []
