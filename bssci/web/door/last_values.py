"""The newest event of each device and base station, which a client gets first."""

from __future__ import annotations

from collections import OrderedDict

from bssci.center.decoding.payloads import device_of
from bssci.model import AnyEvent, StationStatus, Telegram, Uplink
from bssci.model.weight import event_weight

REMEMBERED = 20_000
"""devices and base stations; beyond that, those that were silent longest are read from the journal when
needed
"""
MAX_BYTES = 32 * 1024 * 1024
"""bytes of memory that their events take; beyond that, likewise"""


class LastValues:
    """Events by their key: the id of a device, or ``bs:`` and the EUI of a station."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, tuple[int, AnyEvent | None]] = OrderedDict()
        self._weights: dict[str, int] = {}
        self._bytes = 0

    def note(self, seq: int, event: AnyEvent) -> None:
        """Remember a new event."""
        if isinstance(event, Uplink | Telegram):
            self._put(device_of(event), seq, event)
        elif isinstance(event, StationStatus):
            self._put(station_key(event.base_station_eui), seq, event)

    def found(self, key: str, seq: int, event: AnyEvent | None) -> None:
        """Remember an event that was read from the journal, unless there is a newer one.

        :param event: None: there is none.
        """
        if key not in self._newest:
            self._put(key, seq, event)

    def forget(self) -> None:
        """Forget everything, so that events are read from the journal when needed."""
        self._newest.clear()
        self._weights.clear()
        self._bytes = 0

    def get(self, key: str) -> tuple[int, AnyEvent | None] | None:
        """Return number and event (None: there is none); None if it must be read from the journal."""
        return self._newest.get(key)

    def devices(self) -> list[str]:
        """Return the ids of the devices with a remembered event."""
        return [key for key, (_, event) in self._newest.items() if isinstance(event, Uplink | Telegram)]

    def _put(self, key: str, seq: int, event: AnyEvent | None) -> None:
        self._newest[key] = seq, event
        self._newest.move_to_end(key)
        weight = 0 if event is None else event_weight(event, MAX_BYTES)
        self._bytes += weight - self._weights.get(key, 0)
        self._weights[key] = weight
        while len(self._newest) > REMEMBERED or self._bytes > MAX_BYTES:
            oldest, _ = self._newest.popitem(last=False)
            self._bytes -= self._weights.pop(oldest)


def station_key(eui: str) -> str:
    """Return the key for the last report of a base station."""
    return f"bs:{eui}"
