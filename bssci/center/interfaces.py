"""Interfaces of the service center for sinks and sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.center.devices.device import Device
from bssci.journal import Change
from bssci.model import EUI, AnyEvent, Downlink, DownlinkRequest, GatewayState, Sensor, StationState, Telegram
from bssci.model.commands import Outcomes


class ICenter(Protocol):
    """The service center for one sink or source, under whose name its commands are audited.

    A command that cannot be carried out raises :class:`bssci.model.commands.CommandError`. Commands for the
    same sensor are carried out in order. Commands that involve stations return when the connected ones have
    answered, or after 30 s.
    """

    version: str
    eui: EUI
    """EUI of the service center"""

    @property
    def started_at(self) -> float:
        """Unix seconds of the start, by the system clock as it is set now."""

    def now(self) -> float:
        """Return the time in Unix seconds."""

    # sensors

    def sensor(self, eui: EUI) -> Sensor | None:
        """Return a configured sensor; None if it is not configured."""

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        """Return registration, activity, signal and preferred path of a sensor as JSON values."""

    async def attach(self, euis: Sequence[EUI]) -> Outcomes:
        """Attach sensors at all base stations."""

    async def detach(self, euis: Sequence[EUI]) -> Outcomes:
        """Detach sensors at all base stations; they stay configured."""

    async def configure(self, sensor: Sensor) -> Outcomes:
        """Add a sensor or change it, and attach it at all base stations."""

    # devices other than mioty sensors

    def device(self, id: str) -> Device | None:
        """Return a device that people entered; None if they did not. It must not be changed."""

    # downlinks

    async def queue_downlink(
        self, request: DownlinkRequest, beside: Callable[[int], Change] | None = None
    ) -> Downlink:
        """Queue a downlink; return it, with its queue id, once it is stored.

        :param beside: returns a further change for the same commit, called with the queue id.
        """

    async def revoke_downlink(self, eui: EUI, queue_id: int) -> Downlink:
        """Revoke a downlink; one that a station holds is revoked once the station answers."""

    def downlinks_of(self, eui: EUI) -> Deferred[list[Downlink]]:
        """Fire with the newest downlinks of a sensor."""

    async def query_reception(self, eui: EUI) -> EUI:
        """Query how well a sensor receives downlinks; return the station that will ask it."""

    # base stations

    def station_states(self) -> list[StationState]:
        """Return the state of every base station that has ever connected."""

    def station_state(self, eui: str) -> StationState | None:
        """Return the state of a base station; None if it has never connected, or is not known."""

    def gateway_states(self) -> list[GatewayState]:
        """Return the state of every known scanner and controller."""

    def gateway_state(self, kind: str, id: str) -> GatewayState | None:
        """Return the state of a scanner or controller; None if it has none, or is not known."""

    def watch_stations(self, watcher: Callable[[StationState], None]) -> Callable[[], None]:
        """Call ``watcher`` when a station connects, disconnects or serves all sensors.

        :return: a function that ends the watch.
        """

    def watch_forgotten(self, watcher: Callable[[StationState | GatewayState], None]) -> Callable[[], None]:
        """Call ``watcher`` with the last state of a base station, scanner or controller that is forgotten.

        :return: a function that ends the watch.
        """

    async def variable_mac(self, eui: EUI, command: object, mac_type: object) -> dict[str, Any]:
        """Activate or deactivate another MAC at a station, or query which MACs it receives."""

    # the service

    def report(self, event: AnyEvent) -> None:
        """Publish an event to all sinks, through the journal."""

    def announce(self, topic: str, payload: bytes) -> None:
        """Publish a message that is not an event through the live stream, too; it is not stored.

        :param topic: full topic, including BASE_TOPIC.
        """

    def health(self) -> dict[str, Any]:
        """Return the service's health in the form of ``health_check``."""

    def changeable_settings(self) -> dict[str, Any]:
        """Return the settings that may change while the service runs, without credentials."""

    async def change_settings(self, values: Mapping[str, Any]) -> frozenset[str]:
        """Apply settings and write them to ``.env``; return the names of those that changed."""


class IIngest(Protocol):
    """Intake for the telegrams of one source, with its limits and counts."""

    @property
    def cursors(self) -> Mapping[str, int]:
        """Return the positions stored with telegrams by this and earlier runs, by their names."""

    def __call__(
        self, telegrams: Sequence[Telegram], cursors: Mapping[str, int] | None = None
    ) -> Deferred[None]:
        """Take telegrams. The Deferred fires when they are on disk; only then acknowledge them to the sender.

        A telegram whose ``id`` was taken before is not taken again, and one that cannot be stored is counted
        and skipped; neither is an error. If the Deferred fails, with any error, nothing was taken, because
        the source exceeds its limits or the disk is full: offer the same telegrams again later.

        :param cursors: positions by name, to be stored in the same commit. If given, offer the next telegrams
            only after the Deferred has fired.
        """

    def knows(self, id: str) -> bool:
        """Return whether a telegram with this id was taken lately."""

    def reject(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count messages that cannot be read; the first for each reason is logged.

        :param reason: a short text that is the same each time: ``not JSON``.
        :param example: the message or its origin, without secrets; only the beginning is kept.
        """

    def remark(self, reason: str, example: str = "") -> None:
        """Count a deviation in a message that is accepted all the same; the first is logged."""
