"""Retained states of base stations and gateways that were forgotten, which are cleared at the broker.

forgotten              --> an empty retained message on the topic of its state
the broker is away     --> the topic waits in memory, and is cleared with the next connection
heard again meanwhile  --> its new state stays
restarted meanwhile    --> with the first connection all states are fetched from the broker: those that this
                           service center published about what it does not know are cleared
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from bssci.model import EUI, GatewayState, StationState
from bssci.mqtt import payloads
from bssci.mqtt.values import Publication, Received
from bssci.system.clock import Timer

MAX_WAITING = 10_000
"""topics that wait for the broker; beyond that the oldest stays at the broker as it is"""
FETCH_TIME = 30.0
"""s for which the states at the broker are fetched"""


class ForgottenStates:
    """The topics that are still to be cleared.

    :param publish: publishes messages; its Deferred fires when the broker has taken them.
    :param failed: called with the failure and the messages that were not published.
    """

    def __init__(
        self,
        publish: Callable[[Sequence[Publication]], Deferred[None]],
        failed: Callable[[Failure, Sequence[Publication]], None],
    ) -> None:
        self._publish = publish
        self._failed = failed
        self._waiting: OrderedDict[str, Publication] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, topic: str) -> Publication:
        """Have the topic of something forgotten cleared; return the message."""
        cleared = self._waiting[topic] = Publication(topic, b"", True)
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


class LeftStates:
    """The states that earlier runs left at the broker, of what was forgotten since then.

    Several service centers may publish below one topic, so only what is ours is cleared.

    :param own: EUI of this service center.
    :param is_known: returns whether a base station (``bs``) or a gateway is known, by its kind and its id.
    :param subscribe: subscribes to topics.
    :param unsubscribe: unsubscribes from topics.
    :param clear: clears a topic.
    """

    def __init__(
        self,
        clock: IReactorTime,
        base_topic: str,
        own: EUI,
        is_known: Callable[[str, str], bool],
        subscribe: Callable[[Sequence[str]], None],
        unsubscribe: Callable[[Sequence[str]], None],
        clear: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._topic = re.compile(re.escape(base_topic) + r"/(?:(bs)|gateway/([^/]+))/(.+)/state")
        # The id of a gateway may have a slash in it.
        self._filters = [f"{base_topic}/bs/+/state", f"{base_topic}/gateway/#"]
        self._own = own
        self._is_known = is_known
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._clear = clear
        self._end: Timer | None = None
        self._begun = False

    def connected(self) -> None:
        """Fetch the states, if this is the first connection."""
        if not self._begun:
            self._begun = True
            self._subscribe(self._filters)
            self._end = self._clock.callLater(FETCH_TIME, self._unsubscribe, self._filters)

    def stop(self) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()

    def is_for_us(self, topic: str) -> bool:
        """Return whether a message is a state."""
        return self._topic.fullmatch(topic) is not None

    def received(self, message: Received) -> None:
        """Take a state from the broker."""
        found = self._topic.fullmatch(message.topic)
        if found is None or not message.retained:
            return
        try:
            said = msgspec.json.decode(message.payload, type=dict[str, Any])
        except (ValueError, RecursionError):
            return
        kind, id = found[1] or found[2], found[3]
        if said.get("sc_eui") == self._own and not self._is_known(kind, id):
            self._clear(message.topic)


def state_message(
    base_topic: str, state: StationState | GatewayState, sc_eui: EUI | None = None
) -> Publication:
    """Return the retained message of a state.

    :param sc_eui: the service center that publishes it.
    """
    if isinstance(state, StationState):
        return payloads.station_state(base_topic, state, sc_eui)
    return payloads.gateway_state(base_topic, state, sc_eui)
