"""Messages that sinks publish in addition to events, such as answers about settings, for the live stream."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

AnnouncementListener = Callable[[str, bytes], None]
"""called with topic and payload"""


class Announcements:
    """Passes announcements of sinks on to listeners; nothing is stored."""

    log = Logger()

    def __init__(self) -> None:
        self._listeners: list[AnnouncementListener] = []

    def listen(self, listener: AnnouncementListener) -> None:
        """Call ``listener`` with every announcement from now on."""
        self._listeners.append(listener)

    def tell(self, topic: str, payload: bytes) -> None:
        """Pass an announcement on to all listeners; if one fails, the others still get it."""
        for listener in self._listeners:
            try:
                listener(topic, payload)
            except Exception:
                self.log.failure("listener of announcements failed {topic}", topic=topic)
