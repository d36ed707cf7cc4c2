"""A source while the service runs: started with retries, asked for its trouble, stopped in time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.telegrams.door import SourceDoor
from bssci.model.commands import CommandError
from bssci.model.own_words import fault_of, own_words
from bssci.system.clock import Timer
from bssci.system.line_limit import is_logged

FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
"""s between two attempts to start a source, doubled from the first to the longest"""
LONG_CALL = 1.0
"""s in which a source's start should have returned: the whole service stands still meanwhile"""
STOP_TIME = 2.0
"""s that a source may take to stop"""


class RunningSource:
    """One source of the service.

    :param source: an :class:`bssci.sources.ISource`.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, name: str, source: Any, door: SourceDoor) -> None:
        self.name = name
        self.source = source
        self._clock = clock
        self._door = door
        self._delay = FIRST_DELAY
        self._timer: Timer | None = None
        self._started = False
        self._start_error = ""
        self._failures = 0
        """attempts to start the source that failed"""

    def start(self) -> None:
        """Start the source; try again while it raises."""
        self._timer = None
        began = self._clock.seconds()
        try:
            self.source.start(self._door)
        except (
            Exception,
            SystemExit,
        ) as error:  # of a third party; the others go on
            self._start_error = f"not started: {fault_of(error)}"
            if is_logged(self._failures + 1):
                self.log.failure(
                    "source not started {name}, {failed} attempts failed; tried again in {delay} s",
                    name=self.name,
                    delay=self._delay,
                    failed=self._failures + 1,
                )
            self._failures += 1
            self._timer = self._clock.callLater(self._delay, self.start)
            self._delay = min(2 * self._delay, LONGEST_DELAY)
        else:
            self._started = True
            self._start_error = ""
            if self._failures:
                self.log.info(
                    "source started {name} after {failed} failed attempts",
                    name=self.name,
                    failed=self._failures,
                )
        took = self._clock.seconds() - began
        if took > LONG_CALL:
            text = "source held up the whole service {name}: start returned after {seconds:.1f} s"
            self.log.warn(text, name=self.name, seconds=took)

    def stop(self) -> Deferred[None]:
        """Stop the source; telegrams that it offers from now on are refused. Never fails."""
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._started:
            self._started = False
            stopped: Deferred[Any] = maybeDeferred(self.source.stop)
            await stopped.addTimeout(STOP_TIME, self._clock).addErrback(self._not_stopped)
        self._door.close()

    def _not_stopped(self, failure: Failure) -> None:
        self.log.failure("source not stopped properly {name}", failure, name=self.name)

    def publish(self, topic: str, payload: bytes) -> Deferred[None]:
        """Have the source send a message the other way.

        :return: fires when the other side has it, or fails with CommandError: ``unavailable``.
        """
        return ensureDeferred(self._publish(topic, payload))

    @property
    def can_send(self) -> bool:
        """Return whether the source takes messages for the other side."""
        return getattr(self.source, "publish", None) is not None

    async def _publish(self, topic: str, payload: bytes) -> None:
        if not self.can_send:
            raise CommandError("unavailable", f"the source {self.name} cannot send")
        try:
            await self.source.publish(topic, payload)
        except CancelledError:  # nobody waits any longer, and the other side may have it
            raise
        except Exception as error:  # a third party's source may raise anything
            raise CommandError("unavailable", f"not sent by {self.name}: {error}") from error

    @property
    def trouble(self) -> str:
        """Reason why the source brings nothing now; empty: all is well."""
        if self._start_error:
            return self._start_error
        return own_words(self.source, "trouble") or self._door.trouble
