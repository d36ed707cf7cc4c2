"""Commands to strikes and sirens of controllers: ``cmnd/…`` goes out, the ``stat/…`` that follows answers.

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
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred, TimeoutError

from bssci.center.devices.gateways import Gateways
from bssci.model import Telegram
from bssci.model.commands import CommandError

ANSWER_TIME = 10.0
"""s that the broker and the controller are given, each"""
MODES = {"strike": "access-control-mode", "siren": "alarm-mode"}
"""mode of the connector of each kind of component that takes commands"""
_PLACE = re.compile(r"f2:([0-9a-f]{12})/(J[1-9])/((strike|siren)-[1-9])")


class PublishBySource(Protocol):
    """Sends messages by a source."""

    def publish(self, name: str, topic: str, payload: bytes) -> Deferred[None]:
        """Have a source publish; fires when the other side has it.

        :raises CommandError: ``unavailable``.
        """


class ControllerAnswer(msgspec.Struct, frozen=True):
    """Outcome of a command that was sent."""

    topic: str
    """topic of the command"""
    answered: bool
    """the controller reported a state in time"""
    state: Mapping[str, Any] | None
    """the message with that state; None without one"""


class ControllerCommands:
    """Sends commands, and waits for what the controller says then."""

    def __init__(self, clock: Any, gateways: Gateways, sources: PublishBySource) -> None:
        self._clock = clock
        self._gateways = gateways
        self._sources = sources
        self._waiting: dict[str, Deferred[Mapping[str, Any]]] = {}

    def topic_of(self, id: str) -> str:
        """Return the topic of commands to a strike or siren.

        :raises CommandError: ``invalid``: it is neither.
        """
        place = _PLACE.fullmatch(id)
        if place is None:
            raise CommandError("invalid", "only strikes and sirens take commands: f2:{mac}/J2/strike-1", "id")
        return f"cmnd/f2-{place[1]}/{MODES[place[4]]}/{place[2]}/{place[3]}"

    async def send(self, id: str, command: Mapping[str, Any]) -> ControllerAnswer:
        """Publish a command, and return what the controller answers.

        :raises CommandError: ``invalid``, ``busy``: another command waits for its answer, or
            ``unavailable``: it cannot be published.
        """
        topic = self.topic_of(id)
        controller = id[3:15]
        gateway = self._gateways.get(f"controller:f2-{controller}")
        if gateway is None or not gateway.source:
            raise CommandError("unavailable", f"the controller f2-{controller} was never heard")
        if id in self._waiting:
            raise CommandError("busy", f"another command to {id} waits for its answer")
        # The state may come before the broker's acknowledgement.
        answer = self._waiting[id] = Deferred()
        try:
            await self._publish(gateway.source, topic, msgspec.json.encode(command))
            state = await answer.addTimeout(ANSWER_TIME, self._clock)
        except TimeoutError:
            return ControllerAnswer(topic, False, None)
        finally:
            del self._waiting[id]
        return ControllerAnswer(topic, True, state)

    async def _publish(self, source: str, topic: str, payload: bytes) -> None:
        published = self._sources.publish(source, topic, payload)
        try:
            await published.addTimeout(ANSWER_TIME, self._clock)
        except TimeoutError:
            raise CommandError(
                "unavailable", f"the broker did not acknowledge within {ANSWER_TIME:.0f} s; it may have it"
            ) from None

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take telegrams that are on disk: one may be the state that a command waits for."""
        if not self._waiting:
            return
        for telegram in telegrams:
            waiting = self._waiting.get(telegram.device)
            if waiting is None or waiting.called or telegram.envelope.get("direction") != "stat":
                continue
            state = telegram.envelope.get("payload")
            waiting.callback(state if isinstance(state, Mapping) else {})
