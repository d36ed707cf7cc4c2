"""The first uplink of a connection, received back: proof that the broker publishes uplinks.

The access rules of a broker may allow the birth message and forbid uplinks, and in MQTT 3.1.1 it
acknowledges both. So the exact topic of one message of each connection is subscribed to, which costs one
round trip. They may be changed during a connection: now and then another uplink on that topic must come back,
too. Not one on another topic: the rules may forbid single sensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.mqtt.values import MqttOffline, Publication
from bssci.sinks.mqtt.refusals import UPLINKS, topic_kind
from bssci.system.clock import Clock, Timer

CANARY_TIME = 10.0
"""s that an uplink may take to come back"""
PROOF_TIME = 30.0
"""s after which another uplink on the topic must come back"""


class NotSentBack(MqttOffline):
    """The broker acknowledged an uplink and did not send it back."""


class Canary:
    """One uplink that must come back.

    :param clock: measures the time that it takes.
    :param subscribe: subscribes to one topic.
    :param unsubscribe: unsubscribes from one topic.
    :ivar trouble: why nothing is delivered, in words.
    """

    log = Logger()

    def __init__(
        self, clock: Clock, subscribe: Callable[[str], None], unsubscribe: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._is_alive = False
        self._alive_at = 0.0
        self._proven_topic = ""
        """topic of the uplink that came back last; empty: none has, or can"""
        self._message: Publication | None = None
        self._waiting: Deferred[None] | None = None
        self._timer: Timer | None = None
        self.trouble = ""

    def connected(self) -> None:
        """Start again: a new connection may have other access rules."""
        self._is_alive = False

    def choose(self, messages: Sequence[Publication]) -> bool:
        """Choose an uplink among messages that are about to be published, unless one came back lately.

        :return: whether :meth:`wait` must be called when they are published.
        """
        if self._is_alive and self._clock.seconds() - self._alive_at < PROOF_TIME:
            return False
        topic = self._proven_topic if self._is_alive else ""
        uplink = next((each for each in messages if _is_uplink(each) and topic in ("", each.topic)), None)
        if uplink is None or (self._is_alive and not topic):
            return False
        self._is_alive = False
        self._end()
        self._message = uplink
        self._subscribe(uplink.topic)
        return True

    @property
    def topic(self) -> str:
        """Topic of the uplink that is waited for; empty: none is."""
        return self._message.topic if self._message is not None else ""

    def is_for_us(self, topic: str) -> bool:
        """Return whether a message on this topic is the one that is waited for."""
        return self._message is not None and topic == self._message.topic

    def heard(self, payload: bytes) -> None:
        """Note a message on the topic."""
        if self._message is not None and payload == self._message.payload:
            self._go(self._message.topic)

    def not_to_be_had(self) -> None:
        """Stop waiting: the broker does not let us subscribe, so nothing can come back."""
        self._go("")

    def wait(self) -> Deferred[None]:
        """Fire when the uplink has come back; fail with :class:`MqttOffline` if it does not in time."""
        if self._is_alive:
            return succeed(None)
        if self._message is None:
            return fail(MqttOffline("the connection was lost"))
        self._waiting = Deferred()
        self._timer = self._clock.callLater(CANARY_TIME, self._missed)
        return self._waiting

    def lost(self, reason: str) -> None:
        """Note the end of the connection, or of the sink."""
        self._give_up(MqttOffline(reason))
        self.trouble = ""

    def _missed(self) -> None:
        self._timer = None
        topic = topic_kind(self._message.topic) if self._message is not None else ""
        self.trouble = (
            f"the broker acknowledged an uplink on {topic} and did not send it back within"
            f" {CANARY_TIME:.0f} s: either its access rules drop what this user publishes there, or they let"
            " this user write there but not read. Allow both, or set MQTT_VERSION=auto: with MQTT 5 a broker"
            " says what it refuses; or set MQTT_CONFIRM=false if the user may not read"
        )
        self.log.error("MQTT delivery waits: {trouble}", trouble=self.trouble)
        self._give_up(NotSentBack(self.trouble))

    def _go(self, topic: str) -> None:
        if self.trouble:
            self.log.info("MQTT delivery begins: the broker has sent back an uplink")
        self.trouble = ""
        self._is_alive, self._alive_at, self._proven_topic = True, self._clock.seconds(), topic
        waiting = self._end()
        if waiting is not None:
            waiting.callback(None)

    def _give_up(self, error: MqttOffline) -> None:
        waiting = self._end()
        if waiting is not None:
            waiting.errback(error)

    def _end(self) -> Deferred[None] | None:
        """Stop waiting, and return the Deferred that waits, if there is one."""
        if self._timer is not None:
            if self._timer.active():
                self._timer.cancel()
            self._timer = None
        message, self._message = self._message, None
        waiting, self._waiting = self._waiting, None
        if message is not None:
            self._unsubscribe(message.topic)
        return waiting


def _is_uplink(message: Publication) -> bool:
    return message.about is not None and message.about.schema in UPLINKS


def none_proven(failure: Failure) -> Failure:
    """Return the failure of a connection on which nothing was proven, as if nothing had been acknowledged."""
    error = failure.value
    return Failure(MqttOffline(str(error))) if isinstance(error, MqttOffline) else failure
