"""Removal of a pid file that twistd left behind at a crash or a reboot."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def remove_stale(path: Path) -> bool:
    """Remove a pid file that names no running twistd; return whether there was one to remove.

    twistd takes any process with that id for another twistd and refuses to start. After a reboot, or in a
    container, the id may belong to an unrelated process, or to the new twistd itself.

    :raises OSError: it cannot be removed.
    """
    try:
        text = path.read_text("ascii", "replace")
    except OSError:
        return False
    if text.strip().isdigit() and _is_twistd(int(text)):
        return False
    with suppress(FileNotFoundError):
        path.unlink()
    return True


def _is_twistd(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        # With /proc there is no such process; without it nothing is known, so assume that there is one.
        return not Path("/proc/self").exists()
    except OSError:
        return True
    return b"twist" in command
