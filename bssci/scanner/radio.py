"""The radio, which keeps a scan running: passive if the adapter supports it, restarted if it fails or falls
silent.

::

    starting --> scanning --90 s without an advertisement--> starting
       |  ^
       |  +-- 5, 10, 15 ... 30 s -- failed
       +-- passive refused: active from then on
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred
from twisted.logger import Logger

from bssci.scanner.advertisement import HeardAdvertisement
from bssci.system.clock import Clock, pause

SILENCE = 90.0
"""s without an advertisement after which the scan is restarted: BlueZ may fall silent without an error"""
RETRY_STEP, LONGEST_RETRY = 5.0, 30.0
"""s by which the wait grows after each failure in a row (5, 10, 15 ...), and the longest wait"""
LOOK = 5.0
"""s between checks whether anything was heard"""


class PassiveRefused(Exception):
    """The adapter, or its daemon, does not support passive scanning."""


class Scan(Protocol):
    """A running scan."""

    def stop(self) -> Deferred[None]: ...


StartScan = Callable[[bool, Callable[[HeardAdvertisement], None]], "Deferred[Scan]"]
"""begins a scan (passive if true) that calls back with advertisements; fails with :class:`PassiveRefused`, or
with another error that states the reason
"""
RadioState = Literal["scanning", "stopped", "error"]


class Radio:
    """Calls ``heard`` with each advertisement from start to stop.

    :ivar errors: failures so far.
    :ivar trouble: reason why nothing is heard now; empty if all is well.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        start_scan: StartScan,
        heard: Callable[[HeardAdvertisement], None],
        mode: Literal["auto", "passive", "active"],
    ) -> None:
        self._clock = clock
        self._start_scan = start_scan
        self._heard = heard
        self._mode = mode
        self.is_passive = mode != "active"
        self.errors = 0
        self.trouble = ""
        self.received = 0
        self._last = 0.0
        self._running: Deferred[None] | None = None
        self._scan: Scan | None = None

    @property
    def state(self) -> RadioState:
        if self._running is None:
            return "stopped"
        return "error" if self.trouble else "scanning"

    def start(self) -> None:
        """Begin to scan."""
        if self._running is None:
            self._running = ensureDeferred(self._run())
            self._running.addErrback(self._unexpected)

    def stop(self) -> Deferred[None]:
        """Stop scanning; fires when the scan has ended."""
        running, self._running = self._running, None
        self.trouble = ""
        if running is not None:
            running.cancel()
        return self._end_scan()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                self._scan = await self._start_scan(self.is_passive, self._on_heard)
            except CancelledError:
                return
            except PassiveRefused as error:
                if self._mode == "passive":
                    failures += 1
                    await self._wait(failures, str(error))
                else:
                    self.log.info("passive scanning refused, scanning actively: {reason}", reason=str(error))
                    self.is_passive = False
                continue
            except Exception as error:  # an error of the library, the daemon or the adapter
                failures += 1
                await self._wait(failures, str(error) or type(error).__name__)
                continue
            self._last = self._clock.seconds()
            self.trouble = ""
            self.log.info("scanning {way}", way="passively" if self.is_passive else "actively")
            heard_before = self.received
            await self._until_silent()
            if self.received > heard_before:
                failures = 0
            self.errors += 1
            self.log.warn("nothing heard for {seconds:.0f} s: scan restarted", seconds=SILENCE)
            await self._end_scan()

    def _on_heard(self, advertisement: HeardAdvertisement) -> None:
        if self._running is None:
            return
        self._last = self._clock.seconds()
        self.received += 1
        self._heard(advertisement)

    async def _wait(self, failures: int, reason: str) -> None:
        self.errors += 1
        self.trouble = " ".join(reason.split())[:300]
        delay = min(RETRY_STEP * failures, LONGEST_RETRY)
        self.log.warn(
            "scan failed, next attempt in {delay:.0f} s: {reason}", reason=self.trouble, delay=delay
        )
        await pause(self._clock, delay)

    async def _until_silent(self) -> None:
        while self._clock.seconds() - self._last < SILENCE:
            await pause(self._clock, LOOK)

    def _end_scan(self) -> Deferred[None]:
        scan, self._scan = self._scan, None
        if scan is None:
            return maybeDeferred(lambda: None)

        def failed(failure: Any) -> None:
            self.log.debug("scan not ended properly {reason}", reason=failure.getErrorMessage())

        return maybeDeferred(scan.stop).addErrback(failed)

    def _unexpected(self, failure: Any) -> None:
        if failure.check(CancelledError) is None:
            self.errors += 1
            self.trouble = failure.getErrorMessage()
            self.log.failure("scanning ended", failure)
