"""The newest event of each device and base station, which a client gets first."""

from __future__ import annotations

from collections import OrderedDict

from bssci.center.decoding.payloads import device_of
from bssci.model import AnyEvent, StationStatus, Telegram, Uplink

REMEMBERED = 20_000
"""devices and base stations; beyond that, those that were silent longest are read from the journal when
needed
"""


class LastValues:
    """Events by their key: the id of a device, or ``bs:`` and the EUI of a station."""

    def __init__(self) -> None:
        self._newest: OrderedDict[str, tuple[int, AnyEvent | None]] = OrderedDict()

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

    def get(self, key: str) -> tuple[int, AnyEvent | None] | None:
        """Return number and event (None: there is none); None if it must be read from the journal."""
        return self._newest.get(key)

    def devices(self) -> list[str]:
        """Return the ids of the devices with a remembered event."""
        return [key for key, (_, event) in self._newest.items() if isinstance(event, Uplink | Telegram)]

    def _put(self, key: str, seq: int, event: AnyEvent | None) -> None:
        self._newest[key] = seq, event
        self._newest.move_to_end(key)
        while len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)


def station_key(eui: str) -> str:
    """Return the key for the last report of a base station."""
    return f"bs:{eui}"
