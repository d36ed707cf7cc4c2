"""The service center as sinks and sources see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.model import EUI, AnyEvent, Downlink, DownlinkRequest, GatewayState, Sensor, StationState, Telegram
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
        """Return the time in Unix seconds."""

    # sensors

    def sensor(self, eui: EUI) -> Sensor | None:
        """Return a sensor as it is configured; None if it is not."""

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        """Return registration, activity, signal and preferred path of a sensor, as JSON knows them."""

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

    def gateway_states(self) -> list[GatewayState]:
        """Return every scanner and controller known, and whether it is heard."""

    def watch_stations(self, watcher: Callable[[StationState], None]) -> Callable[[], None]:
        """Call ``watcher`` with each station that comes or goes; returns what ends that."""

    async def variable_mac(self, eui: EUI, command: object, mac_type: object) -> dict[str, Any]:
        """Have a station receive telegrams of another MAC, or no longer, or say which it receives."""

    # the service

    def report(self, event: AnyEvent) -> None:
        """Hand an event to all sinks, by the journal."""

    def announce(self, topic: str, payload: bytes) -> None:
        """Have a message that is not an event told by the live stream, too; nothing is kept of it.

        :param topic: with BASE_TOPIC.
        """

    def health(self) -> dict[str, Any]:
        """Return the service's state, as ``health_check`` publishes it."""

    def changeable_settings(self) -> dict[str, Any]:
        """Return the settings that may change while the service runs, without credentials."""

    async def change_settings(self, values: Mapping[str, Any]) -> frozenset[str]:
        """Put settings into force and keep them; what changed."""


class IIngest(Protocol):
    """The way in for one source: what it brings, within its bounds and counted under its name."""

    @property
    def cursors(self) -> Mapping[str, int]:
        """Return the positions that were stored with telegrams, by their names; of earlier runs, too."""

    def __call__(
        self, telegrams: Sequence[Telegram], cursors: Mapping[str, int] | None = None
    ) -> Deferred[None]:
        """Take telegrams; the Deferred fires when they are on disk: only then may the other side be told.

        A telegram that was taken before, by its ``id``, is not taken again, and one that cannot be kept is
        counted and passed over; neither is an error. If the Deferred fails, with whatever, nothing was
        taken: the source brings more than it may, or the disk is full. Offer the same again later.

        :param cursors: positions to store in the same commit, by their names. With them, offer the next
            telegrams only when the Deferred has fired.
        """

    def knows(self, id: str) -> bool:
        """Return whether a telegram with this id was taken lately."""

    def reject(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count messages that cannot be read; the first of each reason is logged.

        :param reason: plain words, the same each time: ``not JSON``.
        :param example: the message, or where it came from; only its beginning is kept, and no secret.
        """

    def remark(self, reason: str, example: str = "") -> None:
        """Count an oddity of a message that is accepted nevertheless; the first is logged."""
