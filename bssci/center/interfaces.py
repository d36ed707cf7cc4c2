"""The service center as sinks and sources see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.model import EUI, AnyEvent, Downlink, DownlinkRequest, Sensor, StationState
from bssci.model.commands import Outcomes


class ICenter(Protocol):
    """The service center in the name of one sink or source, which its commands are recorded under.

    Whatever cannot be done raises :class:`bssci.model.commands.CommandError`. Commands for one sensor are
    done in the order in which they come; those for stations return when the connected ones have
    answered, or after 30 s.
    """

    version: str
    eui: EUI
    """the service center's own"""
    started_at: float
    """Unix seconds"""

    def now(self) -> float:
        """Unix seconds."""

    # sensors

    def sensor(self, eui: EUI) -> Sensor | None:
        """Return a sensor as it is configured; None if it is not."""

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        """Registration, activity, signal and preferred path of a sensor, as JSON knows them."""

    async def attach(self, euis: Sequence[EUI]) -> Outcomes:
        """Attach sensors everywhere."""

    async def detach(self, euis: Sequence[EUI]) -> Outcomes:
        """Detach sensors everywhere; they stay configured."""

    async def configure(self, sensor: Sensor) -> Outcomes:
        """Add a sensor, or change it, and attach it everywhere."""

    # downlinks

    async def queue_downlink(self, request: DownlinkRequest) -> Downlink:
        """Have something sent to a sensor; returns when it is stored, with its queue id."""

    async def revoke_downlink(self, eui: EUI, queue_id: int) -> Downlink:
        """Take a downlink back; one that is still queued is revoked as soon as its station answers."""

    def downlinks_of(self, eui: EUI) -> Deferred[list[Downlink]]:
        """Fire with the newest downlinks of a sensor."""

    async def query_reception(self, eui: EUI) -> EUI:
        """Have a sensor asked how well it receives; the station that will ask."""

    # base stations

    def station_states(self) -> list[StationState]:
        """Return every base station known, and whether it is connected."""

    def watch_stations(self, watcher: Callable[[StationState], None]) -> Callable[[], None]:
        """Call ``watcher`` with each station that comes or goes; returns what ends that."""

    async def variable_mac(self, eui: EUI, command: object, mac_type: object) -> dict[str, Any]:
        """Have a station receive telegrams of another MAC, or no longer, or say which it receives."""

    # the service

    def report(self, event: AnyEvent) -> None:
        """Hand an event to all sinks, by the journal."""

    def health(self) -> dict[str, Any]:
        """Return the service's state, as ``health_check`` publishes it."""

    def changeable_settings(self) -> dict[str, Any]:
        """Return the settings that may change while the service runs, without credentials."""

    async def change_settings(self, values: Mapping[str, Any]) -> frozenset[str]:
        """Put settings into force and keep them; what changed."""
