"""Messages of QoS 1 that a client has not acknowledged, by their packet identifiers."""

from __future__ import annotations

LARGEST_ID = 0xFFFF


class Window:
    """Messages under way to one client, in the order in which they were sent.

    :param size: messages that may be under way.
    """

    __slots__ = ("_last_id", "_open", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._last_id = 0
        self._open: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        return len(self._open) >= self._size

    @property
    def oldest(self) -> int | None:
        """The mark of the oldest message under way; None: all are acknowledged."""
        return next(iter(self._open.values()), None)

    def send(self, mark: int) -> int:
        """Return the packet identifier for one more message; the window must not be full.

        :param mark: number of the event that the message reports.
        """
        number = self._last_id
        while True:
            number = number % LARGEST_ID + 1
            if number not in self._open:
                break
        self._last_id = number
        self._open[number] = mark
        return number

    def acknowledge(self, packet_id: int) -> bool:
        """Note a PUBACK, and return whether its message was under way."""
        return self._open.pop(packet_id, None) is not None
