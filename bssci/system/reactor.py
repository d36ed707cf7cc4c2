"""The reactor of this process, looked up late: whoever imports it first decides which one it is."""

from __future__ import annotations

from typing import Any


def installed_reactor() -> Any:
    """Return the reactor, and install the default one if there is none yet."""
    from twisted.internet import reactor

    return reactor
