"""Time of the system's clock as a date, without the reactor's modules, which most sub-commands do without."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time now, for whoever is given no other clock."""
    return datetime.now(UTC)
