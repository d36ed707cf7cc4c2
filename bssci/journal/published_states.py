"""Publication of present states; one that the disk does not take is published as soon as it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Generic, TypeVar

from twisted.python.failure import Failure

from bssci.journal.interface import Events
from bssci.journal.storage_lines import StorageLines
from bssci.model import AnyEvent

AT_ONCE = 500
"""states that could not be stored which are tried at once"""

Key = TypeVar("Key", bound=str)


class PublishedStates(Generic[Key]):
    """The states of some things, of which the last one of each is published in the end.

    :param state: returns the present state of a thing as an event; None: there is none any more.
    """

    def __init__(self, events: Events, state: Callable[[Key], AnyEvent | None], lines: StorageLines) -> None:
        self._events = events
        self._state = state
        self._lines = lines
        self._left: set[Key] = set()
        """things whose last state is not published"""

    def publish(self, keys: Iterable[Key]) -> None:
        """Publish the present states of things."""
        told = list(keys)
        states = [state for key in told if (state := self._state(key)) is not None]
        self._left.difference_update(told)
        if states:
            stored = self._events.append(states)
            stored.addCallbacks(self._stored, self._not_stored, (told,), errbackArgs=(told,))

    def publish_left(self) -> None:
        """Publish the present states of those whose last one could not be stored; to be called regularly."""
        self.publish(islice(self._left, AT_ONCE))

    def _stored(self, _: int, keys: Iterable[Key]) -> None:
        self._left.difference_update(keys)
        self.publish_left()

    def _not_stored(self, failure: Failure, keys: Iterable[Key]) -> None:
        self._left.update(keys)
        self._lines.note(failure, "states not published yet")
