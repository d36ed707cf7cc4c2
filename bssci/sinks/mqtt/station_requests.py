"""Requests to base stations that come by MQTT: what a station receives besides mioty (``vm.``).

    bs/{EUI}/vm/cmd    {"command": "activate" | "deactivate" | "status", "macType"?, "ref"?}

answered on ``bs/{EUI}/vm/response`` when the station has answered; those for one station are sent to it in
the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.interfaces import ICenter
from bssci.center.turns import Turns
from bssci.model import EUI, parse_eui
from bssci.model.commands import CommandError
from bssci.model.states import RequestOutcome
from bssci.mqtt.values import Received, ReplyTo
from bssci.sinks.mqtt.intake import MAX_RUNNING, Intake, IntakeRequest
from bssci.sinks.mqtt.request_payloads import (
    MAX_SIZE,
    Asked,
    failure_of,
    read_object,
    read_reference,
    refuse_dry_run,
    reply_error,
    size_error,
)
from bssci.system.line_limit import LineLimit, telling

_encode = msgspec.json.Encoder().encode


class StationRequests:
    """Carries requests to base stations to the service center.

    :param publish: publishes an answer about a station, also on the response topic; fires when the broker
        has it.
    :param listens_to: returns whether a message on a topic is taken for a request.
    """

    log = Logger()

    def __init__(
        self,
        center: ICenter,
        base_topic: str,
        intake: Intake,
        publish: Callable[[EUI, dict[str, Any], ReplyTo | None], Deferred[None]],
        listens_to: Callable[[str], bool] = lambda topic: False,
    ) -> None:
        self._center = center
        self._prefix = f"{base_topic}/bs/"
        self._intake = intake
        self._publish = publish
        self._listens_to = listens_to
        self._lines = LineLimit(center.now)
        self._turns = Turns()

    def topics(self) -> list[str]:
        return [f"{self._prefix}+/vm/cmd", f"{self._prefix}+/vm/cmd/"]

    def is_for_us(self, topic: str) -> bool:
        return topic.startswith(self._prefix)

    def received(self, message: Received) -> Deferred[None] | None:
        """Take one request. Its content never makes this raise.

        :return: fires when it may be acknowledged; None: at once.
        """
        eui = self._station(message.topic)
        if eui is None or not message.payload:
            # An empty message makes the broker forget a retained one; it asks for nothing.
            return None
        wrong = reply_error(message.reply, self._listens_to)
        if message.retained:
            error = CommandError("retained", "is not carried out: publish requests without retain", "retain")
        elif len(message.payload) > MAX_SIZE:
            error = size_error(len(message.payload))
        elif self._intake.busy:
            error = CommandError("busy", f"{MAX_RUNNING} requests are under way; try again later")
        elif wrong is not None:
            error = wrong
        else:
            return self._intake.take(f"bs/{eui}/vm", message, lambda: None, self.carry_out)
        ref = read_reference(message.payload) if len(message.payload) <= MAX_SIZE else None
        answer = {"bs_eui": eui} | ({} if ref is None else {"ref": ref}) | self._failed(error)
        self._publish(eui, answer, message.reply if wrong is None else None)
        return None

    def too_large(self, topic: str, size: int) -> None:
        """Refuse a request of ``size`` bytes, of which only the topic was read."""
        eui = self._station(topic)
        if eui is not None:
            self._publish(eui, {"bs_eui": eui} | self._failed(size_error(size)), None)

    def _station(self, topic: str) -> EUI | None:
        try:
            return parse_eui(topic.removeprefix(self._prefix).split("/")[0])
        except ValueError as error:
            self._intake.misaddressed += 1
            if (left_out := self._lines.admit()) is not None:
                self.log.warn(
                    telling("request for no station {topic} {error}", left_out),
                    topic=topic[:200],
                    error=str(error)[:200],
                    left_out=left_out,
                )
            return None

    async def carry_out(self, request: IntakeRequest) -> None:
        """Do what a request that is on disk asks for, and answer it."""
        eui = EUI(request.topic.split("/")[1])
        answer: dict[str, Any] = {"bs_eui": eui}
        state: RequestOutcome = "failed"
        try:
            asked = read_object("vm", request.payload)
            answer |= {"command": asked.body.get("command")}
            answer |= {} if asked.ref is None else {"ref": asked.ref}
            result = await self._turns.run([eui], lambda: self._do(eui, asked, request))
            answer |= result | {"status": "done", "timestamp": self._center.now()}
            state = "done"
        except CommandError as error:
            answer |= self._failed(error)
        except Exception:
            self.log.failure("request failed {bs_eui}", bs_eui=eui)
            answer |= self._failed(CommandError("internal", "internal error, see the log"))
        await self._publish(eui, answer, request.reply)
        await self._intake.answer(request, state, _encode(answer))

    async def _do(self, eui: EUI, asked: Asked, request: IntakeRequest) -> dict[str, Any]:
        if request.expires_at is not None and self._center.now() >= request.expires_at:
            raise CommandError("expired", "its message expiry was over before it could be carried out")
        refuse_dry_run(asked.body)
        return await self._center.variable_mac(eui, asked.body.get("command"), asked.body.get("macType"))

    def _failed(self, error: CommandError) -> dict[str, Any]:
        return {"status": "failed", "error": failure_of(error), "timestamp": self._center.now()}
