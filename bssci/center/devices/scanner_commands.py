"""Commands to Bluetooth scanners: ``{prefix}/command/{id}`` is sent, the next report is the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from bssci.center.devices.command_exchange import CommandExchange, PublishBySource
from bssci.center.devices.gateways import Gateways
from bssci.model import Telegram
from bssci.model.commands import CommandError
from bssci.model.iso_times import iso_milliseconds
from bssci.system.clock import Clock

VERSION = "1.0"
COMMANDS = ("pause", "resume", "reload_config", "update_blocklist")
KIND = "scanner"


class ScannerAnswer(msgspec.Struct, frozen=True):
    """Outcome of a command that was sent."""

    topic: str
    """topic of the command"""
    answered: bool
    """true if the scanner sent a report in time"""
    report: Mapping[str, Any] | None
    """the scanner's report; None without one"""


class ScannerCommands:
    """Sends commands, and waits for the scanner's report.

    :param now: returns Unix seconds.
    """

    def __init__(
        self, clock: Clock, gateways: Gateways, sources: PublishBySource, now: Callable[[], float]
    ) -> None:
        self._gateways = gateways
        self._now = now
        self._exchange = CommandExchange(clock, sources)

    def topic_of(self, id: str) -> str:
        """Return the topic for commands to a scanner, derived from that of its reports.

        :raises CommandError: ``unknown_gateway``; ``invalid``: it is not a scanner; ``unavailable``: it has
            not sent a report yet.
        """
        gateway = self._gateways.get(id)
        if gateway is None:
            raise CommandError("unknown_gateway", f"there is no gateway {id}", "id")
        if gateway.kind != KIND:
            raise CommandError("invalid", "only scanners take these commands", "id")
        reported_on = str((gateway.status or {}).get("topic", ""))
        prefix, found, _ = reported_on.rpartition(f"/{KIND}/{gateway.own_id}/status")
        if not found:
            raise CommandError(
                "unavailable", f"the scanner {gateway.own_id} has not sent a report yet, or only an old one"
            )
        return f"{prefix}/command/{gateway.own_id}"

    async def send(self, id: str, command: str, parameters: Mapping[str, Any]) -> ScannerAnswer:
        """Publish a command, and return the scanner's report.

        :param command: one of :data:`COMMANDS`.
        :raises CommandError: see :meth:`topic_of` and :meth:`CommandExchange.send`.
        """
        topic = self.topic_of(id)
        gateway = self._gateways.get(id)
        assert gateway is not None
        message = {
            "version": VERSION,
            "command": command,
            "timestamp": iso_milliseconds(self._now()),
            "parameters": parameters,
        }
        report = await self._exchange.send(id, gateway.source, topic, msgspec.json.encode(message))
        return ScannerAnswer(topic, report is not None, report)

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take stored telegrams, one of which may be the report that a command waits for."""
        if not self._exchange:
            return
        for telegram in telegrams:
            if self._exchange.waits_for(telegram.device):
                self._exchange.answer(telegram.device, telegram.envelope)
