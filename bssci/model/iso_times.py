"""Points in time as ISO 8601 in UTC, to the digit that whoever reads them relies on."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_seconds(seconds: float) -> str:
    """Return Unix seconds as :func:`iso_time` has it, as far as a float holds them: to the microsecond."""
    return iso_time(round(seconds * 1e6) * 1000) if abs(seconds) < 1e12 else ""


def iso_time(nanoseconds: int) -> str:
    """Return ns since 1970 UTC as ISO 8601, with all digits; empty beyond all calendars."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
    except (OverflowError, ValueError, OSError):
        return ""


def iso_whole_seconds(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 without a fraction; empty beyond all calendars."""
    return f"{found[:19]}Z" if (found := iso_milliseconds(seconds)) else ""


def iso_milliseconds(seconds: float) -> str:
    """Return Unix seconds as ISO 8601 with milliseconds; empty beyond all calendars."""
    try:
        whole, milliseconds = divmod(int(seconds * 1000), 1000)
        return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
    except (OverflowError, ValueError, OSError):
        return ""
