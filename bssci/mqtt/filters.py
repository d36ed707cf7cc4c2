"""Topic filters, grouped into SUBSCRIBE packets, and those that the broker refuses.

Some brokers close the connection when a client subscribes to a filter that it may not use, every time. A
SUBSCRIBE after which two connections in a row ended unanswered is halved; a filter that is alone in one is
given up. Where filters are suspected, they are asked for in turn, so that it is known which was not answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paho.mqtt.client import topic_matches_sub
from twisted.logger import Logger

FILTERS = 8
"""filters in one SUBSCRIBE, at most: some brokers close the connection at more"""
LOSSES = 2
"""connections in a row that end without an answer to a SUBSCRIBE, before it is halved or given up"""


class Filters:
    """The filters that a client subscribes to, at every connection.

    :ivar given_up: filters at which the broker closes the connection.
    :ivar refused: filters that the broker refused on the present connection.
    """

    log = Logger()

    def __init__(self) -> None:
        self._groups: list[tuple[str, ...]] = []
        self._suspect: tuple[str, ...] = ()
        self._losses = 0
        self.given_up: list[str] = []
        self.refused: set[str] = set()

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(list(self._groups))

    @property
    def are_suspected(self) -> bool:
        """Return whether the last connection ended before all were answered."""
        return bool(self._suspect)

    def add(self, filters: Sequence[str], *, alone: bool = False) -> list[tuple[str, ...]]:
        """Subscribe to filters from now on.

        :param alone: each in a packet of its own, because the broker may refuse it.
        :return: the new ones, in groups.
        """
        known = {each for group in self._groups for each in group}
        new = [each for each in dict.fromkeys(filters) if each not in known]
        size = 1 if alone else FILTERS
        groups = [tuple(new[first : first + size]) for first in range(0, len(new), size)]
        self._groups += groups
        return groups

    def remove(self, filters: Sequence[str]) -> None:
        """Remove filters; unknown ones are ignored."""
        gone = set(filters)
        left = (tuple(each for each in group if each not in gone) for group in self._groups)
        self._groups = [group for group in left if group]

    def match(self, topic: str) -> bool:
        """Return whether a message on this topic comes with one of the filters."""
        return any(topic_matches_sub(each, topic) for group in self._groups for each in group)

    def lost(self, unanswered: Sequence[str]) -> bool:
        """Note that a connection has ended.

        :param unanswered: filters of the first SUBSCRIBE without an answer; none: all were answered.
        :return: whether the next connection asks for them in other packets, or not for all.
        """
        group = tuple(unanswered)
        self._losses = self._losses + 1 if group == self._suspect else 1
        self._suspect = group
        if not group or self._losses < LOSSES or group not in self._groups:
            return False
        at = self._groups.index(group)
        half = len(group) // 2
        self._groups[at : at + 1] = [group[:half], group[half:]] if half else []
        if not half:
            self.given_up.append(group[0])
            self.log.error(
                "MQTT subscription given up: the broker closes the connection at it {topic}", topic=group[0]
            )
        return True


def fits(topic_filter: Sequence[str], topic: Sequence[str]) -> bool:
    """Return whether a filter covers a topic, both as their levels (MQTT 3.1.1, 4.7)."""
    if topic and topic[0].startswith("$") and topic_filter[0] in ("+", "#"):
        return False
    for number, level in enumerate(topic_filter):
        if level == "#":
            return True
        if number >= len(topic) or level not in ("+", topic[number]):
            return False
    return len(topic_filter) == len(topic)
