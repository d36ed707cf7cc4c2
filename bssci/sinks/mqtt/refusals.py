"""Messages that a broker refuses (MQTT 5): those that wait, those that are set aside, and why.

A refusal may be about one message (too large), about one topic (an access rule for one sensor) or about all
messages of a kind (an access rule for ``ep/#``). Uplinks wait while the broker takes none at all, so that
nothing is lost when the access rules are corrected. Any other refused message would hold up the rest
forever, so it is set aside, counted and logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from bssci.mqtt.values import Publication, PublishRefusal
from bssci.mqtt.version5 import NOT_AUTHORIZED, PACKET_TOO_LARGE

UPLINKS = frozenset({"uplink", "acmqtti-uplink"})
HELD = UPLINKS | {"telegram"}
"""schemas of the messages that wait: those that devices sent"""
OF_THE_MESSAGE = frozenset({0x90, PACKET_TOO_LARGE, 0x99, 0x9A, 0x9B})
"""reason codes that the same message gets each time, whatever the access rules: topic name invalid, packet
too large, payload format invalid, retain not supported, QoS not supported"""
TRIALS = 5
"""attempts to deliver a message that the broker refuses for a reason that may pass, such as a quota"""
_EUI = re.compile(r"(?<=/)(?:[0-9A-Fa-f]{16}|(?:[0-9a-f]{2}-){7}[0-9a-f]{2})(?=/|$)")


class MessagesHeld(Exception):
    """The broker refuses messages that must wait until it takes them; the text says why."""


def topic_kind(topic: str) -> str:
    """Return a topic in the form of an access rule: with ``+`` for every EUI."""
    return _EUI.sub("+", topic)


class PublishRefusals:
    """Refusals of the present connection.

    :ivar count: messages of all connections that were refused.
    """

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[str, str]] = {}
        """kinds of messages that the broker takes none of: topic and reason, by schema"""
        self._last: Sequence[Publication] = ()
        """messages of the last batch that was taken"""
        self._trials = 0

    @property
    def trouble(self) -> str:
        """Kinds of messages that the broker accepts none of, in words; empty: it accepts all kinds."""
        told = [
            f"{topic_kind(topic)} ({reason}; {'they wait' if schema in HELD else 'they are set aside'})"
            for schema, (topic, reason) in self._kinds.items()
        ]
        if not told:
            return ""
        return (
            f"the broker refuses what is published on {', '.join(told)}:"
            " its access rules must let this user write there"
        )

    def connected(self) -> None:
        """Forget what was refused before."""
        self._kinds.clear()
        self._last = ()
        self._trials = 0

    def all_taken(self, messages: Sequence[Publication]) -> None:
        """Note messages that the broker took."""
        self._last = messages
        self._trials = 0
        if self._kinds:
            for schema in _schemas(messages):
                self._kinds.pop(schema, None)

    def note(
        self, taken: Sequence[Publication], refused: Mapping[int, tuple[Publication, PublishRefusal]]
    ) -> set[int]:
        """Note refusals.

        :param taken: messages that were published together with the refused ones, and taken.
        :param refused: refused messages and the reasons, by position in the batch.
        :return: the positions of messages that wait: they are to be published again.
        """
        kinds = _schemas(taken)
        for schema in kinds:
            self._kinds.pop(schema, None)
        kinds |= _schemas(self._last)
        self._trials += 1
        held: set[int] = set()
        for position, (message, refusal) in refused.items():
            schema = _schema(message)
            if refusal.code in OF_THE_MESSAGE or schema in kinds:
                continue
            passes = refusal.code != NOT_AUTHORIZED and self._trials < TRIALS
            if schema in HELD or passes:
                held.add(position)
            self._kinds[schema] = (message.topic, refusal.words)
        return held


def _schema(message: Publication) -> str:
    return message.about.schema if message.about is not None else ""


def _schemas(messages: Iterable[Publication]) -> set[str]:
    return {_schema(each) for each in messages}
