"""The pid file of twistd, after a crash or a reboot."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def remove_stale(path: Path) -> bool:
    """Remove a pid file that names no running twistd, and return whether that was done.

    twistd itself takes any process with that number for another twistd and refuses to start: after a
    reboot, or in a container, the number may be somebody else's, or its own.

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
        # Without /proc nothing can be said; with it, there is no such process.
        return not Path("/proc/self").exists()
    except OSError:
        return True
    return b"twist" in command
