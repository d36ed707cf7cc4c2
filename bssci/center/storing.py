"""The journal's ability to store what comes in: one answer for alarms, ``/readyz``, the pages and MQTT."""

from __future__ import annotations

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Fact, Journal, StorageError
from bssci.system.clock import Clock, within
from bssci.system.line_limit import LineLimit

FRESH = 2.0
"""s for which the result of a small write is reused, so that frequent questions cost nothing"""
WRITE_TIME = 2.0
"""s that the small write may take"""
LATELY = 15.0
"""s for which the journal counts as failing after a failure, as a full one still accepts the small write"""
_SETTING = "probed_at"


class Storing:
    """The journal's ability to store, by what failed lately and by small writes to try it.

    :ivar refusals: batches of messages from base stations that could not be stored, since the start.
    """

    log = Logger()

    def __init__(self, clock: Clock, journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self.refusals = 0
        self._lines = LineLimit(clock.seconds, lines=1)
        self._tried_at: float | None = None
        self._written = True
        """the last small write succeeded"""
        self._reason = ""
        """reason why the last small write that failed did so"""
        self._failures = self._count_failures()
        self._failed_at: float | None = None

    def is_failing(self) -> bool:
        """Return whether the last write failed, or something could not be stored within the last 15 s."""
        now, failures = self._clock.seconds(), self._count_failures()
        if failures != self._failures:
            self._failures, self._failed_at = failures, now
        is_recent = self._failed_at is not None and now - self._failed_at < LATELY
        return is_recent or not self._written or self._journal.statistics.failed_in_row > 0

    @property
    def trouble(self) -> str:
        """Reason why the journal does not store, if it is known; empty while it does."""
        return self._reason if self.is_failing() else ""

    def refused(self, failure: Failure) -> None:
        """Note that messages of a base station could not be stored."""
        self.refusals += 1
        if self._lines.admit() is not None:
            self.log.error(
                "uplinks refused, base stations keep them: {error}; {refusals} refusals so far",
                refusals=self.refusals,
                error=failure.getErrorMessage(),
            )

    async def attempt(self) -> None:
        """Try a small write, unless one was tried within the last 2 s."""
        now = self._clock.seconds()
        if self._tried_at is None or now - self._tried_at >= FRESH:
            self._tried_at = now
            self._written = await self._write(now)

    def refresh(self) -> None:
        """Begin such a small write, without waiting for it."""
        ensureDeferred(self.attempt()).addErrback(
            lambda failure: self.log.failure("trial write to the journal failed", failure)
        )

    def _count_failures(self) -> int:
        """Return the number of batches that were refused and commits that failed, since the start."""
        return self.refusals + self._journal.statistics.failed_commits

    async def _write(self, now: float) -> bool:
        written = self._journal.tables.put([Fact(name=_SETTING, value=f"{now:.0f}")])
        try:
            await within(WRITE_TIME, written, self._clock)
        except StorageError as error:
            self._reason = str(error)
            return False
        except DeferredTimeout:
            self._reason = f"a write has not ended for {WRITE_TIME:.0f} s"
            return False
        return True
