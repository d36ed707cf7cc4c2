"""The standing of a sensor: how long it has been silent, and what that means for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

SilenceState = Literal[
    "never seen", "registered", "active", "warning", "auto-detach pending", "auto-detached", "detached"
]


class SilenceLimits(NamedTuple):
    """Seconds of silence until the warning, and until the sensor is detached."""

    warning: float
    detach: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Activity of a sensor, for display."""

    state: SilenceState
    inactive_seconds: float | None
    """listening time, in s, since the sensor was last heard or attached; None if it never was"""
    seconds_until_detach: float | None
    """listening time, in s, until the sensor is detached; None if it will not be, or already is"""
    silent_since: float | None = None
    """Unix seconds when the sensor was last heard or attached; None if it never was"""
