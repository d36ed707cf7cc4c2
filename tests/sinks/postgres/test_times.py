"""Which clock is believed, and what times no table holds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bssci.sinks.postgres.times import FUTURE, PAST, TimeError, believable_time, instant

RECEIVED = 1_790_000_000.0


def test_an_instant_has_microseconds() -> None:
    assert instant(1_700_000_000.123457) == datetime(2023, 11, 14, 22, 13, 20, 123457, UTC)


@pytest.mark.parametrize("seconds", [-0.001, 16_725_225_600.0, 1e300, float("nan"), float("inf")])
def test_a_time_before_1970_or_after_2500_is_refused(seconds: float) -> None:
    with pytest.raises(TimeError, match="between 1970 and 2500"):
        instant(seconds)


@pytest.mark.parametrize("seconds", [0.0, 16_725_225_599.0])
def test_the_first_and_the_last_second_are_taken(seconds: float) -> None:
    assert instant(seconds).timestamp() == seconds


def test_the_first_clock_that_is_believable_counts() -> None:
    assert believable_time(RECEIVED, [RECEIVED - 60, RECEIVED - 30]) == instant(RECEIVED - 60)
    assert believable_time(RECEIVED, [None, RECEIVED - 30]) == instant(RECEIVED - 30)
    assert believable_time(RECEIVED, [0.0, RECEIVED - 30]) == instant(RECEIVED - 30)


def test_ours_counts_where_no_other_is_believable() -> None:
    others = [RECEIVED + FUTURE + 1, RECEIVED - PAST - 1, float("nan"), 1e300, -1.0, None]
    assert believable_time(RECEIVED, others) == instant(RECEIVED)


def test_a_gateway_may_have_been_cut_off_for_a_month_and_be_a_little_ahead() -> None:
    assert believable_time(RECEIVED, [RECEIVED - PAST]) == instant(RECEIVED - PAST)
    assert believable_time(RECEIVED, [RECEIVED + FUTURE]) == instant(RECEIVED + FUTURE)
