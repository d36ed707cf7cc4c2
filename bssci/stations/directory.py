"""All known base stations, and the watchers that are notified when one connects or disconnects."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bssci.model import EUI, StationState
from bssci.stations.station import ConnectionState, Station
from bssci.system.watchers import Watchers

StationWatcher = Callable[[StationState], None]


class Stations:
    """The base stations by their EUI; :class:`bssci.stations.registry.Registry` fills it."""

    def __init__(self) -> None:
        self._by_eui: dict[EUI, Station] = {}
        self._of_connections = Watchers[[StationState]]("stations")
        self._of_told = Watchers[[StationState]]("stations that serve all sensors")
        self._of_gone = Watchers[[EUI]]("stations that go before they are online")
        self._of_forgotten = Watchers[[StationState]]("forgotten stations")

    def __iter__(self) -> Iterator[Station]:
        return iter(self._by_eui.values())

    def __len__(self) -> int:
        return len(self._by_eui)

    def get(self, eui: EUI) -> Station | None:
        return self._by_eui.get(eui)

    def is_connected(self, eui: EUI) -> bool:
        """Return whether a base station is connected and operations run with it."""
        station = self._by_eui.get(eui)
        return station is not None and station.connection is ConnectionState.ONLINE

    def connected(self) -> list[Station]:
        """Return the stations with which operations run."""
        return [station for station in self._by_eui.values() if station.connection is ConnectionState.ONLINE]

    def watch(self, watcher: StationWatcher, *, also_told: bool = False) -> Callable[[], None]:
        """Call ``watcher`` whenever a station connects or disconnects.

        :param also_told: call it also when all sensors have been propagated to a connected station.
        :return: a function that ends the watch.
        """
        ends = [self._of_connections.add(watcher)]
        if also_told:
            ends.append(self._of_told.add(watcher))

        def end() -> None:
            for each in ends:
                each()

        return end

    def watch_gone(self, watcher: Callable[[EUI], None]) -> Callable[[], None]:
        """Call ``watcher`` when a station loses its connection before it counts as connected.

        It may have begun operations by then.

        :return: a function that ends the watch.
        """
        return self._of_gone.add(watcher)

    def watch_forgotten(self, watcher: StationWatcher) -> Callable[[], None]:
        """Call ``watcher`` with the last state of a station that has connected and is removed.

        :return: a function that ends the watch.
        """
        return self._of_forgotten.add(watcher)

    def add(self, station: Station) -> None:
        """Add a station."""
        self._by_eui[station.eui] = station

    def remove(self, eui: EUI) -> None:
        """Remove a station."""
        station = self._by_eui.pop(eui, None)
        if station is not None and station.has_connected:
            self._of_forgotten.tell(station.state)

    def told(self, state: StationState) -> None:
        """Notify the watchers that want it that all sensors have been propagated to a station."""
        self._of_told.tell(state)

    def gone(self, eui: EUI) -> None:
        """Notify the watchers that a station has lost its connection before it counted as connected."""
        self._of_gone.tell(eui)

    def announce(self, state: StationState) -> None:
        """Notify all watchers that a station connected or disconnected."""
        self._of_connections.tell(state)
