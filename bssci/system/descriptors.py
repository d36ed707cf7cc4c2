"""The file descriptors that the process may have: each connection takes one."""

from __future__ import annotations

import resource

MOST = 1 << 20
"""descriptors; some containers allow a milliard, for which programs of the system make room"""
OTHERS = 700
"""descriptors beside the connections of base stations: the web admin, the journal, sinks, the log"""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as that is allowed; return the limit in force."""
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
    """Return what is to be done if so many connections of base stations do not fit; empty if they do.

    :param limit: descriptors that the process may have.
    """
    if connections + OTHERS <= limit:
        return ""
    return (
        f"{limit} file descriptors are allowed, MAX_CONNECTIONS={connections} takes {connections + OTHERS}: "
        "raise LimitNOFILE of the unit (ulimit -Hn), or lower MAX_CONNECTIONS"
    )
