"""The limit on the process's open file descriptors: each connection takes one."""

from __future__ import annotations

import resource

MOST = 1 << 20
"""descriptors that are asked for at most; some containers allow a billion, for which libraries and child
processes would reserve memory or loop"""
OTHERS = 700
"""descriptors for everything but connections of base stations: web admin, journal, sinks, log"""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, but not above :data:`MOST`; return the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


def shortage(limit: int, connections: int) -> str:
    """Return advice if so many base station connections do not fit into the limit; empty if they do.

    :param limit: descriptors that the process may open.
    :param connections: base stations' connections at a time.
    """
    if connections + OTHERS <= limit:
        return ""
    return (
        f"{limit} file descriptors are allowed, MAX_CONNECTIONS={connections} needs {connections + OTHERS}: "
        "raise LimitNOFILE of the unit (ulimit -Hn), or lower MAX_CONNECTIONS"
    )
