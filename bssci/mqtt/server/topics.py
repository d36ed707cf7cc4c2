"""Topics and topic filters (§4.7): what a filter matches, and which subscribers a topic has."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

MAX_LEVELS = 32
"""levels of a filter"""

Subscriber = TypeVar("Subscriber", bound=Hashable)


class TopicError(ValueError):
    """A topic filter is invalid."""


def check_filter(text: str) -> None:
    """Check the shape of a topic filter [MQTT-4.7.1-2, -3, MQTT-4.7.3-1].

    :raises TopicError: the filter is invalid.
    """
    if not text:
        raise TopicError("an empty topic filter")
    if "\0" in text:
        raise TopicError("a topic filter with the character U+0000")
    levels = text.split("/")
    if len(levels) > MAX_LEVELS:
        raise TopicError(f"a topic filter of {len(levels)} levels, {MAX_LEVELS} are allowed")
    for number, level in enumerate(levels, 1):
        if "#" in level and (level != "#" or number < len(levels)):
            raise TopicError(f"a topic filter with a # that is not alone in its last level: {text[:80]!r}")
        if "+" in level and level != "+":
            raise TopicError(f"a topic filter with a + that is not alone in its level: {text[:80]!r}")


def matches(text: str, topic: str) -> bool:
    """Return whether a filter matches a topic."""
    return covers(text, topic)


def covers(granted: str, asked: str) -> bool:
    """Return whether a filter matches every topic that another one can match."""
    if asked.startswith("$") and granted[:1] in ("+", "#"):
        return False
    ours, theirs = granted.split("/"), asked.split("/")
    for position, level in enumerate(ours):
        if level == "#":
            return True
        if position == len(theirs) or theirs[position] == "#":
            return False
        if level not in ("+", theirs[position]):
            return False
    return len(ours) == len(theirs)


def overlap(one: str, other: str) -> bool:
    """Return whether there is a topic that both filters match."""
    ours, theirs = one.split("/"), other.split("/")
    for position in range(max(len(ours), len(theirs))):
        mine = ours[position] if position < len(ours) else None
        yours = theirs[position] if position < len(theirs) else None
        if "#" in (mine, yours):
            return True
        if mine is None or yours is None or ("+" not in (mine, yours) and mine != yours):
            return False
    return True


class _Node(Generic[Subscriber]):
    """One level of the filters that have the same levels before it."""

    __slots__ = ("children", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Subscriber]] = {}
        self.subscribers: dict[Subscriber, int] = {}


class FilterTree(Generic[Subscriber]):
    """Filters of many subscribers, found by topic."""

    def __init__(self) -> None:
        self._root: _Node[Subscriber] = _Node()

    def add(self, text: str, subscriber: Subscriber, qos: int) -> None:
        """Subscribe to a filter; the same filter again replaces its QoS."""
        node = self._root
        for level in text.split("/"):
            node = node.children.setdefault(level, _Node())
        node.subscribers[subscriber] = qos

    def remove(self, text: str, subscriber: Subscriber) -> None:
        """End a subscription; an unknown one is ignored."""
        path = [self._root]
        levels = text.split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return
            path.append(child)
        path[-1].subscribers.pop(subscriber, None)
        for node, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            child = node.children[level]
            if child.children or child.subscribers:
                return
            del node.children[level]

    def find(self, topic: str) -> dict[Subscriber, int]:
        """Return the subscribers of a topic, each with the highest QoS of its filters that match it."""
        found: dict[Subscriber, int] = {}
        for node in self._nodes(topic.split("/")):
            for subscriber, qos in node.subscribers.items():
                if found.get(subscriber, -1) < qos:
                    found[subscriber] = qos
        return found

    def _nodes(self, levels: list[str]) -> Iterator[_Node[Subscriber]]:
        nodes = [self._root]
        wild = not levels[0].startswith("$")  # wildcards do not match these [MQTT-4.7.2-1]
        for level in levels:
            following = []
            for node in nodes:
                children = node.children
                if (child := children.get(level)) is not None:
                    following.append(child)
                if wild:
                    if (child := children.get("+")) is not None:
                        following.append(child)
                    if (child := children.get("#")) is not None:
                        yield child
            wild = True
            nodes = following
        for node in nodes:
            yield node
            if (child := node.children.get("#")) is not None:
                yield child
