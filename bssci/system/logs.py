"""Log lines: text or JSON, one event each, in the configured time zone; the level may change at run time."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from datetime import datetime, tzinfo
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from twisted.logger import (
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
)
from twisted.python.logfile import LogFile
from zope.interface import implementer

LEVELS = {level.name: level for level in LogLevel.iterconstants()}
LOG_FILE_BYTES = 10_000_000
"""size at which LOG_FILE is rotated"""
LOG_FILES = 10
"""rotated files that are kept"""

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LogFile: Any = LogFile
_log = Logger()
_open_files: list[_OwnFile] = []

_predicate = LogLevelFilterPredicate(defaultLogLevel=LogLevel.info)


def set_level(level: str) -> None:
    """Write lines of this level and above: debug, info, warn, error or critical."""
    _predicate.setLogLevelForNamespace("", LEVELS[level])


def is_enabled(level: str) -> bool:
    """Return whether a line of this level would be written, so that callers need not compose it."""
    return bool(_predicate.logLevelForNamespace("") <= LEVELS[level])


def observer(level: str, form: str, file: Path | None, timezone: str) -> Any:
    """Return the observer that writes the service's log.

    :param form: ``text`` or ``json``.
    :param file: rotated at 10 MB, with ten old files kept; its directory is created if necessary. None:
        standard output.
    :param timezone: name of the IANA time zone database.
    :raises OSError: ``file`` cannot be written.
    """
    set_level(level)
    # Twisted's legacy logger and HTTP client report every port and factory: keep warnings and errors only.
    for namespace in ("log_legacy", "twisted.web.client"):
        _predicate.setLogLevelForNamespace(namespace, LogLevel.warn)
    zone = ZoneInfo(timezone)
    writer: Any = _JSON(_open(file), zone) if form == "json" else _Text(_open(file), zone)
    return filtered(writer)


def filtered(observer: ILogObserver) -> ILogObserver:
    """Return an observer that passes to ``observer`` what LOG_LEVEL allows, also after a change of it."""
    return FilteringLogObserver(observer, [_predicate])


def _open(file: Path | None) -> TextIO | _OwnFile:
    if file is None:
        if isinstance(sys.stdout, TextIOWrapper):
            # A line with a character that the terminal's encoding lacks would be missing.
            sys.stdout.reconfigure(errors="backslashreplace")
        return sys.stdout
    opened = _OwnFile(file)
    _open_files.append(opened)
    return opened


def reopen() -> None:
    """Reopen the log files by their names, after an external rotation has moved them away."""
    for each in _open_files:
        each.reopen()


def rotate() -> None:
    """Begin a new file: the present one becomes ``NAME.1``, unless it has been moved away already."""
    for each in _open_files:
        if each.is_where_it_was():
            each.rotate()
        else:
            each.reopen()


def trouble() -> str:
    """Return why lines are not in the log file; empty: they are, or there is none. Tries once more."""
    for each in _open_files:
        each.try_again()
    return next((each.trouble for each in _open_files if each.trouble), "")


class _OwnFile(_LogFile):  # type: ignore[misc]
    """A log file with mode 0600 from its first byte on: it holds the link for the first log-in.

    Lines that cannot be written are counted, and missing.

    :ivar trouble: why the last line was not written; empty: it was.
    """

    _file: Any

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._lost = 0
        """lines that were not written since the last one that was"""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path.name, str(path.parent), rotateLength=LOG_FILE_BYTES, maxRotatedFiles=LOG_FILES)

    def _openFile(self) -> None:
        # An existing file keeps its mode: it may be meant for a group.
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        super()._openFile()

    def write(self, data: str) -> None:
        try:
            self._write(data)
        except OSError as error:
            self._lost += 1
            self._fail(error)

    def flush(self) -> None:
        """Do nothing: lines are not buffered, and the file may be closed after a rotation that failed."""

    def try_again(self) -> None:
        """Write that lines are missing, if that is possible now."""
        if self.trouble:
            try:
                self._write("")
            except OSError as error:
                self._fail(error)

    def _write(self, data: str) -> None:
        if self._file.closed:
            self._openFile()
        if self.trouble:
            super().write("\n")  # the end of a line of which only a part was written
        super().write(data)
        if self.trouble:
            lost, self.trouble, self._lost = self._lost, "", 0
            _log.warn("log file written again {file}, lines missing: {lost}", file=self.path, lost=lost)

    def _fail(self, error: OSError) -> None:
        before, self.trouble = self.trouble, error.strerror or type(error).__name__
        if not before:
            _log.error("log file not written {file} {error}", file=self.path, error=self.trouble)

    def is_where_it_was(self) -> bool:
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def reopen(self) -> None:
        """Open the file by its name; keep the open one if that fails."""
        before = self._file
        try:
            self._openFile()
        except OSError as error:
            self._file = before
            _log.error("log file not reopened {file} {error}", file=self.path, error=error.strerror)
        else:
            before.close()


@implementer(ILogObserver)
class _Text:
    def __init__(self, out: Any, zone: tzinfo) -> None:
        self._out = out
        self._zone = zone

    def __call__(self, event: LogEvent) -> None:
        logger = event.get("log_namespace", "-")
        line = f"{_time(event, self._zone)} {_level(event).upper():5} [{logger}] {_text(event)}"
        self._out.write(f"{_visible(line)}\n")
        self._out.flush()


@implementer(ILogObserver)
class _JSON:
    def __init__(self, out: Any, zone: tzinfo) -> None:
        self._out = out
        self._zone = zone

    def __call__(self, event: LogEvent) -> None:
        fields = {
            name: _json_value(value)
            for name, value in event.items()
            if not name.startswith("log_") and name not in _TWISTED
        }
        line = {
            "time": _time(event, self._zone),
            "level": _level(event),
            "logger": event.get("log_namespace", "-"),
            "text": _text(event),
        }
        self._out.write(json.dumps(line | fields) + "\n")
        self._out.flush()


_UNORDERED = (set, frozenset)
_LISTS = (list, tuple, *_UNORDERED)
_TWISTED = {"time", "system", "message", "format", "isError", "failure", "why", "printed"}


def _json_value(value: object) -> str | float | None:
    # JSON has no NaN and no infinity; the text of the line still says which of them it was.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, type(None))) else str(value)


def _time(event: LogEvent, zone: tzinfo) -> str:
    return datetime.fromtimestamp(event["log_time"], zone).isoformat(timespec="milliseconds")


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    return level.name if level is not None else "info"


def _visible(text: str) -> str:
    """Return a text with escapes for characters that move a terminal's cursor, colour or reorder it, and
    for those that UTF-8 cannot hold.
    """
    return _INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text)


def text_of(event: LogEvent) -> str:
    """Return the text of an event, with commas between the items of lists instead of Python's brackets."""
    listed = {
        name: ", ".join(map(str, sorted(value, key=str) if type(value) in _UNORDERED else value)) or "none"
        for name, value in event.items()
        if type(value) in _LISTS
    }
    return formatEvent({**event, **listed} if listed else event)


def _text(event: LogEvent) -> str:
    # The text may come from outside: indent its further lines, so that none passes for a line of the log.
    text = text_of(event).rstrip().replace("\n", "\n    ")
    failure = event.get("log_failure")
    return f"{text}\n{failure.getTraceback()}".rstrip() if failure is not None else text
