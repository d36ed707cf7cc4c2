"""A broker of our own for ``MQTT_BROKER=embedded``: starts, watches and stops a child process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.mqtt.broker_process import NOT_INSTALLED, PORT_TAKEN

START_TIMEOUT = 20.0
"""s from the start of the process to its first connection"""
TERM_TIMEOUT = 2.0
"""s from SIGTERM to SIGKILL"""
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
"""s between restarts, doubled from the first to the longest"""
SETTLED_AFTER = 10.0
"""s that the process must have run for the delay to start over"""
LONGEST_OUTPUT = 2000
"""bytes of what the child wrote that are kept for the log"""


class BrokerFailed(Exception):
    """The embedded broker did not start, or ended; the text says why and what to do."""


class EmbeddedBroker:
    """An MQTT broker on 127.0.0.1:``port``, without passwords and without files.

    Retained messages live as long as its process. The process ends with ours,
    even if that is killed.

    :param on_failed: called with the reason each time that the running broker
        dies; it is started again after a delay
    """

    log = Logger()

    def __init__(self, reactor: Any, port: int, on_failed: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._port = port
        self._on_failed = on_failed
        self._child: _Child | None = None
        self._restart: IDelayedCall | None = None
        self._delay = FIRST_DELAY
        self._running = False

    def start(self) -> Deferred[None]:
        """Start the broker.

        :return: fires when it accepts connections, or fails with
            :class:`BrokerFailed`, and then nothing is left running
        """
        self._running = True
        self._delay = FIRST_DELAY
        self._child = _Child(self._reactor, self._port)
        return self._child.ready.addCallbacks(self._started, self._not_started, callbackArgs=(self._child,))

    def stop(self) -> Deferred[None]:
        """Stop the broker with SIGTERM, and with SIGKILL if it has not ended ``TERM_TIMEOUT`` later.

        :return: fires when the process is gone; never fails
        """
        self._running = False
        if self._restart is not None and self._restart.active():
            self._restart.cancel()
        return succeed(None) if self._child is None else self._child.stop()

    def _started(self, _: None, child: _Child) -> None:
        self.log.info("MQTT broker started {port}", port=self._port)
        child.ended.addCallback(self._died, self._reactor.seconds())

    def _not_started(self, failure: Failure) -> Failure:
        self._running = False
        self._child = None
        return failure

    def _died(self, reason: str, started_at: float) -> None:
        self._child = None
        if not self._running:
            return
        if self._reactor.seconds() - started_at >= SETTLED_AFTER:
            self._delay = FIRST_DELAY
        self._schedule(reason)
        self._on_failed(reason)

    def _schedule(self, reason: str) -> None:
        self.log.error(
            "MQTT broker ended {port}: {reason}; restart in {delay} s",
            port=self._port,
            reason=reason,
            delay=self._delay,
        )
        self._restart = self._reactor.callLater(self._delay, self._start_again)
        self._delay = min(2 * self._delay, LONGEST_DELAY)

    def _start_again(self) -> None:
        self._child = _Child(self._reactor, self._port)
        self._child.ready.addCallbacks(self._started, self._not_started_again, callbackArgs=(self._child,))

    def _not_started_again(self, failure: Failure) -> None:
        self._child = None
        if self._running:
            self._schedule(failure.getErrorMessage())


class _Child(ProcessProtocol):
    """One run of the process.

    ``ready`` fires when it accepts connections or fails with
    :class:`BrokerFailed`; ``ended`` fires with the reason when it is gone.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[str] = Deferred()
        self._reactor = reactor
        self._port = port
        self._is_ready = False
        self._said = b""
        self._reason = ""
        self._gone: list[Deferred[None]] = []
        # The child must find the same packages as this process.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "bssci.mqtt.broker_process", "--port", str(port)]
        self._kill = reactor.callLater(START_TIMEOUT, self._end, f"not ready after {START_TIMEOUT:.0f} s")
        self._process = reactor.spawnProcess(self, sys.executable, command, environment)

    def stop(self) -> Deferred[None]:
        gone: Deferred[None] = Deferred()
        self._gone.append(gone)
        self._signal("TERM")
        if not self._kill.active():
            self._kill = self._reactor.callLater(TERM_TIMEOUT, self._signal, "KILL")
        else:
            self._kill.reset(TERM_TIMEOUT)
        return gone

    def outReceived(self, data: bytes) -> None:
        self._said = (self._said + data)[-LONGEST_OUTPUT:]
        if not self._is_ready and self._said.startswith(b"ready\n"):
            self._is_ready = True
            # It may have been called: after a pause of this process, timers come before what was said.
            if not self._gone and self._kill.active():
                self._kill.cancel()
            self._said = b""
            self.ready.callback(None)

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        if self._kill.active():
            self._kill.cancel()
        text = self._reason or self._explain(reason.value)
        if self._is_ready:
            self.ended.callback(text)
        else:
            self.ready.errback(BrokerFailed(text))
        for gone in self._gone:
            gone.callback(None)

    def _explain(self, end: BaseException | None) -> str:
        if not isinstance(end, (ProcessDone, ProcessTerminated)):
            return f"the embedded broker ended: {end}"
        said = self._said.decode("utf-8", "replace").strip()
        if end.exitCode == PORT_TAKEN:
            return f"port {self._port} of 127.0.0.1 is taken: set MQTT_PORT to a free one"
        if end.exitCode == NOT_INSTALLED:
            return f"the embedded broker is not installed: pip install bssci[broker] ({said})"
        if end.signal is not None:
            return f"the embedded broker was ended by signal {end.signal}"
        return f"the embedded broker ended with status {end.exitCode}: {said}"

    def _end(self, reason: str) -> None:
        self._reason = f"the embedded broker was {reason}"
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        try:
            self._process.signalProcess(name)
        except ProcessExitedAlready:
            return
