"""The newest log lines in memory, for the log page."""

from __future__ import annotations

from collections import deque
from threading import RLock
from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from bssci.system import logs
from bssci.web.http.errors import invalid

MAX_LINES = 5000
MAX_BYTES = 4 * 1024 * 1024
"""size of all lines in bytes, approximately"""
MAX_TEXT = 4000
"""characters of a line, at most"""
LEVELS = ("debug", "info", "warn", "error", "critical")


@implementer(ILogObserver)
class Logbook:
    """The newest log lines that LOG_LEVEL allows. Log lines contain no secrets.

    Lines come from every thread; they are read in the reactor's.
    """

    def __init__(self) -> None:
        self._lock = RLock()  # garbage collection, which may run meanwhile, may log as well
        self._lines: deque[dict[str, Any]] = deque()
        self._count = 0
        self._bytes = 0
        self._observer = logs.filtered(self)

    def start(self) -> None:
        globalLogPublisher.addObserver(self._observer)

    def stop(self) -> None:
        globalLogPublisher.removeObserver(self._observer)

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level") or LogLevel.info
        text = logs.text_of(event)
        failure = event.get("log_failure")
        if failure is not None:
            text = f"{text}\n{failure.getTraceback()}"
        line: dict[str, Any] = {
            "number": 0,
            "timestamp": event["log_time"],
            "level": level.name,
            "logger": event.get("log_namespace", "-"),
            "text": text.strip()[:MAX_TEXT],
        }
        with self._lock:
            self._count = line["number"] = self._count + 1
            self._lines.append(line)
            self._bytes += _size(line)
            while len(self._lines) > MAX_LINES or self._bytes > MAX_BYTES:
                self._bytes -= _size(self._lines.popleft())

    async def read(self, level: str = "", logger: str = "", q: str = "", limit: int = 200) -> dict[str, Any]:
        """Return the newest lines, newest first.

        :param level: lowest level to return. :param logger: beginning of the logger's name, such as
            ``bssci.center``. :param q: part of the text, in upper or lower case. :raises ApiError: 422:
            there is no such level.
        """
        if level and level not in LEVELS:
            raise invalid("level", f"must be one of {', '.join(LEVELS)}")
        shown = LEVELS[LEVELS.index(level) if level else 0 :]
        wanted = q.lower()
        found: list[dict[str, Any]] = []
        with self._lock:
            lines = list(self._lines)
        for line in reversed(lines):
            if (
                line["level"] in shown
                and line["logger"].startswith(logger)
                and wanted in line["text"].lower()
            ):
                found.append(line)
                if len(found) == limit:
                    break
        loggers = sorted({line["logger"] for line in lines})
        return {"lines": found, "kept": len(lines), "loggers": loggers}


def _size(line: dict[str, Any]) -> int:
    return 200 + len(line["text"].encode("utf-8", "replace"))
