"""Runs scripts in threads, one for each script, so that a script that hangs delays nothing else.

A script may take 100 ms for a payload. The engine measures the CPU time of the process, so real time is
checked here as well: a payload whose time is over gets the answer ``timeout``, even if the thread has not
returned. A batch waits 150 ms at most for a script that hangs. After five timeouts in a row a script is
paused for a minute, then for twice as long each time, up to an hour; after a pause, one timeout is enough for
the next. A thread that does not return within 2 s is abandoned, and its script is paused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from bssci.center.decoding.rests import FIRST_REST, LONGEST_REST, PAYLOAD_TIME, TIMEOUTS_IN_A_ROW, Rest
from bssci.center.decoding.script_worker import DecodesByScript, Job, ScriptWorker
from bssci.center.decoding.slow import DecodingJob
from bssci.model import Decoded, DecodeFailure
from bssci.system.clock import Clock, Ticker, Timer

WAIT = 0.15
"""s after which payloads that were submitted together no longer wait for a script that hangs"""
STUCK_TIME = 2.0
"""s without progress after which a thread is abandoned"""
MAX_QUEUED = 10_000
"""payloads that may wait for a script"""
MAX_LEFT_BEHIND = 3
"""abandoned threads of one script at which it is not tried any more"""
MAX_SCRIPTS = 200
"""threads of all scripts, at most"""
IDLE_TIME = 300.0
"""s after which the thread of a script without work ends"""
STOP_TIME = 1.0
"""s that stopping waits for threads"""
_LOOK = 0.025
_LOOKS_OF_A_PAYLOAD = round(PAYLOAD_TIME / _LOOK)
_LOOKS_UNTIL_STUCK = round(STUCK_TIME / _LOOK)

_log = Logger()


class _Line:
    """A script, its thread and its queue."""

    def __init__(self, decoder: DecodesByScript, on_rest: Callable[[Rest], object]) -> None:
        self.decoder = decoder
        self.label = f"{decoder.name}@{decoder.version}"
        self.jobs: deque[Job] = deque()
        self.worker: ScriptWorker | None = None
        self.idle: Timer | None = None
        self.rest: Rest | None = None
        self.rest_until = 0.0
        self.left_behind: set[ScriptWorker] = set()
        self.timeouts = 0
        """number of timeouts so far"""
        self._in_a_row = 0
        self._rests = 0
        self._seen: tuple[Job, int] | None = None
        self._looks = 0
        """checks in a row without progress"""
        self._on_rest = on_rest

    @property
    def busy(self) -> bool:
        """Return whether jobs wait for the thread, or the thread is still decoding one that was given up."""
        return bool(self.jobs) or (self.worker is not None and self.worker.current is not None)

    @property
    def queued(self) -> int:
        return sum(len(job.requests) for job in self.jobs)

    def refusal(self, count: int, now: float) -> Decoded | None:
        """Return the failure for payloads that cannot be queued now; None if they can."""
        if now < self.rest_until:
            return self.failed("resting", self._resting(now))
        if self.rest is not None:
            self.rest = None
        if self.queued + count > MAX_QUEUED:
            return self.failed("busy", f"{self.queued} payloads wait for this script")
        return None

    def failed(self, code: str, message: str) -> Decoded:
        return Decoded(decoder=self.label, failure=DecodeFailure(code, message))

    def look(self, now: float) -> None:
        """Check the progress of the thread."""
        worker = self.worker
        if worker is None or not self.busy:
            return
        for job in tuple(self.jobs):
            self._take(job, now)
        current = worker.current
        if current is None or current is not self._seen:
            self._seen = current
            self._looks = 0
        else:
            self._looks += 1
        # Checks are counted, not seconds, so that a stall of the whole machine is not held against a script.
        hanging = self._looks >= _LOOKS_OF_A_PAYLOAD
        if current is not None and self._looks == _LOOKS_OF_A_PAYLOAD:
            self._over_time(*current, now)
        if self._looks >= _LOOKS_UNTIL_STUCK:
            self._leave_behind(worker, now)
            return
        for job in tuple(self.jobs):
            if now >= job.deadline and (hanging or self.timeouts > job.timeouts):
                job.fill(self.failed("timeout", "not tried: the script hangs on another payload"))
                self._settle(job)

    def done(self, worker: ScriptWorker, job: Job, now: float) -> None:
        """Process the results of a finished job."""
        self._take(job, now)
        self._settle(job)

    def came_back(self, worker: ScriptWorker, now: float) -> None:
        """Note that an abandoned thread has ended after all."""
        self.left_behind.discard(worker)
        self.rest_until = min(self.rest_until, now + LONGEST_REST)

    def fail_all(self, answer: Decoded) -> None:
        for job in tuple(self.jobs):
            job.fill(answer)
            self._settle(job)

    def _take(self, job: Job, now: float) -> None:
        """Count the results that are new since the last call."""
        while job.taken < len(job.results) and not job.cancelled:
            at = job.taken
            job.taken += 1
            if job.answers[at] is not None:
                continue
            failure = job.results[at].failure
            if failure is not None and failure.code == "timeout":
                self._count_timeout(now)
            else:
                self._in_a_row = self._rests = 0

    def _over_time(self, job: Job, at: int, now: float) -> None:
        if at >= len(job.results) and job.answers[at] is None:
            job.answers[at] = self.failed("timeout", f"it takes longer than {PAYLOAD_TIME * 1000:.0f} ms")
            self._count_timeout(now)
            self._settle(job)

    def _count_timeout(self, now: float) -> None:
        self.timeouts += 1
        self._in_a_row += 1
        if self._in_a_row >= TIMEOUTS_IN_A_ROW:
            self._begin_rest(now, "it took too long five times in a row")

    def _begin_rest(self, now: float, reason: str) -> None:
        seconds = min(FIRST_REST * 2.0**self._rests, LONGEST_REST)
        if len(self.left_behind) >= MAX_LEFT_BEHIND:
            seconds = float("inf")
        self._rests += 1
        self._in_a_row = TIMEOUTS_IN_A_ROW - 1
        self.rest_until = now + seconds
        self.rest = Rest(self.label, seconds, reason)
        self.fail_all(self.failed("resting", self._resting(now)))
        self._on_rest(self.rest)

    def _resting(self, now: float) -> str:
        reason = "" if self.rest is None else f": {self.rest.reason}"
        left = self.rest_until - now
        how_long = "until the service restarts" if left == float("inf") else f"for another {left:.0f} s"
        return f"the script is paused {how_long}{reason}"

    def _leave_behind(self, worker: ScriptWorker, now: float) -> None:
        worker.abandon()
        self.worker = None
        self.left_behind.add(worker)
        self._begin_rest(now, f"it did not come back within {STUCK_TIME:.0f} s")

    def _settle(self, job: Job) -> None:
        """Fire a job's Deferred if all its answers are there."""
        answers = job.answered()
        if answers is None or job not in self.jobs:
            return
        self.jobs.remove(job)
        job.done.callback(answers)


