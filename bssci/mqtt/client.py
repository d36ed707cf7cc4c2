"""An MQTT client that stays connected: reconnects forever, and keeps nothing while it is offline."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Any, Literal

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from bssci.mqtt.connection import MqttConnection
from bssci.mqtt.filters import Filters
from bssci.mqtt.transport import connect, explain
from bssci.mqtt.values import (
    ConnectionHistory,
    IStream,
    MessageReceived,
    MessageSkipped,
    MqttOffline,
    MqttSettings,
    Publication,
    Received,
)
from bssci.system.clock import Ticker

__all__ = ["Publication", "MqttClient", "MqttOffline", "MqttSettings", "ConnectionHistory", "Received"]

ATTEMPT_TIMEOUT = 20.0
"""s for an attempt to connect: name resolution, TCP, TLS, websocket and CONNACK together"""
FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
"""s between attempts, doubled from the first to the longest"""
JITTER = 0.25
"""largest fraction of the delay that is added to it, so that many clients do not return at once"""
SETTLED_AFTER = 10.0
"""s that a connection must have lasted for the delay to start over: two clients with the same client
identifier disconnect each other as soon as they connect"""
START_TIME = 20.0
"""s from the beginning within which a broker that starts with the service need not be there"""
LONG_UNACKNOWLEDGED = 10.0
"""s without the acknowledgement of a message after which this is reported"""
CLOSE_TIME = 5.0
"""s that closing a connection may take"""
ASK_AGAIN = 30.0
"""s after which filters that the broker refused are tried again: its access rules may have been changed"""
TAKEOVERS = 3
"""connections that the broker ended without saying why, before another client is suspected"""
TAKEOVER_PERIOD = 600.0
"""s within which these must have ended: the delays of both clients grow"""
TAKEOVER_WARNED = 300.0
"""s after the last of these for which there is a warning: the connection works in between"""

Connector = Callable[[Any, MqttSettings, Protocol], Coroutine[Deferred[Any], Any, IStream]]


class ClientState(Enum):
    STOPPED = auto()
    """not started, or stopped: does nothing"""
    CONNECTING = auto()
    """an attempt is under way"""
    ONLINE = auto()
    """the broker accepted us"""
    WAITING = auto()
    """the last attempt or connection failed; another follows after a delay"""


class MqttClient:
    """One client of one broker.

    The callbacks may raise: it is logged and harms nothing. Within them every
    method may be called.

    :param reactor: connects, resolves names, tells the time
    :param on_online: the broker accepted a connection and the subscriptions
        are on their way: the place to publish a birth message
    :param on_offline: the connection that ``on_online`` announced has ended;
        called with the reason
    :param on_message: called with each message that comes in, see
        :data:`bssci.mqtt.values.MessageReceived`; a message with which this raises is acknowledged, since
        it would come again and again
    :param on_skipped: called with topic, size and whether it was retained, for a message that is too large
        to be taken
    :param on_refused: called with a filter when the broker has refused the subscription to it
    :param on_granted: called with a filter when the broker has accepted one that it had refused
    :param on_trouble: called with :attr:`trouble` whenever that has changed
    :param connect: see :func:`bssci.mqtt.transport.connect`
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: MqttSettings,
        *,
        on_online: Callable[[], None],
        on_offline: Callable[[str], None],
        on_message: MessageReceived,
        on_skipped: MessageSkipped = lambda topic, size, retained: None,
        on_refused: Callable[[str], None] = lambda topic: None,
        on_granted: Callable[[str], None] = lambda topic: None,
        on_trouble: Callable[[str], None] = lambda trouble: None,
        connect: Connector = connect,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._on_online = on_online
        self._on_offline = on_offline
        self._on_message = on_message
        self._on_skipped = on_skipped
        self._on_refused = on_refused
        self._on_granted = on_granted
        self._on_trouble = on_trouble
        self._connect = connect
        self._filters = Filters()
        self._asking = Ticker(reactor, ASK_AGAIN, self._ask_again)
        self._version: Literal["3.1.1", "5"] = "5"
        """version that is tried where the settings leave it open"""
        self._takeovers: deque[float] = deque(maxlen=TAKEOVERS)
        self._contended = ""
        self._contended_at = 0.0
        self._connection: MqttConnection | None = None
        self._attempt: Deferred[Any] | None = None
        self._stream: IStream | None = None
        self._timer: IDelayedCall | None = None
        self._delay = FIRST_DELAY
        self._begun_at = self._opened_at = 0.0
        self._announced = False
        self._connected_before = False
        self._wanted = False
        self._state = ClientState.STOPPED
        self._trouble = ""
        self.history = ConnectionHistory()

    @property
    def online(self) -> bool:
        """Return whether :meth:`publish` can reach the broker now."""
        return self._state is ClientState.ONLINE

    @property
    def has_connected(self) -> bool:
        """Return whether the broker has ever accepted a connection."""
        return self._connected_before

    @property
    def trouble(self) -> str:
        """Reason for not being connected, or for waiting; empty if all is well, if stopped, and during the
        first attempt."""
        if self.online and self._connection is not None:
            waited = self._connection.unacknowledged_for
            if waited < LONG_UNACKNOWLEDGED:
                return ""
            broker = f"{self._settings.host}:{self._settings.port}"
            return f"{broker} has not acknowledged a message for {waited:.0f} s"
        if not self._trouble or self._state is ClientState.STOPPED:
            return ""
        return f"not connected to {self._settings.host}:{self._settings.port}: {self._trouble.rstrip('.')}"

    @property
    def warning(self) -> str:
        """Text about another client that keeps taking over the connection; empty: there is none."""
        if self._contended and self._reactor.seconds() - self._contended_at < TAKEOVER_WARNED:
            return self._contended
        return ""

    def retry_soon(self) -> None:
        """Let the delays between attempts start over: the cause of the losses was found, or narrowed down."""
        self._delay = FIRST_DELAY
        if self._state is ClientState.WAITING and self._timer is not None and self._timer.active():
            left = self._timer.getTime() - self._reactor.seconds()
            self._timer.reset(min(left, FIRST_DELAY))

    def start(self) -> None:
        """Connect, and stay connected until :meth:`stop`. An absent broker is not an error."""
        self._wanted = True
        if self._state is ClientState.STOPPED and self._connection is None:
            self._begin()

    def subscribe(self, topics: Sequence[str], *, alone: bool = False) -> None:
        """Subscribe to ``topics`` with QoS 1, now and after every reconnect.

        :param alone: each in a packet of its own, because the broker may refuse it
        """
        groups = self._filters.add(topics, alone=alone)
        if self.online and self._connection is not None and groups:
            self._connection.subscribe(groups)

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Unsubscribe from ``topics``, and do not subscribe to them again after a reconnect."""
        self._filters.remove(topics)
        # A packet without a topic would end the connection.
        if topics and self.online and self._connection is not None:
            self._connection.unsubscribe(topics)

    def listens_to(self, topic: str) -> bool:
        """Return whether a message on this topic matches one of our subscriptions."""
        return self._filters.match(topic)

    @property
    def says_what_it_refuses(self) -> bool:
        """Return whether the broker reports which messages it refuses, which needs MQTT 5."""
        return self._connection is not None and self._connection.is_5

    @property
    def is_remembered(self) -> bool:
        """Return whether the broker has kept our session, and so what it retained for us."""
        return self._connection is not None and self._connection.is_remembered

    def is_refused(self, topic: str) -> bool:
        """Return whether the broker is known to refuse our subscription to this filter."""
        return topic in self._filters.refused or topic in self._filters.given_up

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        """Publish ``messages`` in their order, behind what was published before.

        The sequence must not be changed until the Deferred fires.

        :return: fires with None when every one is acknowledged (QoS 0: written).
            Fails with :class:`MqttOffline` at once without a connection, or
            when it is lost before the last acknowledgement: some may have
            arrived then. Fails with :class:`ValueError` for a topic that MQTT does not allow, and with
            :class:`bssci.mqtt.values.MessagesRefused` if the broker refused some of them (MQTT 5).
        """
        if not self.online or self._connection is None:
            return fail(MqttOffline(self.history.last_error or "not connected to the broker"))
        return self._connection.publish(messages)

    def reconfigure(self, settings: MqttSettings, *, last: Publication | None = None) -> Deferred[None]:
        """Switch to ``settings``: close the connection as :meth:`stop` does, then connect again.

        :return: fires when the new settings are in force; a connection follows
        """
        return Deferred.fromCoroutine(self._reconfigure(settings, last))

    def stop(self, deadline: float = CLOSE_TIME, *, last: Publication | None = None) -> Deferred[None]:
        """Wait for the outstanding acknowledgements, say goodbye, close.

        :param deadline: s for all of that; then the connection is cut, so that
            the broker publishes the will
        :param last: published behind everything else
        :return: fires when the connection is gone; never fails
        """
        self._wanted = False
        return Deferred.fromCoroutine(self._close(deadline, last))

    async def _reconfigure(self, settings: MqttSettings, last: Publication | None) -> None:
        if settings == self._settings:
            return
        self._settings = settings
        self._version = "5"
        await self._close(CLOSE_TIME, last)

    async def _close(self, deadline: float, last: Publication | None) -> None:
        state, self._state = self._state, ClientState.STOPPED
        self._cancel_timer()
        self._asking.stop()
        connection = self._connection
        if connection is not None and state is ClientState.CONNECTING:
            self._connection = None
            self._drop_attempt()
        elif connection is not None:
            await connection.finish(deadline, last)
        if self._wanted and self._connection is None:
            self._begin()

    # Connecting

    def _begin(self) -> None:
        self._begun_at = self._reactor.seconds()
        self._delay = FIRST_DELAY
        self._trouble = ""
        self._contended = ""
        self._takeovers.clear()
        self._try()

    def _try(self) -> None:
        self._state = ClientState.CONNECTING
        settings = self._settings
        if settings.version == "auto":
            settings = replace(settings, version=self._version)
        connection = self._connection = MqttConnection(self._reactor, settings, self)
        self._timer = self._reactor.callLater(ATTEMPT_TIMEOUT, self._give_up, connection)
        self._stream = None
        self._attempt = Deferred.fromCoroutine(self._connect(self._reactor, settings, connection))
        self._attempt.addCallbacks(
            self._reached, self._not_reached, callbackArgs=(connection,), errbackArgs=(connection,)
        )

    def _reached(self, stream: IStream, connection: MqttConnection) -> None:
        if connection is self._connection:
            self._stream = stream

    def _not_reached(self, failure: Failure, connection: MqttConnection) -> None:
        self.connection_closed(connection, explain(failure))

    def _give_up(self, connection: MqttConnection) -> None:
        self.connection_closed(connection, f"the broker did not answer within {ATTEMPT_TIMEOUT:.0f} s")

    def _drop_attempt(self) -> None:
        """Abandon the attempt to connect, however far it has come."""
        if self._stream is not None:
            self._stream.abortConnection()
        elif self._attempt is not None:
            self._attempt.cancel()

    def _cancel_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    # What the connection reports

    def connection_opened(self, connection: MqttConnection) -> None:
        if connection is not self._connection:
            return
        self._cancel_timer()
        self._state = ClientState.ONLINE
        self._trouble = ""
        self._opened_at = self._reactor.seconds()
        self._announced = True
        if self._connected_before:
            self.history.reconnects += 1
        self._connected_before = True
        self._filters.refused.clear()
        self.log.info("MQTT connected {host} {port}", host=self._settings.host, port=self._settings.port)
        self._call(self._on_trouble, "")
        connection.subscribe(self._filters, in_turn=self._filters.are_suspected)
        self._call(self._on_online)

    def connection_closed(self, connection: MqttConnection, reason: str) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        self._cancel_timer()
        announced, self._announced = self._announced, False
        if announced and self._state is not ClientState.STOPPED:
            reason = self._judge(connection, reason)
        other_version = not announced and self._try_other_version(connection)
        if self._state is ClientState.CONNECTING:
            self._drop_attempt()
        if self._state is not ClientState.STOPPED:
            self._retry(reason, was_online=announced, at_once=other_version)
        if announced:
            self._call(self._on_offline, reason)

    def message_received(self, message: Received) -> Deferred[None] | None:
        taken: Deferred[None] | None = self._call(self._on_message, message)
        return taken

    def filter_answered(self, topic: str, refusal: str) -> None:
        refused = self._filters.refused
        if refusal and topic not in refused:
            refused.add(topic)
            self.log.error("MQTT subscription refused {topic}: {reason}", topic=topic, reason=refusal)
            self._asking.start()
            self._call(self._on_refused, topic)
        elif not refusal and topic in refused:
            refused.remove(topic)
            self.log.info("MQTT subscription accepted at last {topic}", topic=topic)
            self._call(self._on_granted, topic)

    def _ask_again(self) -> None:
        refused = [[each] for group in self._filters for each in group if each in self._filters.refused]
        if refused and self.online and self._connection is not None:
            self._connection.subscribe(refused)
        else:
            self._asking.stop()

    def message_skipped(self, topic: str, size: int, retained: bool) -> None:
        self._call(self._on_skipped, topic, size, retained)

    def _try_other_version(self, connection: MqttConnection) -> bool:
        """Switch to the other version of MQTT, if the settings allow it and it may be why an attempt failed.

        :return: whether to try it at once, because it has not failed yet.
        """
        reached = self._stream is not None
        refused = connection.refusal and "protocol version" not in connection.refusal
        if self._settings.version != "auto" or refused or not (reached or connection.refusal):
            return False
        self._version = "3.1.1" if self._version == "5" else "5"
        return self._version == "3.1.1"

    def _judge(self, connection: MqttConnection, reason: str) -> str:
        """Return the reason of a loss, with the likely cause if such losses repeat."""
        if self._filters.lost(connection.unanswered_filters):
            self.retry_soon()
        now = self._reactor.seconds()
        client_id = self._settings.client_id
        if not connection.is_taken_over and (connection.unanswered or not connection.is_ended_by_broker):
            self._takeovers.clear()
            return reason
        self._takeovers.append(now)
        minutes = max(1, round((now - self._takeovers[0]) / 60))
        repeats = len(self._takeovers) == TAKEOVERS and now - self._takeovers[0] <= TAKEOVER_PERIOD
        often = f"{TAKEOVERS} times within {minutes} min"
        if connection.is_taken_over:
            cause = f"another client uses the client identifier {client_id!r}, give each its own"
            said = f"{reason}: {cause}"
        else:
            cause = (
                f"another client may use the client identifier {client_id!r} and take the session over,"
                " give each its own"
            )
            said = f"{reason}; {often}: {cause}" if repeats else reason
        if repeats:
            self._contended_at = now
            self._contended = f"the broker ended the connection {often}: {cause}"
        return said

    def _retry(self, reason: str, *, was_online: bool, at_once: bool = False) -> None:
        self._state = ClientState.WAITING
        starting = self._settings.starts_with_us and not self._connected_before
        starting = starting and self._reactor.seconds() - self._begun_at < START_TIME
        if starting or (was_online and self._reactor.seconds() - self._opened_at >= SETTLED_AFTER):
            self._delay = FIRST_DELAY
        delay = 0.0
        if not at_once:
            delay = self._delay * (1 + JITTER * random.random())
            self._delay = min(2 * self._delay, LONGEST_DELAY)
        self._timer = self._reactor.callLater(delay, self._try)
        news = was_online or (reason != self.history.last_error and not starting)
        self.log.emit(
            LogLevel.warn if news else LogLevel.debug,
            "MQTT not connected {host} {port}: {reason}; next attempt in {delay:.1f} s",
            host=self._settings.host,
            port=self._settings.port,
            reason=reason,
            delay=delay,
        )
        if starting:
            return
        self.history.last_error = self._trouble = reason
        self._call(self._on_trouble, self.trouble)

    def _call(self, callback: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return callback(*arguments)
        except Exception:
            self.log.failure("MQTT callback failed {callback}", callback=callback)
            return None
