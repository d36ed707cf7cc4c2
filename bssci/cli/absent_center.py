"""A stand-in for the service center, for sinks and sources that are built only for a check."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail

from bssci import __version__
from bssci.center.devices.device import Device
from bssci.journal import Change
from bssci.model import EUI, AnyEvent, Downlink, DownlinkRequest, GatewayState, Sensor, StationState
from bssci.model.commands import CommandError, Outcomes

_AWAY = CommandError("unavailable", "the service is not running")


class AbsentCenter:
    """An :class:`bssci.center.interfaces.ICenter` that knows nothing and refuses every command."""

    version = __version__
    eui = EUI("0000000000000000")
    journal: Any = None
    configuration: Any = None

    def __init__(self) -> None:
        self.started_at = time.time()

    def now(self) -> float:
        return time.time()

    def sensor(self, eui: EUI) -> Sensor | None:
        return None

    async def sensor_report(self, eui: EUI) -> dict[str, Any]:
        raise _AWAY

    async def attach(self, euis: Sequence[EUI]) -> Outcomes:
        raise _AWAY

    async def detach(self, euis: Sequence[EUI]) -> Outcomes:
        raise _AWAY

    async def configure(self, sensor: Sensor) -> Outcomes:
        raise _AWAY

    def device(self, id: str) -> Device | None:
        return None

    async def queue_downlink(
        self, request: DownlinkRequest, beside: Callable[[int], Change] | None = None
    ) -> Downlink:
        raise _AWAY

    async def revoke_downlink(self, eui: EUI, queue_id: int) -> Downlink:
        raise _AWAY

    def downlinks_of(self, eui: EUI) -> Deferred[list[Downlink]]:
        return fail(_AWAY)

    async def query_reception(self, eui: EUI) -> EUI:
        raise _AWAY

    def gateway_states(self) -> list[GatewayState]:
        return []

    def station_states(self) -> list[StationState]:
        return []

    def station_state(self, eui: str) -> StationState | None:
        return None

    def gateway_state(self, kind: str, id: str) -> GatewayState | None:
        return None

    def watch_stations(self, watcher: Callable[[StationState], None]) -> Callable[[], None]:
        return lambda: None

    def watch_forgotten(self, watcher: Callable[[StationState | GatewayState], None]) -> Callable[[], None]:
        return lambda: None

    async def variable_mac(self, eui: EUI, command: object, mac_type: object) -> dict[str, Any]:
        raise _AWAY

    def report(self, event: AnyEvent) -> None:
        """Do nothing."""

    def announce(self, topic: str, payload: bytes) -> None:
        """Do nothing."""

    def health(self) -> dict[str, Any]:
        return {}

    def changeable_settings(self) -> dict[str, Any]:
        return {}

    async def change_settings(self, values: Mapping[str, Any]) -> frozenset[str]:
        raise _AWAY
