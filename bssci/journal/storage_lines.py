"""Log lines about what cannot be stored, so few that a full disk does not fill the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal.errors import StorageError
from bssci.system.line_limit import LineLimit


class StorageLines:
    """The lines of one part of the service about what it could not store or read: one a minute.

    :param log: logger of that part.
    :param seconds: returns the s of a clock.
    """

    def __init__(self, log: Logger, seconds: Callable[[], float]) -> None:
        self._log = log
        self._lines = LineLimit(seconds, lines=1)

    def note(self, failure: Failure, text: str, **fields: Any) -> None:
        """Log that something failed: a :class:`StorageError` in a line, anything else with its traceback.

        :param text: what failed, with the names of ``fields`` in braces: ``alarms not stored``.
        """
        if not isinstance(failure.value, StorageError):
            self._log.failure(text, failure, **fields)
        elif self._lines.admit() is not None:
            self._log.warn(f"{text} {{error}}", error=failure.getErrorMessage(), **fields)
