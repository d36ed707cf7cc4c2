"""Commands to strikes and sirens of controllers: ``cmnd/…`` is sent, the next ``stat/…`` is the answer.

::

    command --> cmnd/f2-{mac}/{mode}/J2/strike-1, by the source that heard the controller last
                   |
                   +-- broker has it --> stat of the same place, on disk --> answered
                   |                         10 s without one -------------> not answered
                   +-- not connected ----------------------------------------> error
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from bssci.center.devices.command_exchange import CommandExchange, PublishBySource
from bssci.center.devices.gateways import Gateways
from bssci.model import Telegram
from bssci.model.commands import CommandError
from bssci.system.clock import Clock

MODES = {"strike": "access-control-mode", "siren": "alarm-mode"}
"""mode of the connector, by kind of component that takes commands"""
_PLACE = re.compile(r"f2:([0-9a-f]{12})/(J[1-9])/((strike|siren)-[1-9])")


def takes_commands(id: str) -> bool:
    """Return whether a device is a strike or siren of a controller."""
    return _PLACE.fullmatch(id) is not None


class ControllerAnswer(msgspec.Struct, frozen=True):
    """Outcome of a command that was sent."""

    topic: str
    """topic of the command"""
    answered: bool
    """true if the controller reported a state in time"""
    state: Mapping[str, Any] | None
    """the message with that state; None without one"""


class ControllerCommands:
    """Sends commands, and waits for the state that the controller reports."""

    def __init__(self, clock: Clock, gateways: Gateways, sources: PublishBySource) -> None:
        self._gateways = gateways
        self._exchange = CommandExchange(clock, sources)

    def topic_of(self, id: str) -> str:
        """Return the topic for commands to a strike or siren.

        :raises CommandError: ``invalid``: the id is of neither.
        """
        place = _PLACE.fullmatch(id)
        if place is None:
            raise CommandError("invalid", "only strikes and sirens take commands: f2:{mac}/J2/strike-1", "id")
        return f"cmnd/f2-{place[1]}/{MODES[place[4]]}/{place[2]}/{place[3]}"

    async def send(self, id: str, command: Mapping[str, Any]) -> ControllerAnswer:
        """Publish a command, and return the controller's answer.

        :raises CommandError: ``invalid``, ``busy``: another command waits for its answer, or
            ``unavailable``: it cannot be published.
        """
        topic = self.topic_of(id)
        controller = id[3:15]
        gateway = self._gateways.get(f"controller:f2-{controller}")
        if gateway is None or not gateway.source:
            raise CommandError("unavailable", f"the controller f2-{controller} was never heard")
        state = await self._exchange.send(id, gateway.source, topic, msgspec.json.encode(command))
        return ControllerAnswer(topic, state is not None, state)

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take telegrams that are on disk: one may be the state that a command waits for."""
        if not self._exchange:
            return
        for telegram in telegrams:
            if self._exchange.waits_for(telegram.device) and telegram.envelope.get("direction") == "stat":
                state = telegram.envelope.get("payload")
                self._exchange.answer(telegram.device, state if isinstance(state, Mapping) else {})
