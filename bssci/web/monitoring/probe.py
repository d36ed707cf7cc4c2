"""Readiness of the service: whether the journal is writable, ports are open, and sinks deliver."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from bssci.center.service_center import ServiceCenter
from bssci.journal import Fact, StorageError
from bssci.system.clock import Clock
from bssci.web.outside import Outside

FRESH = 2.0
"""s for which a result is reused, so that frequent requests cost nothing"""
WRITE_TIME = 2.0
"""s that the small write may take"""
LATELY = 15.0
"""s for which a journal counts as failing after a failure, as a full one still accepts the small write"""
_SETTING = "probed_at"


class Probe:
    """Checks of journal, ports and sinks for ``/readyz`` and the dashboard."""

    log = Logger()

    def __init__(self, clock: Clock, center: ServiceCenter, outside: Outside) -> None:
        self._clock = clock
        self._center = center
        self._outside = outside
        self._asked_at: float | None = None
        self._written = True
        self._reason = ""
        """reason why the last small write that failed did so"""
        self._failures = self._count_failures()
        self._failed_at: float | None = None

    @property
    def journal_is_writable(self) -> bool:
        """True if the last small write to the journal succeeded, and nothing was refused recently."""
        if self._failed_at is not None and self._clock.seconds() - self._failed_at < LATELY:
            return False
        return self._written

    @property
    def journal_trouble(self) -> str:
        """Reason why the journal is not writable, if it is known; empty while it is."""
        return "" if self.journal_is_writable else self._reason

    def refresh(self) -> None:
        """Begin a check, without waiting for it."""
        ensureDeferred(self._try()).addErrback(
            lambda failure: self.log.failure("trial write to the journal failed", failure)
        )

    async def look(self) -> dict[str, Any]:
        """Return ``ready`` and its parts. A failing sink does not affect it, as its backlog is kept."""
        await self._try()
        listening = self._outside.listening()
        return {
            "ready": self.journal_is_writable and listening,
            "journal": self.journal_is_writable,
            "listening": listening,
            "sinks": self._center.deliveries.delivering(),
        }

    async def _try(self) -> None:
        now = self._clock.seconds()
        failures = self._count_failures()
        if failures != self._failures:
            self._failures, self._failed_at = failures, now
        if self._asked_at is None or now - self._asked_at >= FRESH:
            self._asked_at = now
            self._written = await self._write(now)

    def _count_failures(self) -> int:
        """Return the number of batches that were refused and commits that failed, since the start."""
        return self._center.refusals + self._center.journal.statistics.failed_commits

    async def _write(self, now: float) -> bool:
        written = self._center.journal.tables.put([Fact(name=_SETTING, value=f"{now:.0f}")])
        try:
            await written.addTimeout(WRITE_TIME, self._clock)  # type: ignore[arg-type]
        except StorageError as error:
            self._reason = str(error)
            return False
        except DeferredTimeout:
            self._reason = f"a write has not ended for {WRITE_TIME:.0f} s"
            return False
        return True
