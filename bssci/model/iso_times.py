"""Points in time as ISO 8601 text in UTC, with as many digits as each kind of reader expects."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_seconds(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 with nine digits, exact to the microsecond as a float is.

    Empty for years outside 1 to 9999.
    """
    return iso_time(round(seconds * 1e6) * 1000) if abs(seconds) < 1e12 else ""


def iso_time(nanoseconds: int) -> str:
    """Return ns since 1970 UTC as ISO 8601 with nine digits; empty for years outside 1 to 9999."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
    except (OverflowError, ValueError, OSError):
        return ""


def iso_whole_seconds(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 without a fraction; empty for years outside 1 to 9999."""
    return f"{found[:19]}Z" if (found := iso_milliseconds(seconds)) else ""


def iso_day(seconds: float) -> str:
    """Return the day of Unix seconds, in UTC; empty for years outside 1 to 9999."""
    return iso_milliseconds(seconds)[:10]


def iso_milliseconds(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 with milliseconds; empty for years outside 1 to 9999."""
    try:
        whole, milliseconds = divmod(int(seconds * 1000), 1000)
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
    except (OverflowError, ValueError, OSError):
        return ""
