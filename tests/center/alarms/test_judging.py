from __future__ import annotations

import pytest

from bssci.center.alarms.judging import certificate_state, fill_severity, is_watched

DAY = 86400.0


@pytest.mark.parametrize(
    ("share", "severity"),
    [(0.0, None), (0.79, None), (0.8, "warning"), (0.96, "warning"), (0.97, "error"), (1.0, "error")],
)
def test_a_journal_that_fills_up(share: float, severity: str | None) -> None:
    assert fill_severity(share) == severity


@pytest.mark.parametrize(
    ("begins", "ends", "state"),
    [(1.0, 90.0, "early"), (-9.0, -1.0, "ended"), (-9.0, 29.0, "ending"), (-9.0, 30.0, None)],
)
def test_a_certificate_counts_before_during_and_after_its_time(
    begins: float, ends: float, state: str | None
) -> None:
    now = 1_700_000_000.0
    assert certificate_state(now + begins * DAY, now + ends * DAY, now, 30) == state


@pytest.mark.parametrize(
    ("is_offline", "ends", "bundle", "watched"),
    [
        (False, 5.0, 900.0, True),
        (True, 5.0, 900.0, False),
        (True, 5.0, 0.0, True),
        (True, -29.0, 0.0, True),
        (True, -31.0, 0.0, False),
        (False, -31.0, 0.0, True),
    ],
)
def test_what_a_station_that_went_had_shown_is_not_watched_for_ever(
    is_offline: bool, ends: float, bundle: float, watched: bool
) -> None:
    now = 1_700_000_000.0
    ends_at, bundle_ends_at = now + ends * DAY, now + bundle * DAY if bundle else 0.0
    assert is_watched(is_offline, ends_at, bundle_ends_at, now) is watched
