"""The system's time as a date; apart from the clock, so that subcommands need not import the reactor."""

from __future__ import annotations

from datetime import UTC, datetime

DAY = 86400.0
"""s of a day"""


def utc_now() -> datetime:
    """Return the present time by the system's clock, for callers that are given no other clock."""
    return datetime.now(UTC)
