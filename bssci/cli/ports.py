"""Checks of ports: whether they are free, and whether a process listens on one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bssci.settings.groups import ListeningAddress
from bssci.settings.trial import cannot_listen

_LISTEN = "0A"
"""state of a socket that listens, in /proc/net/tcp"""


def listening_problems(places: Iterable[ListeningAddress]) -> Iterator[tuple[str, str]]:
    """Yield setting and reason for each address on which the service could not listen now."""
    for place in places:
        reason = cannot_listen(place.host, place.port)
        if reason is not None:
            yield place.setting, f"{place.setting}: cannot listen on {place.host}:{place.port}: {reason}"


def reachable(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def listens(pid: int, port: int, processes: Path = Path("/proc")) -> bool:
    """Return whether a process of this machine listens on a TCP port.

    Nothing is sent to the port: the process would count it as a refused connection. Of a process whose
    sockets we may not see, as that of another user or one that systemd runs with PrivateUsers=yes, it is
    enough that its user listens on the port.

    :param processes: folder of the processes, as Linux shows them.
    """
    process = processes / str(pid)
    try:
        sockets = {f"socket:[{inode}]" for inode, _ in _listening(process, port)}
        return any(_target(each) in sockets for each in (process / "fd").iterdir())
    except PermissionError:
        pass
    except OSError:
        return False
    try:
        owner = process.stat().st_uid
        return any(user == owner for _, user in _listening(processes / "self", port))
    except OSError:
        return False


def _listening(process: Path, port: int) -> Iterator[tuple[str, int]]:
    """Yield inode and user of each socket that listens on a port in the network of a process."""
    for name in ("tcp", "tcp6"):
        table = process / "net" / name
        if not table.exists():
            continue  # a machine without IPv6
        for line in table.read_text("ascii").splitlines()[1:]:
            # A line is: number, local address, remote address, state, ..., user (eighth), ..., inode (tenth).
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9], int(fields[7])


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:  # closed meanwhile
        return ""
