"""The thread that writes messages: it buffers bursts, writes batches, and acknowledges written messages
only.
"""

from __future__ import annotations

import logging
import queue
import random
import threading
from collections.abc import Callable
from typing import NamedTuple

from bssci.stream.address import StreamError
from bssci.stream.messages import StreamMessage
from bssci.stream.outputs import Output, OutputError, RefusedMessageError

BUFFER = 10_000
"""messages that may wait to be written; when there are more, reading from the network pauses"""
BATCH = 500
LONGEST_STREAK = 10
"""messages that are set aside in a row, at most: an output that refuses more is at fault itself"""
FIRST_DELAY, LONGEST_DELAY, JITTER = 1.0, 30.0, 0.25
"""s: first and longest delay between attempts, which doubles each time; and the largest random share added
to it
"""

log = logging.getLogger("bssci.watch")


class Arrival(NamedTuple):
    """A message from the network, and the function that acknowledges it."""

    message: StreamMessage
    acknowledge: Callable[[], None]


def delays() -> Callable[[], float]:
    """Return a function that returns the next delay in s: 1, 2, 4 ... 30, each a little longer at random."""
    state = [FIRST_DELAY]

    def following() -> float:
        delay = state[0]
        state[0] = min(2 * delay, LONGEST_DELAY)
        return delay * (1 + JITTER * random.random())

    return following


class OutputWriter:
    """Writes messages in the order in which they came.

    :param attempts: attempts at one batch after which it gives up; 0: never.
    :param ended: called from the thread when it gives up.
    :ivar written: messages that were written.
    :ivar error: reason why it gave up.
    """

    def __init__(self, output: Output, attempts: int, ended: Callable[[], None]) -> None:
        self._output = output
        self._attempts = attempts
        self._ended = ended
        self._queue: queue.Queue[Arrival | None] = queue.Queue(BUFFER)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._refused = 0
        """messages set aside since one was written"""
        self.written = 0
        self.error = ""

    def start(self) -> None:
        """Open the output and begin to write.

        :raises StreamError: the output cannot work with these options.
        """
        self._output.open()
        self._thread.start()

    def put(self, taken: Arrival) -> None:
        """Queue a message for writing; wait while the buffer is full, unless the writer has ended."""
        while not self._stopping.is_set():
            try:
                self._queue.put(taken, timeout=0.5)
                return
            except queue.Full:
                continue

    def stop(self, patience: float = 10.0) -> None:
        """Write what is in the buffer, if possible; then close the output.

        :param patience: s to wait for that.
        """
        if self._thread.is_alive():
            try:
                self._queue.put(None, timeout=patience)
            except queue.Full:
                log.warning("some messages could not be written; the service sends them again")
            self._thread.join(patience)
        self._stopping.set()
        self._output.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            batch, goes_on = self._batch()
            if batch and not self._write(batch):
                self._stopping.set()
                self._ended()
                return
            if not goes_on:
                return

    def _batch(self) -> tuple[list[Arrival], bool]:
        """Return the waiting messages, and whether more may follow."""
        batch: list[Arrival] = []
        taken = self._queue.get()
        while taken is not None:
            batch.append(taken)
            if len(batch) >= BATCH:
                return batch, True
            try:
                taken = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _write(self, batch: list[Arrival]) -> bool:
        """Write a batch, but for messages that the output refuses; return whether it goes on after that."""
        following, failed = delays(), 0
        parts = [batch]
        while parts:
            part = parts.pop(0)
            try:
                self._output.write([taken.message for taken in part])
            except OutputError as error:
                if isinstance(error, RefusedMessageError) and len(part) > 1:
                    middle = len(part) // 2
                    parts[:0] = [part[:middle], part[middle:]]
                    continue
                if isinstance(error, RefusedMessageError) and self._refused < LONGEST_STREAK:
                    self._set_aside(part[0], error)
                    continue
                failed += 1
                self.error = str(error)
                if self._attempts and failed >= self._attempts:
                    return False
                delay = following()
                log.warning("not written, next attempt in %.1f s: %s", delay, error)
                if self._stopping.wait(delay):
                    return False
                parts.insert(0, part)
            except StreamError as error:
                self.error = str(error)
                return False
            except Exception as error:  # a fault of the output must end the program, not just this thread
                self.error = f"{type(error).__name__}: {error}"
                return False
            else:
                following, failed = delays(), 0
                self.error, self._refused = "", 0
                self.written += len(part)
                for taken in part:
                    taken.acknowledge()
        return True

    def _set_aside(self, taken: Arrival, error: RefusedMessageError) -> None:
        """Go on without a message that the output refuses; the log is the place where it is kept."""
        self._refused += 1
        log.error("set aside, as it is refused each time: %s: %s", error, taken.message.line)
        taken.acknowledge()
