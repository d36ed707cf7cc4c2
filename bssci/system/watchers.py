"""Functions that are called whenever something happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

from twisted.logger import Logger

What = ParamSpec("What")


class Watchers(Generic[What]):
    """Functions that are called whenever something happens; one that fails keeps it from no other.

    :param of: what they watch, for the log.
    """

    log = Logger()

    def __init__(self, of: str) -> None:
        self._subject = of
        self._watchers: dict[object, Callable[What, object]] = {}

    def add(self, watcher: Callable[What, object]) -> Callable[[], None]:
        """Call ``watcher`` from now on.

        :return: a function that ends the watch.
        """
        key = object()
        self._watchers[key] = watcher

        def end() -> None:
            self._watchers.pop(key, None)

        return end

    def tell(self, *what: What.args, **named: What.kwargs) -> None:
        """Call all watchers, in the order in which they were added."""
        for key in list(self._watchers):
            watcher = self._watchers.get(key)
            if watcher is None:
                continue  # another one ended its watch
            try:
                watcher(*what, **named)
            except Exception:
                self.log.failure("watcher of {subject} failed", subject=self._subject)
