from __future__ import annotations

from datetime import UTC, timedelta

from bssci.system.utc import utc_now


def test_it_is_in_utc_and_goes_on() -> None:
    first, second = utc_now(), utc_now()
    assert first.tzinfo is UTC and timedelta(0) <= second - first < timedelta(hours=1)