class ScriptThreads:
    """Decodes by scripts: the :class:`bssci.center.decoding.decoding.SlowDecoding` of the service.

    :param from_thread: ``reactor.callFromThread``.
    :param on_rest: called when a script is paused.
    :param start: starts a worker's thread.
    """

    def __init__(
        self,
        clock: Clock,
        from_thread: Callable[..., object],
        on_rest: Callable[[Rest], object] | None = None,
        start: Callable[[ScriptWorker], object] = ScriptWorker.start,
    ) -> None:
        self._clock = clock
        self._from_thread = from_thread
        self._on_rest = on_rest
        self._start = start
        self._lines: dict[tuple[str, str], _Line] = {}
        self._workers: set[ScriptWorker] = set()
        self._ticker = Ticker(clock, _LOOK, self._look)
        self._stopping: Deferred[None] | None = None

    @property
    def resting(self) -> tuple[Rest, ...]:
        """The scripts that are paused now."""
        now = self._clock.seconds()
        return tuple(
            line.rest for line in self._lines.values() if line.rest is not None and now < line.rest_until
        )

    def decode(self, decoder: DecodesByScript, requests: Sequence[DecodingJob]) -> Deferred[list[Decoded]]:
        """Decode payloads with one script, preferably all of a batch at once.

        :return: fires with one answer for each request, in their order; never fails. The answer may be a
            failure ``timeout``, ``resting`` or ``busy``.
        """
        line = self._line(decoder)
        now = self._clock.seconds()
        if self._stopping is not None:
            refusal: Decoded | None = line.failed("stopped", "the service stops")
        elif line.worker is None and len(self._workers) >= MAX_SCRIPTS:
            refusal = line.failed("busy", f"{MAX_SCRIPTS} scripts run already")
        else:
            refusal = line.refusal(len(requests), now)
        if refusal is not None or not requests:
            return succeed([refusal for _ in requests if refusal is not None])
        job = Job(requests, now + WAIT, line.timeouts)
        if line.idle is not None:
            line.idle.cancel()
            line.idle = None
        line.jobs.append(job)
        self._worker(line).jobs.put(job)
        self._ticker.start()
        return job.done

    def stop(self) -> Deferred[None]:
        """End the threads.

        :return: fires when they have ended, or after 1 s.
        """
        if self._stopping is not None:
            return self._stopping
        stopped: Deferred[None] = Deferred()
        self._stopping = stopped
        self._ticker.stop()
        for line in self._lines.values():
            line.fail_all(line.failed("stopped", "the service stops"))
            if line.idle is not None:
                line.idle.cancel()
                line.idle = None
        for worker in self._workers:
            worker.jobs.put(None)
        deadline = self._clock.callLater(STOP_TIME, self._stopped)

        def ended(_: None) -> None:
            if deadline.active():
                deadline.cancel()

        stopped.addCallback(ended)
        if not self._workers:
            self._stopped()
        return stopped

    def _rests(self, rest: Rest) -> None:
        _log.warn(
            "script {decoder} is paused for {seconds} s: {reason}",
            decoder=rest.decoder,
            seconds=rest.seconds,
            reason=rest.reason,
        )
        if self._on_rest is not None:
            self._on_rest(rest)

    def _line(self, decoder: DecodesByScript) -> _Line:
        key = (decoder.name, decoder.version)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(decoder, self._rests)
        return line

    def _worker(self, line: _Line) -> ScriptWorker:
        if line.worker is None:
            line.worker = ScriptWorker(line.decoder, self._tell_done, self._tell_end)
            self._workers.add(line.worker)
            self._start(line.worker)
        return line.worker

    def _tell_done(self, worker: ScriptWorker, job: Job) -> None:
        self._from_thread(self._done, worker, job)

    def _tell_end(self, worker: ScriptWorker) -> None:
        self._from_thread(self._ended, worker)

    def _done(self, worker: ScriptWorker, job: Job) -> None:
        for line in self._lines.values():
            if line.worker is worker:
                line.done(worker, job, self._clock.seconds())
                if not line.jobs and line.idle is None and self._stopping is None:
                    line.idle = self._clock.callLater(IDLE_TIME, self._close, line)
                break
        if not any(line.busy for line in self._lines.values()):
            self._ticker.stop()

    def _close(self, line: _Line) -> None:
        line.idle = None
        if line.worker is not None:
            line.worker.jobs.put(None)
            line.worker = None
        if line.rest is None and not line.left_behind:
            del self._lines[line.decoder.name, line.decoder.version]

    def _ended(self, worker: ScriptWorker) -> None:
        self._workers.discard(worker)
        for line in self._lines.values():
            if worker in line.left_behind:
                line.came_back(worker, self._clock.seconds())
        if self._stopping is not None and not self._workers:
            self._stopped()

    def _stopped(self) -> None:
        assert self._stopping is not None
        if not self._stopping.called:
            self._stopping.callback(None)

    def _look(self) -> None:
        now = self._clock.seconds()
        for line in tuple(self._lines.values()):
            line.look(now)
        if not any(line.busy for line in self._lines.values()):
            self._ticker.stop()
