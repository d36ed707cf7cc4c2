"""Memory and processor time of this process, from /proc."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class ProcessUsage:
    """Memory and processor time of the process; the processor share is that since the last report.

    :param now: s of a monotonic clock.
    """

    def __init__(self, now: Callable[[], float], proc: Path = Path("/proc/self")) -> None:
        self._now = now
        self._proc = proc
        self._asked, self._used = now(), self._processor()

    def report(self) -> dict[str, object]:
        """Return ``memory_usage_mb``, ``cpu_percent`` (of one core) and ``platform``."""
        now, used = self._now(), self._processor()
        passed = now - self._asked
        share = (used - self._used) / passed * 100 if passed > 0 else 0.0
        self._asked, self._used = now, used
        system = os.uname()
        return {
            "memory_usage_mb": round(self._memory() / 2**20, 1),
            "cpu_percent": round(share, 1),
            "platform": f"{system.sysname} {system.release} {system.machine}",
        }

    def _memory(self) -> int:
        try:
            pages = int((self._proc / "statm").read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _processor(self) -> float:
        times = os.times()
        return times.user + times.system
