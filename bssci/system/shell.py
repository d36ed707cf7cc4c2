"""Changes made at the command line, on their way to the audit log, which only the running service writes.

The program that makes a change notes it in the same file, or in the same step; the service then writes the
audit entry and removes the note.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

import msgspec

MAX_CHANGES = 1000
"""changes that may wait for the audit log; beyond that the oldest are dropped"""


class ShellChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change made at the command line."""

    at: float
    """Unix seconds"""
    who: str
    action: str
    target: str
    detail: str


def shell_user() -> str:
    """Return the name under which changes of this process are audited: the system user."""
    return f"command line {system_user()}"


def system_user() -> str:
    """Return the name of the user of this process; the number of one without a name, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def noted(changes: Sequence[ShellChange], change: ShellChange) -> tuple[ShellChange, ...]:
    """Return ``changes`` with ``change`` appended, the oldest dropped beyond :data:`MAX_CHANGES`."""
    return (*changes, change)[-MAX_CHANGES:]
