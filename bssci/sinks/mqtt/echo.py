"""The birth message, received back: proof that the broker publishes what it acknowledges.

A broker whose access rules forbid a topic acknowledges what is published there and drops it (MQTT 3.1.1 has
no other answer). So nothing is delivered before the birth message has come back on our own subscription.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger

from bssci.mqtt.values import MqttOffline
from bssci.system.clock import Clock, Timer

USUAL_TIME = 2.0
"""s that the birth message may take before the sink reports trouble"""
ECHO_TIME = 10.0
"""s that the birth message may take before the trouble is logged as an error with its likely causes"""


class Echo:
    """Messages that wait for the birth message of the present connection.

    :param clock: measures the time that it takes.
    """

    log = Logger()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: bytes | None = None
        """payload of the birth message; None: it has come back, or none is expected"""
        self._waiting: list[Deferred[None]] = []
        self._timer: Timer | None = None
        self.trouble = ""
        """why nothing is delivered, in words"""

    @property
    def is_missed(self) -> bool:
        """Return whether the birth message is still expected although its time is over."""
        return self._expected is not None and self._timer is None

    def expect(self, birth: bytes) -> None:
        """Have deliveries wait until the broker has sent back this payload."""
        self._settle()
        self._expected = birth
        self._timer = self._clock.callLater(USUAL_TIME, self._late)

    def heard(self, payload: bytes) -> None:
        """Note a message on the topic of the birth message."""
        if payload == self._expected:
            if self._timer is None:
                self.log.info("MQTT delivery begins: the broker has sent back the birth message")
            self._go()

    def not_to_be_had(self) -> None:
        """Stop waiting: the broker does not let us subscribe, so nothing can come back."""
        self._go()

    def wait(self) -> Deferred[None]:
        """Fire when messages may be delivered; fail when the connection is lost before."""
        if self._expected is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def lost(self, reason: str) -> None:
        """Note the end of the connection."""
        self._settle()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            fail(MqttOffline(reason)).chainDeferred(deferred)

    def stop(self) -> None:
        """Fail everything that waits."""
        self.lost("the sink stops")

    def _late(self) -> None:
        self.trouble = "the broker has not sent back the birth message yet"
        self._timer = self._clock.callLater(ECHO_TIME - USUAL_TIME, self._missed)

    def _missed(self) -> None:
        self._timer = None
        self.trouble = (
            f"the broker acknowledged the birth message and did not send it back within {ECHO_TIME:.0f} s:"
            " either its access rules drop what this user publishes, or this user may write but not read."
            " Allow it to write and read below BASE_TOPIC, or set MQTT_VERSION=auto: in MQTT 5 a broker says"
            " what it refuses; or set MQTT_CONFIRM=false if the user may not read"
        )
        self.log.error("MQTT delivery waits: {trouble}", trouble=self.trouble)

    def _go(self) -> None:
        self._settle()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    def _settle(self) -> None:
        self._expected = None
        self.trouble = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
