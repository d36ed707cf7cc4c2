"""The embedded broker of the sink: started, started again if that fails, and replaced with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.mqtt.embedded import EmbeddedBroker
from bssci.mqtt.from_settings import EMBEDDED

BROKER_RETRY = 10.0
"""s until an embedded broker that did not start is started again"""


class OwnBroker:
    """The embedded broker, if the settings ask for one.

    :param port: port of the broker; None: there is none.
    :param started: called when a broker that is still wanted accepts connections.
    """

    log = Logger()

    def __init__(self, reactor: Any, port: int | None, started: Callable[[], None]) -> None:
        self._reactor = reactor
        self._started = started
        self._port = port
        self._broker = self._make(port)
        self._retry: IDelayedCall | None = None
        self._stopping = False
        self.trouble = ""
        """reason why the broker does not run; empty: it does, or there is none"""

    def _make(self, port: int | None) -> EmbeddedBroker | None:
        return None if port is None else EmbeddedBroker(self._reactor, port, lambda reason: None)

    @property
    def exists(self) -> bool:
        """Return whether there is an embedded broker, running or not."""
        return self._broker is not None

    def start(self) -> None:
        """Start the broker, if there is one."""
        if self._broker is not None:
            self._start(self._broker)

    async def leave(self, port: int | None) -> None:
        """Stop the broker, unless it is the one for this port."""
        older = self._broker
        if older is not None and not self._stopping and port != self._port:
            self._broker = None
            self.trouble = ""
            self._do_not_retry()
            await older.stop()

    def use(self, port: int | None) -> None:
        """Start a broker on this port, unless there is one, or None is wanted."""
        self._port = port
        if self._broker is None and not self._stopping:
            self._broker = self._make(port)
            self.start()

    async def stop(self) -> None:
        """Stop the broker for good."""
        if self._broker is not None:
            await self._broker.stop()

    def give_up(self) -> None:
        """Start no broker any more; the present one runs until :meth:`stop`."""
        self._stopping = True
        self._do_not_retry()

    def _start(self, broker: EmbeddedBroker) -> None:
        self._retry = None
        broker.start().addCallbacks(
            self._is_started, self._not_started, callbackArgs=(broker,), errbackArgs=(broker,)
        )

    def _is_started(self, _: None, broker: EmbeddedBroker) -> None:
        if self._is_wanted(broker):
            self.trouble = ""
            self._started()

    def _not_started(self, failure: Failure, broker: EmbeddedBroker) -> None:
        if not self._is_wanted(broker):
            return
        reason = failure.getErrorMessage()
        self.trouble = f"the embedded broker did not start: {reason}"
        self.log.error("MQTT broker not started {error}", error=reason)
        self._retry = self._reactor.callLater(BROKER_RETRY, self._start, broker)

    def _is_wanted(self, broker: EmbeddedBroker) -> bool:
        """Return whether a broker is the one of the present settings, and the sink is not stopping."""
        return broker is self._broker and not self._stopping

    def _do_not_retry(self) -> None:
        retry, self._retry = self._retry, None
        if retry is not None:
            retry.cancel()


def own_port(values: Mapping[str, Any]) -> int | None:
    """Return the port of the embedded broker; None if the settings name another broker."""
    port: int = values["MQTT_PORT"]
    return port if values["MQTT_BROKER"] == EMBEDDED else None
