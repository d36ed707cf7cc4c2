"""The time of a measurement: choosing which clock to believe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2500, 1, 1, tzinfo=UTC)
"""bounds of the times that a table can hold"""
PAST = 31 * 86400.0
"""s that a telegram may have waited at a gateway that was cut off"""
FUTURE = 300.0
"""s that another clock may be ahead of ours"""
_LATEST_SECONDS = (LATEST - EARLIEST).total_seconds()


class TimeError(ValueError):
    """A time that no table can hold: not a number, before 1970 or after 2500."""


def instant(seconds: float) -> datetime:
    """Return Unix seconds as a time of the database, in microseconds.

    :raises TimeError: if it is not between 1970 and 2500.
    """
    if not math.isfinite(seconds) or not 0 <= seconds < _LATEST_SECONDS:
        raise TimeError(f"the time {seconds!r} is not between 1970 and 2500")
    return EARLIEST + timedelta(microseconds=round(seconds * 1e6))


def believable_time(received_at: float, others: Iterable[float | None]) -> datetime:
    """Return the first believable time of the other clocks, else the time when we received it.

    A time is believable if it is at most 31 days before we received the telegram, because a gateway that is
    cut off keeps what it hears, and at most 5 minutes after.

    :param others: Unix seconds, the device's clock before the gateway's; None where there is none.
    :raises TimeError: none is believable and ``received_at`` is not between 1970 and 2500.
    """
    for seconds in others:
        if seconds is not None and -PAST <= seconds - received_at <= FUTURE:
            return instant(seconds)
    return instant(received_at)
