"""Messages that a broker refuses (MQTT 5): those that wait, those that are set aside, and why.

A refusal may be about one message (too large), about one topic (an access rule for one sensor) or about all
messages of a kind (an access rule for ``ep/#``). Uplinks wait while the broker takes none at all, so that
nothing is lost when the access rules, or a limit of the broker, are corrected. Any other refused message
would hold up the rest forever, so it is set aside, counted and logged.

    uplink refused between others that are taken ----------------------> set aside
    behind or before them, or many are --> it waits --3 attempts, -----> set aside
                                             |        others are taken
                                             |
                                             +--no other is taken -----> all wait

Where no other uplink is published with it, one that the broker took before is published again, to see whether
it takes any.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bssci.mqtt.values import Publication, PublishRefusal
from bssci.mqtt.version5 import NOT_AUTHORIZED, PACKET_TOO_LARGE
from bssci.sinks.set_aside import LONGEST_STREAK, RefusalStreak

UPLINKS = frozenset({"uplink", "acmqtti-uplink"})
HELD = UPLINKS | {"telegram"}
"""schemas of the messages that wait: those that devices sent"""
OF_THE_MESSAGE = frozenset({0x90, PACKET_TOO_LARGE, 0x99, 0x9A, 0x9B})
"""reason codes that the same message gets each time, whatever the access rules: topic name invalid, packet
too large, payload format invalid, retain not supported, QoS not supported"""
TRIALS = 5
"""attempts to deliver a message that the broker refuses for a reason that may pass, such as a quota"""
PROOFS = 3
"""attempts to deliver an uplink that the broker refuses while it takes others, unless it is between them"""
MOST_REFUSED = 2000
"""topics and messages of which it is remembered that the broker refused them"""
_EUI = re.compile(r"(?<=/)(?:[0-9A-Fa-f]{16}|(?:[0-9a-f]{2}-){7}[0-9a-f]{2})(?=/|$)")


class MessagesHeld(Exception):
    """The broker refuses messages that must wait until it takes them; the text says why."""


def topic_kind(topic: str) -> str:
    """Return a topic in the form of an access rule: with ``+`` for every EUI."""
    return _EUI.sub("+", topic)


class PublishRefusals:
    """Refusals of the present connection."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[Publication, PublishRefusal]] = {}
        """kinds of messages that the broker takes none of: the last one and its refusal, by schema"""
        self._streaks = {schema: RefusalStreak() for schema in HELD}
        """messages refused in a row, by schema; also over several connections"""
        self._last: set[str] = set()
        """kinds of messages in the last batch that was taken"""
        self._witnesses: dict[str, Sequence[Publication]] = {}
        """by schema of :data:`HELD`, the last messages taken together that have any such among them"""
        self._trials = 0
        self._forbidden: set[str] = set()
        """topics of single devices that the broker refuses while it takes those of others"""
        self._attempts: dict[Publication, int] = {}
        """attempts to deliver messages that wait although the broker took others of their kind"""
        self._doubtful: dict[str, Publication] = {}
        """by schema, the last state that was refused, where the broker has taken others of its kind since: it
        may take all of them again, or refuse some topics"""
        self._has_ended = False
        """the broker took a message on a topic on which it had refused one, since that was last asked"""

    @property
    def trouble(self) -> str:
        """Kinds of messages that the broker accepts none of, in words; empty: it accepts all kinds."""
        told = [
            f"{topic_kind(last.topic)} ({why.words};"
            f" {'they wait' if schema in HELD else 'they are set aside'})"
            for schema, (last, why) in self._kinds.items()
        ]
        if not told:
            return ""
        text = f"the broker refuses what is published on {', '.join(told)}"
        if any(refusal.code == NOT_AUTHORIZED for _, refusal in self._kinds.values()):
            text += ": its access rules must let this user write there"
        return text

    @property
    def set_aside(self) -> list[Publication]:
        """The last message of each kind that is set aside; those that wait come again by themselves."""
        last = [last for schema, (last, _) in self._kinds.items() if schema not in HELD]
        return [*last, *self._doubtful.values()]

    def has_ended(self) -> bool:
        """Return whether the broker takes again what it had refused, since this was last asked."""
        ended, self._has_ended = self._has_ended, False
        return ended

    def replaced(self, messages: Sequence[Publication]) -> None:
        """Note messages that the broker took: what it refused on their topics is outdated."""
        if not self._kinds and not self._doubtful:
            return
        topics = {each.topic for each in messages}
        for message in self.set_aside:
            if message.topic in topics:
                self._kinds.pop(_schema(message), None)
                self._doubtful.pop(_schema(message), None)
                self._has_ended = True

    def refused_again(self, message: Publication) -> None:
        """Note that the broker refused a message of :attr:`set_aside` once more."""
        if self._doubtful.get(_schema(message)) == message:
            del self._doubtful[_schema(message)]

    def connected(self) -> None:
        """Forget what was refused before."""
        self._kinds.clear()
        self._doubtful.clear()
        self._forbidden.clear()
        self._attempts.clear()
        self._last = set()
        self._witnesses.clear()
        self._trials = 0
        self._has_ended = False

    def all_taken(self, messages: Sequence[Publication]) -> None:
        """Note messages that the broker took."""
        self._last = _schemas(messages)
        self._witnesses.update(dict.fromkeys(HELD & self._last, messages))
        self._trials = 0
        self._attempts.clear()
        self._end_streaks(self._last)
        self._end(messages)

    def witnesses(
        self, taken: Iterable[Publication], refused: Iterable[tuple[Publication, PublishRefusal]]
    ) -> list[Publication]:
        """Return messages that were taken before, and whose fate decides whether refused ones must wait: one
        of each kind of which none is taken now, and not the same each time.
        """
        doubtful = {
            _schema(each)
            for each, why in refused
            if _schema(each) in self._kinds
            or (why.code not in OF_THE_MESSAGE and each.topic not in self._forbidden)
        }
        found: list[Publication] = []
        for schema in HELD & doubtful - _schemas(taken):
            some = [each for each in self._witnesses.get(schema, ()) if _schema(each) == schema]
            found += some[self._trials % len(some) :][:1] if some else []
        return found

    def note(
        self,
        taken: Mapping[int, Publication],
        refused: Mapping[int, tuple[Publication, PublishRefusal]],
        again: Sequence[Publication] = (),
    ) -> set[int]:
        """Note refusals.

        :param taken: messages that were published together with the refused ones, and taken, by position in
            the batch.
        :param refused: refused messages and the reasons, by position in the batch.
        :param again: those of :meth:`witnesses` that were taken again.
        :return: the positions of messages that wait: they are to be published again.
        """
        together = list(taken.values())
        accepted = [*together, *again]
        kinds = _schemas(accepted)
        self._end(accepted)
        self._end_streaks(kinds)
        numbers = Counter(_schema(message) for message, _ in refused.values())
        # Too many in a row: not they are at fault, but a limit of the broker, or a rule that was changed.
        all_refused = {
            schema
            for schema, streak in self._streaks.items()
            if numbers[schema] and schema not in kinds and not streak.excuses([schema] * numbers[schema])
        }
        spans = _spans(taken)
        self._witnesses.update(dict.fromkeys(HELD & _schemas(together), together))
        self._trials += 1
        held: set[int] = set()
        for position, (message, refusal) in refused.items():
            schema = _schema(message)
            taken_lately = self._witnesses if message.topic in self._forbidden else self._last - HELD
            is_known = schema in taken_lately
            excused = refusal.code in OF_THE_MESSAGE or schema in kinds or is_known
            if excused and schema not in all_refused:
                is_between = position in spans.get(schema, ()) and numbers[schema] <= LONGEST_STREAK
                if not self._waits(message, refusal, is_between=is_between):
                    continue
                held.add(position)
            elif schema in HELD or (refusal.code != NOT_AUTHORIZED and self._trials < TRIALS):
                held.add(position)
            self._kinds[schema] = (message, refusal)
            self._doubtful.pop(schema, None)
        return held

    def _waits(self, message: Publication, refusal: PublishRefusal, *, is_between: bool) -> bool:
        """Return whether a message waits although the broker took others of its kind: before or after it, it
        may have begun or ceased to refuse all of them.

        :param is_between: the broker took some before it, and some behind it, and refused few.
        """
        if _schema(message) not in HELD or refusal.code in OF_THE_MESSAGE:
            return False
        is_rule = refusal.code == NOT_AUTHORIZED
        attempts = self._attempts.pop(message, 0) + 1
        is_known = is_rule and (is_between or message.topic in self._forbidden)
        if not is_known and attempts < (PROOFS if is_rule else TRIALS):
            if len(self._attempts) >= MOST_REFUSED:
                self._attempts.clear()
            self._attempts[message] = attempts
            return True
        if is_rule:
            if len(self._forbidden) >= MOST_REFUSED:
                self._forbidden.clear()
            self._forbidden.add(message.topic)
        last = self._kinds.get(_schema(message))
        if last is not None and last[0] == message:
            del self._kinds[_schema(message)]
        return False

    def _end(self, taken: Sequence[Publication]) -> None:
        """Note messages that the broker took: it takes their kinds."""
        self.replaced(taken)
        if self._forbidden:
            self._forbidden.difference_update(each.topic for each in taken)
        for schema in self._kinds.keys() & _schemas(taken) if self._kinds else ():
            last, _ = self._kinds.pop(schema)
            if last.retain:
                self._doubtful[schema] = last

    def _end_streaks(self, taken: Iterable[str]) -> None:
        for schema in HELD.intersection(taken):
            self._streaks[schema].excuses([None])


def _spans(taken: Mapping[int, Publication]) -> dict[str, range]:
    """Return the positions from the first to the last message of each schema."""
    spans: dict[str, range] = {}
    for at, each in sorted(taken.items()):
        schema = _schema(each)
        spans[schema] = range(spans[schema].start if schema in spans else at, at + 1)
    return spans


def _schema(message: Publication) -> str:
    return message.about.schema if message.about is not None else ""


def _schemas(messages: Iterable[Publication]) -> set[str]:
    return {_schema(each) for each in messages}
