"""The child process of a trial: connects as the service does, reports how that went, and ends.

Settings come as JSON on standard input; the outcome leaves as JSON on standard output. It is a process of its
own because commands of the shell run no reactor, and because one that hangs can be killed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import msgspec
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed, ConnectionLost
from twisted.internet.task import react
from twisted.python.failure import Failure

from bssci.mqtt.connection import MqttConnection
from bssci.mqtt.transport import connect, explain
from bssci.mqtt.values import MqttSettings, Received, TrialOutcome

STAY = 1.6
"""s that a connection is kept, to see whether another client takes it over: the service's second attempt
follows its first after 1 to 1.25 s"""


class Trial:
    """One connection, kept for a moment and closed with a goodbye, so that no will is published.

    Messages that the broker has kept for this client are not acknowledged, and stay there.

    :param reactor: connects, and tells the time.
    :param time: s that the broker has to accept it.
    """

    def __init__(self, reactor: Any, settings: MqttSettings, time: float) -> None:
        self.found: Deferred[TrialOutcome] = Deferred()
        self._reactor = reactor
        self._settings = settings
        self._online = False
        self._is_over = False
        self._connection = MqttConnection(reactor, settings, self)
        self._timer = reactor.callLater(time, self._late)

    def start(self) -> Deferred[TrialOutcome]:
        """Begin the trial.

        :return: fires with how it went; never fails.
        """
        attempt = Deferred.fromCoroutine(connect(self._reactor, self._settings, self._connection))
        attempt.addErrback(lambda failure: self._over(_not_reached(failure)))
        return self.found

    def connection_opened(self, connection: MqttConnection) -> None:
        self._online = True
        self._timer.cancel()
        self._timer = self._reactor.callLater(STAY, self._leave)

    def connection_closed(self, connection: MqttConnection, reason: str) -> None:
        if connection.refusal:
            self._over(TrialOutcome("refused", connection.refusal))
        elif self._online:
            self._over(TrialOutcome("taken"))
        else:
            self._over(_closed(connection.loss, reason))

    def message_received(self, message: Received) -> Deferred[None]:
        # Never fires, so that the broker keeps the message for the service.
        return Deferred()

    def filter_answered(self, topic: str, refusal: str) -> None:
        """Do nothing: nothing is subscribed to."""

    def message_skipped(self, topic: str, size: int, retained: bool) -> None:
        """Do nothing: the connection acknowledges it, as it does for the service."""

    def _late(self) -> None:
        self._over(TrialOutcome("silent"))
        self._connection.abort("no answer")

    def _leave(self) -> None:
        self._over(TrialOutcome("accepted"), leave=False)
        self._connection.finish(1.0).addCallback(lambda _: self.found.callback(TrialOutcome("accepted")))

    def _over(self, outcome: TrialOutcome, *, leave: bool = True) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._timer.active():
            self._timer.cancel()
        if leave:
            self.found.callback(outcome)


def _not_reached(failure: Failure) -> TrialOutcome:
    return TrialOutcome("unreachable", explain(failure))


def _closed(loss: Failure | None, reason: str) -> TrialOutcome:
    error = loss.value if loss is not None else None
    if isinstance(error, VerificationError):
        return TrialOutcome("other name")
    if isinstance(error, SSL.Error):
        words = "certificate verify failed"
        return TrialOutcome("untrusted", words) if words in reason else TrialOutcome("tls", reason)
    if isinstance(error, ConnectionClosed) and type(error).__module__.startswith("bssci."):
        return TrialOutcome("unreachable", str(error))
    return TrialOutcome("closed", "lost" if isinstance(error, ConnectionLost) else "")


def main() -> None:
    parser = argparse.ArgumentParser(description="The child process of a trial.")
    parser.add_argument("--time", type=float, required=True)
    time = parser.parse_args().time
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=MqttSettings)

    async def tried(reactor: Any) -> None:
        outcome = await Trial(reactor, settings, time).start()
        print(msgspec.json.encode(outcome).decode(), flush=True)

    react(tried)


if __name__ == "__main__":
    main()
