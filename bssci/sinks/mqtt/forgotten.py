"""Retained states of base stations and gateways that were forgotten, which are cleared at the broker.

forgotten             --> an empty retained message on the topic of its state
the broker is away    --> the topic waits in memory, and is cleared with the next connection
heard again meanwhile --> its new state stays
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bssci.model import GatewayState, StationState
from bssci.mqtt import payloads
from bssci.mqtt.values import Publication

MAX_WAITING = 10_000
"""topics that wait for the broker; beyond that the oldest stays at the broker as it is"""


class ForgottenStates:
    """The topics that are still to be cleared.

    :param publish: publishes messages; its Deferred fires when the broker has taken them.
    :param failed: called with the failure and the messages that were not published.
    """

    def __init__(
        self,
        base_topic: str,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        failed: Callable[[Failure, Sequence[Publication]], None],
    ) -> None:
        self._base_topic = base_topic
        self._publish = publish
        self._failed = failed
        self._waiting: OrderedDict[str, Publication] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, state: StationState | GatewayState) -> Publication:
        """Have the state of something forgotten cleared; return the message."""
        cleared = state_message(self._base_topic, state)._replace(payload=b"")
        self._waiting[cleared.topic] = cleared
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)
        return cleared

    def clear(self, messages: Sequence[Publication]) -> None:
        """Publish messages of :meth:`add`; those that the broker does not take wait on."""
        if messages:
            self._publish(messages).addCallbacks(
                self._cleared, self._failed, callbackArgs=(messages,), errbackArgs=(messages,)
            )

    def clear_all(self, present: Sequence[Publication]) -> None:
        """Publish all messages that wait, except for what is there again.

        :param present: the states that are published now.
        """
        for each in present:
            self._waiting.pop(each.topic, None)
        self.clear(list(self._waiting.values()))

    def _cleared(self, _: None, messages: Sequence[Publication]) -> None:
        for each in messages:
            self._waiting.pop(each.topic, None)


def state_message(base_topic: str, state: StationState | GatewayState) -> Publication:
    """Return the retained message of a state."""
    if isinstance(state, StationState):
        return payloads.station_state(base_topic, state)
    return payloads.gateway_state(base_topic, state)
