"""The thread of one script, which processes jobs and shows the payload that it is decoding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.center.decoding.slow import DecodingJob
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.scripts import CALLS_OF_ONE_ENGINE, Script
from bssci.model import Decoded, DecodeFailure

_ENGINE_SPOILING = frozenset({"timeout", "out_of_memory", "stack_overflow"})
"""errors after which an engine may be in an undefined state"""


class LoadedScript(Protocol):
    """The part of :class:`bssci.decoders.scripts.ScriptEngine` that the worker calls."""

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Script: ...


class DecodesByScript(Protocol):
    """The part of :class:`bssci.decoders.scripts.ScriptDecoder` that the worker reads."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def engine(self) -> LoadedScript: ...


class Job:
    """Payloads that were submitted together.

    The thread appends to ``results`` and reads ``cancelled``; all else belongs to the reactor's thread.
    """

    def __init__(self, requests: Sequence[DecodingJob], deadline: float, timeouts: int) -> None:
        self.requests = requests
        self.deadline = deadline
        """reactor seconds after which the job no longer waits for a script that hangs"""
        self.timeouts = timeouts
        """number of timeouts of the script before this job"""
        self.results: list[Decoded] = []
        self.answers: list[Decoded | None] = [None] * len(requests)
        """answers given by the reactor's thread, which take precedence over ``results``"""
        self.taken = 0
        """results that have been counted"""
        self.cancelled = False
        self.done: Deferred[list[Decoded]] = Deferred()

    def answered(self) -> list[Decoded] | None:
        """Return every answer; None as long as one is missing."""
        results = self.results
        found = [
            answer if answer is not None else results[at] if at < len(results) else None
            for at, answer in enumerate(self.answers)
        ]
        complete = [answer for answer in found if answer is not None]
        return complete if len(complete) == len(found) else None

    def fill(self, answer: Decoded) -> None:
        """Give this answer to all payloads without one, and make the thread skip them."""
        self.cancelled = True
        known = len(self.results)
        self.answers = [
            given if given is not None or at < known else answer for at, given in enumerate(self.answers)
        ]


class ScriptWorker:
    """Runs jobs of one script, one after the other, in a thread of its own.

    :param on_done: called in the thread with each finished job.
    :param on_end: called in the thread when it ends.
    """

    def __init__(
        self,
        decoder: DecodesByScript,
        on_done: Callable[[ScriptWorker, Job], None],
        on_end: Callable[[ScriptWorker], None],
    ) -> None:
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        """jobs for the thread; None ends it"""
        self.current: tuple[Job, int] | None = None
        """job and index of the payload that is being decoded; a new tuple for each"""
        self.abandoned = False
        """true if the thread is no longer waited for, and should end as soon as it can"""
        self._decoder = decoder
        self._label = f"{decoder.name}@{decoder.version}"
        self._on_done = on_done
        self._on_end = on_end
        self._engine: LoadedScript | None = None
        self._calls = 0

    def start(self) -> None:
        """Start the thread, as a daemon thread, which does not keep the process from ending."""
        Thread(target=self.run, name=f"script {self._decoder.name}", daemon=True).start()

    def abandon(self) -> None:
        """Stop waiting for the thread, which is to end as soon as it can."""
        self.abandoned = True
        self.jobs.put(None)

    def run(self) -> None:
        """Work until told to end."""
        while self.step():
            pass
        self._engine = None
        self._on_end(self)

    def step(self) -> bool:
        """Wait for a job and process it.

        :return: false if the thread is to end.
        """
        job = self.jobs.get()
        if job is None or self.abandoned:
            return False
        for at, request in enumerate(job.requests):
            if job.cancelled:
                break
            self.current = (job, at)
            job.results.append(self._decode(request))
        self.current = None
        if not self.abandoned:
            self._on_done(self, job)
        return not self.abandoned

    def _decode(self, request: DecodingJob) -> Decoded:
        try:
            if self._engine is None or self._calls >= CALLS_OF_ONE_ENGINE:
                self._engine = self._decoder.engine()
                self._calls = 0
            self._calls += 1
            script = self._engine.decode(request.payload, request.parameters)
        except DecodeError as error:
            if error.code in _ENGINE_SPOILING:
                self._engine = None
            return Decoded(decoder=self._label, failure=DecodeFailure(error.code, error.message))
        except Exception as error:  # a bug here must not end the thread; it counts as a failure
            self._engine = None
            failure = DecodeFailure("fault", f"{type(error).__name__}: {error}")
            return Decoded(decoder=self._label, failure=failure)
        return Decoded(decoder=self._label, readings=tuple(script.readings), warnings=script.warnings)
