"""The service center as one sink or source sees it: queries, and commands in its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from bssci.center.devices.device import Device
from bssci.center.service_center import ServiceCenter
from bssci.journal import Change
from bssci.journal.records import StoredRequest
from bssci.model import EUI, AnyEvent, Downlink, DownlinkRequest, GatewayState, Sensor, StationState
from bssci.model.commands import Actor, Outcomes


class Access:
    """The service center as sinks and sources see it: implements :class:`bssci.center.interfaces.ICenter`.

    :param by: actor in whose name the commands are given.
    """

    def __init__(self, center: ServiceCenter, by: Actor) -> None:
        self._center = center
        self._commands = center.commands
        self._by = by
        self.version = center.version
        self.eui = center.eui
        self.now = center.now
        self.configuration = center.configuration
        self.journal = center.journal

    @property
    def started_at(self) -> float:
        return self._center.started_at

    # sensors

    def sensor(self, eui: EUI) -> Sensor | None:
        return self._center.sensors.get(eui)

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        return await self._center.sensor_report(eui)

    async def attach(self, euis: Sequence[EUI]) -> Outcomes:
        return await self._commands.attach(euis, self._by)

    async def detach(self, euis: Sequence[EUI]) -> Outcomes:
        return await self._commands.detach(euis, self._by)

    async def configure(self, sensor: Sensor) -> Outcomes:
        return await self._commands.configure(sensor, self._by)

    async def change_sensor(self, eui: EUI, make: Callable[[Sensor | None], Sensor]) -> Outcomes:
        """See :meth:`bssci.center.commands.Commands.change_sensor`."""
        return await self._commands.change_sensor(eui, make, self._by)

    # devices other than mioty sensors

    def device(self, id: str) -> Device | None:
        return self._center.devices.known(id)

    # downlinks

    async def queue_downlink(
        self, request: DownlinkRequest, beside: Callable[[int], Change] | None = None
    ) -> Downlink:
        return await self._commands.queue_downlink(request, self._by, beside)

    async def revoke_downlink(self, eui: EUI, queue_id: int) -> Downlink:
        return await self._commands.revoke_downlink(eui, queue_id, self._by)

    def downlinks_of(self, eui: EUI) -> Deferred[list[Downlink]]:
        return self._center.downlinks.of(eui)

    async def query_reception(self, eui: EUI) -> EUI:
        return await self._commands.query_reception(eui, self._by)

    def unanswered_requests(self) -> list[StoredRequest]:
        """Return the requests of this sink or source that earlier runs left unanswered, in their order."""
        return [each for each in self._center.unanswered_requests if each.source == self._by.name]

    # base stations

    def station_states(self) -> list[StationState]:
        return self._center.station_states()

    def station_state(self, eui: str) -> StationState | None:
        station = self._center.stations.get(EUI(eui))
        return station.state if station is not None and station.has_connected else None

    def gateway_states(self) -> list[GatewayState]:
        return self._center.gateway_states()

    def gateway_state(self, kind: str, id: str) -> GatewayState | None:
        return self._center.gateways.state(f"{kind}:{id}")

    def watch_stations(self, watcher: Callable[[StationState], None]) -> Callable[[], None]:
        return self._center.watch_stations(watcher)

    def watch_forgotten(self, watcher: Callable[[StationState | GatewayState], None]) -> Callable[[], None]:
        return self._center.watch_forgotten(watcher)

    async def variable_mac(self, eui: EUI, command: object, mac_type: object) -> dict[str, Any]:
        return await self._commands.stations.variable_mac(eui, command, mac_type, self._by)

    # the service

    def report(self, event: AnyEvent) -> None:
        self._center.report(event)

    def announce(self, topic: str, payload: bytes) -> None:
        self._center.announcements.tell(topic, payload)

    def health(self) -> dict[str, Any]:
        return self._center.health()

    def changeable_settings(self) -> dict[str, Any]:
        return self._commands.settings.changeable()

    async def change_settings(self, values: Mapping[str, Any]) -> frozenset[str]:
        return await self._commands.settings.change_remotely(values, self._by)
