"""Changes made at the command line, on their way to the audit log, which the running service alone writes.

The program that makes a change writes it down in the file that it changes, or in the same step; the service
records it, and drops it from there.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

import msgspec

MAX_CHANGES = 1000
"""changes that wait at most; the oldest are dropped beyond it"""


class ShellChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change made at the command line."""

    at: float
    """Unix seconds"""
    who: str
    action: str
    target: str
    detail: str


def shell_user() -> str:
    """Return the name under which changes of this process are noted: the system's user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"command line {user}"


def noted(changes: Sequence[ShellChange], change: ShellChange) -> tuple[ShellChange, ...]:
    """Return the changes with another one behind them, as many as may wait."""
    return (*changes, change)[-MAX_CHANGES:]
