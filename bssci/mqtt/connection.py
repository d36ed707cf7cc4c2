"""One connection to the broker, from CONNECT to its loss.

Everything sent within one reactor turn leaves in one write::

    publish() --> queue --> [window] --> paho --> list --> transport.write
    dataReceived --> gate --> paho --> acknowledgements, messages
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from typing import Protocol as Interface

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.model.counts import many
from bssci.mqtt import version5
from bssci.mqtt.asking import Asking
from bssci.mqtt.batches import Confirmation
from bssci.mqtt.engine import KEEPALIVE, Engine, PacketGate
from bssci.mqtt.publishing import PublishWindow
from bssci.mqtt.transport import TLS_ERRORS, explain
from bssci.mqtt.values import (
    IStream,
    MessageNotTaken,
    MqttOffline,
    MqttSettings,
    Publication,
    Received,
)
from bssci.system.clock import Ticker
from bssci.system.line_limit import LineLimit, telling

SILENCE = 1.5 * KEEPALIVE
"""s without a byte or a due acknowledgement from the broker, after which it is considered gone"""
MAXIMUM_PACKET = 1 << 20
"""bytes; larger ones from the broker are skipped, and reported without their payload"""
SLICE = 1 << 14
"""bytes of input that are handled in one reactor turn"""
TICK = 1.0
"""s between checks of the keepalive"""


class Owner(Interface):
    """The owner of a connection, which is told what happens to it."""

    def connection_opened(self, connection: MqttConnection) -> None:
        """Note that the broker accepted the connection."""

    def connection_closed(self, connection: MqttConnection, reason: str) -> None:
        """Note that the connection is gone, or never came to be; the unacknowledged messages fail next."""

    def message_received(self, message: Received) -> Deferred[None] | None:
        """Take a subscribed message. Must not raise.

        :return: see :data:`bssci.mqtt.values.MessageReceived`
        """

    def filter_answered(self, topic: str, refusal: str) -> None:
        """Note that the broker accepted the subscription to this filter, or refused it.

        :param refusal: the reason, in the broker's words; empty: accepted.
        """

    def message_skipped(self, topic: str, size: int, retained: bool) -> None:
        """Take note of a message that is too large, of ``size`` bytes. Must not raise."""


@implementer(IPushProducer)
class MqttConnection(Protocol):
    """Speaks MQTT over one transport; made anew for each connection.

    :param clock: for the keepalive and for deadlines
    """

    log = Logger()
    transport: IStream

    def __init__(self, clock: IReactorTime, settings: MqttSettings, owner: Owner) -> None:
        self._clock = clock
        self._owner = owner
        self._window = PublishWindow(settings.version == "5", settings.qos)
        self._engine = Engine(settings, self._wake, self._window.settled)
        self._engine.on_connect = self._connected
        self._engine.on_message = self._message
        self._engine.on_subscribe = self._subscribed
        self._engine.on_disconnect = self._disconnected
        self._silence = SILENCE
        self._gate = PacketGate(MAXIMUM_PACKET)
        self._lines = LineLimit(clock.seconds)
        self._asking = Asking(clock, self._subscribe)
        self._unconfirmed: deque[Confirmation] = deque()
        self._inbound = b""
        self._input_paused = False
        self._turn: IDelayedCall | None = None
        self._deadline: IDelayedCall | None = None
        self._ticker = Ticker(clock, TICK, lambda: self._guard(self._tick))
        self._heard_at = 0.0
        self._reason = ""
        self._paused = False
        self._finishing = False
        self._hung_up = False
        self._lost = False
        self._gone: list[Deferred[None]] = []
        self.is_taken_over = False
        """the broker said that another client took the session over"""
        self.is_remembered = False
        """the broker has kept the session of an earlier connection, and so what it retained since then"""
        self.refusal = ""
        """the broker's reason for not accepting the connection"""
        self.loss: Failure | None = None
        """reason why the transport closed"""
        self._greeting = "sent last: CONNECT" + (", with a last will" if settings.will is not None else "")
        """words for the CONNECT, until the broker has answered it"""
        self.unanswered = ""
        """packets that the broker had not answered when the connection ended, in words"""

    # What the owner calls

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        """See :meth:`bssci.mqtt.client.MqttClient.publish`."""
        if self._lost or self._finishing:
            return fail(MqttOffline(self._reason or "the connection is closing"))
        if not messages:
            return succeed(None)
        return self._publish(messages)

    def subscribe(self, groups: Iterable[Sequence[str]], *, in_turn: bool = False) -> None:
        """Ask for filters with QoS 1, those of a group in one packet; a refusal is logged.

        :param in_turn: wait for each answer, and publish nothing before all have come; see :class:`Asking`.
        """
        self._asking.add(groups, in_turn=in_turn)

    @property
    def unanswered_filters(self) -> Sequence[str]:
        """Filters of the first SUBSCRIBE that the broker has not answered."""
        return self._asking.unanswered

    @property
    def unacknowledged_for(self) -> float:
        """Time in s for which the broker has left the oldest message unacknowledged; 0: there is none."""
        return self._clock.seconds() - self._window.progress_at if self._window.in_flight else 0.0

    @property
    def is_ended_by_broker(self) -> bool:
        """Return whether the broker closed the connection cleanly."""
        return self.loss is not None and self.loss.check(ConnectionDone) is not None

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Unsubscribe from filters."""
        self._engine.unsubscribe(list(topics))
        self._wake()

    @property
    def is_5(self) -> bool:
        """Return whether the connection speaks MQTT 5, in which the broker says what it refuses."""
        return self._engine.is_5

    def _subscribe(self, topics: Sequence[str]) -> int | None:
        packet_id: int | None = None
        try:
            _, packet_id = self._engine.subscribe([(topic, 1) for topic in topics])
        except ValueError as error:
            self.log.error("MQTT subscription is invalid {topics}: {error}", topics=topics, error=error)
        return packet_id

    def finish(self, deadline: float, last: Publication | None = None) -> Deferred[None]:
        """Wait for the acknowledgements, say goodbye and close.

        :param deadline: s after which the connection is cut instead; the
            broker then publishes the will
        :param last: published after everything else
        :return: fires when the connection is gone
        """
        gone: Deferred[None] = Deferred()
        if self._lost:
            gone.callback(None)
            return gone
        self._gone.append(gone)
        if not self._finishing:
            if last is not None:
                self._publish([last]).addErrback(self._farewell_failed)
            self._finishing = True
            self._deadline = self._clock.callLater(
                deadline, self.abort, "closed before everything was acknowledged"
            )
            self._wake()
        return gone

    def abort(self, reason: str) -> None:
        """Cut the connection at once, for ``reason``."""
        self._reason = self._reason or reason
        if self.transport is not None and not self._lost:
            self.transport.abortConnection()

    # What the transport calls

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._heard_at = self._clock.seconds()
        self._ticker.start()
        self._guard(self._engine.open)

    def dataReceived(self, data: bytes) -> None:
        self._heard_at = self._clock.seconds()
        self._inbound += self._gate.filter(data)
        if self._gate.skipped:
            self._guard(self._tell_skipped)
        if not self._input_paused:
            self._guard(self._read)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self.loss = reason
        self._ticker.stop()
        for call in (self._turn, self._deadline):
            if call is not None and call.active():
                call.cancel()
        self._reason = self._reason or explain(reason)
        self.unanswered = "" if self._finishing else self._unanswered()
        if self.unanswered:
            self._reason += f"; {self.unanswered}"
        self._owner.connection_closed(self, self._reason)
        self._window.fail(self._reason)
        for gone in self._gone:
            gone.callback(None)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:
        """Do nothing: the transport gives up, and ``connectionLost`` follows."""

    # One reactor turn

    def _wake(self) -> None:
        if self._turn is None and not self._lost:
            self._turn = self._clock.callLater(0, self._guard, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self._input_paused:
            self._read()
        if not self._paused and not self._asking.is_in_turn:
            self._window.fill(self._engine, self._clock.seconds())
        if self._finishing and self._window.is_empty:
            self._engine.disconnect()
        self._engine.loop_write()
        data = self._engine.io.take()
        if data:
            self.transport.write(data)
        self._window.fire_complete()
        if self._engine.io.closed:
            self._hang_up()
        elif not self._window.qos and self._window.has_queue and not self._paused:
            self._wake()

    def _read(self) -> None:
        """Handle one slice of the input; the transport pauses while there is more."""
        io = self._engine.io
        io.feed(self._inbound[:SLICE])
        self._inbound = self._inbound[SLICE:]
        oldest = self._window.oldest
        while io.unread and not io.closed:
            self._engine.loop_read()
        if self._window.oldest != oldest:
            self._window.note_progress(self._heard_at)
        if io.closed:
            self._hang_up()
        elif bool(self._inbound) != self._input_paused:
            self._pause_input(bool(self._inbound))
        self._window.fire_complete()
        if self._window.has_queue or self._finishing or self._inbound:
            self._wake()

    def _tell_skipped(self) -> None:
        for message in self._gate.take_skipped():
            topic = message.topic.decode("utf-8", "replace") if message is not None else ""
            if (left_out := self._lines.admit()) is not None:
                self.log.warn(
                    telling("MQTT message skipped, larger than {maximum} bytes {topic}", left_out),
                    maximum=MAXIMUM_PACKET,
                    topic=topic[:200],
                    left_out=left_out,
                )
            if message is not None:
                if message.packet_id:
                    # Without an acknowledgement it would come again with every connection, and take a place
                    # in the broker's window until then.
                    self._engine.acknowledge(message.packet_id)
                    self._wake()
                self._owner.message_skipped(topic, message.size, message.retained)

    def _pause_input(self, pause: bool) -> None:
        self._input_paused = pause
        if pause:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def _tick(self) -> None:
        now = self._clock.seconds()
        if now - self._heard_at >= self._silence:
            self.abort(f"nothing heard from the broker for {self._silence:.0f} s")
        elif self.unacknowledged_for >= self._silence:
            # Answers to later messages do not count: the batch of this one would never be done.
            topic = self._engine.topic_in_flight(self._window.oldest)
            self.abort(f"the broker did not acknowledge {topic[:200]} for {self._silence:.0f} s")
        elif not self._hung_up:
            if self._asking.end_if_late():
                self._wake()
            self._engine.loop_misc()
            if self._engine.io.closed:
                self.abort("the broker does not answer")

    def _guard(self, body: Callable[[], None]) -> None:
        """Run ``body``; what it raises is logged and costs this connection, not the timer behind it."""
        try:
            body()
        except Exception:
            self.log.failure("MQTT connection broke on an internal error")
            self.abort("internal error")

    # What the engine reports

    def _connected(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._greeting = ""
        if reason.is_failure:
            said = getattr(properties, "ReasonString", "")
            self.refusal = f"{reason} ({said[:200]})" if said else str(reason)
            self._reason = f"the broker refused the connection: {self.refusal}"
            return
        if self._engine.is_5:
            self._accept_limits(version5.limits_of(properties))
        self.is_remembered = bool(flags.session_present)
        self._owner.connection_opened(self)

    def _accept_limits(self, limits: version5.BrokerLimits) -> None:
        self._window.accept(limits)
        self._silence = max(SILENCE, 1.5 * limits.keepalive)
        if limits.client_id:
            self.log.info("MQTT client identifier given {client_id}", client_id=limits.client_id)

    def _disconnected(
        self, client: Client, userdata: Any, flags: Any, reason: ReasonCode | None, properties: Any
    ) -> None:
        """Take the reason with which the broker ends the connection (MQTT 5)."""
        if reason is not None and reason.is_failure and flags.is_disconnect_packet_from_server:
            self.is_taken_over = reason.value == version5.TAKEN_OVER
            said = version5.reason_words(reason.value, properties)
            self._reason = self._reason or f"the broker ended the connection: {said}"

    def _message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        taken: Deferred[None] | None = None
        packet_id = message.mid if message.qos else 0
        try:
            topic = message.topic
        except UnicodeDecodeError:
            if (left_out := self._lines.admit()) is not None:
                text = "MQTT message with an undecodable topic dropped"
                self.log.warn(telling(text, left_out), left_out=left_out)
        else:
            taken = self._owner.message_received(
                Received(
                    topic,
                    bytes(message.payload),
                    message.retain,
                    packet_id,
                    message.dup,
                    version5.reply_of(message.properties),
                    version5.expiry_of(message.properties),
                )
                if self._engine.is_5
                else Received(topic, bytes(message.payload), message.retain, packet_id, message.dup)
            )
        if taken is not None:
            taken.addErrback(self._log_fault)
        if packet_id:
            confirmation = Confirmation(packet_id)
            self._unconfirmed.append(confirmation)
            taken = succeed(None) if taken is None else taken
            taken.addCallback(lambda _: self._confirm(confirmation))
        if taken is not None:
            taken.addErrback(self._not_taken)

    def _confirm(self, confirmation: Confirmation) -> None:
        """Acknowledge what is taken, in the order in which it came (MQTT 3.1.1, 4.6)."""
        confirmation.taken = True
        while self._unconfirmed and self._unconfirmed[0].taken:
            self._engine.acknowledge(self._unconfirmed.popleft().packet_id)
        self._wake()

    def _log_fault(self, failure: Failure) -> Failure | None:
        """Log a fault with a message; whatever is no fault goes on."""
        if isinstance(failure.value, MessageNotTaken):
            return failure
        self.log.failure("MQTT message lost on an internal error", failure)
        return None

    def _not_taken(self, failure: Failure) -> None:
        self.log.debug("MQTT message not acknowledged: {reason}", reason=failure.getErrorMessage())

    def _subscribed(
        self, client: Client, userdata: Any, packet_id: int, reasons: list[ReasonCode], properties: Properties
    ) -> None:
        for topic, reason in zip(self._asking.answered(packet_id), reasons, strict=False):
            self._owner.filter_answered(topic, str(reason) if reason.is_failure else "")
        self._wake()

    # Bookkeeping

    def _unanswered(self) -> str:
        """Return the packets that the broker has not answered, which may be the reason for the loss."""
        if self._greeting:
            # It is sent behind the handshakes of TLS and websocket, and not if one of them fails.
            failed = self.transport is None or self.loss is None or self.loss.check(*TLS_ERRORS)
            return "" if failed else self._greeting
        last, words = self._window.sent_last, []
        if self.unanswered_filters:
            words.append(f"asked for: {', '.join(self.unanswered_filters)[:300]}")
        if self._window.in_flight and last is not None:
            retained = ", retained" if last.retain else ""
            words.append(f"sent last: {last.topic[:200]}, {many(len(last.payload), 'byte')}{retained}")
        return "; ".join(words)

    def _publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self._wake()
        return self._window.enqueue(messages)

    def _farewell_failed(self, failure: Failure) -> None:
        self.log.warn("MQTT farewell not acknowledged: {reason}", reason=failure.getErrorMessage())

    def _hang_up(self) -> None:
        """Close the connection once the engine is done with it; its last packets still go out."""
        if self._hung_up:
            return
        self._hung_up = True
        if self._finishing:
            self._reason = "stopped"
        elif not self._reason and not self._greeting:
            self._reason = "the broker sent what MQTT does not allow"
        elif not self._reason:
            version = "5" if self._engine.is_5 else "3.1.1"
            self._reason = f"the broker does not speak MQTT {version} or refused our client id"
        self.transport.unregisterProducer()
        self.transport.loseConnection()
