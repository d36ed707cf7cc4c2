"""Commands to gateways of every kind, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bssci.center.devices.command_exchange import PublishBySource
from bssci.center.devices.controller_commands import ControllerCommands
from bssci.center.devices.gateways import Gateways
from bssci.center.devices.scanner_commands import ScannerCommands
from bssci.model import Telegram
from bssci.system.clock import Clock


class GatewayCommands:
    """Commands to devices at controllers, and to scanners.

    :param now: returns Unix seconds.
    """

    def __init__(
        self, clock: Clock, gateways: Gateways, sources: PublishBySource, now: Callable[[], float]
    ) -> None:
        self.controllers = ControllerCommands(clock, gateways, sources)
        self.scanners = ScannerCommands(clock, gateways, sources, now)

    def heard(self, telegrams: Sequence[Telegram]) -> None:
        """Take stored telegrams, one of which may be the answer that a command waits for."""
        self.controllers.heard(telegrams)
        self.scanners.heard(telegrams)
