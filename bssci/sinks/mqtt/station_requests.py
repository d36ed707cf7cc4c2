"""Requests to base stations that come by MQTT: what a station receives beside mioty (``vm.``).

    bs/{EUI}/vm/cmd    {"command": "activate" | "deactivate" | "status", "macType"?, "ref"?}

answered on ``bs/{EUI}/vm/response`` when the station has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import Logger

from bssci.center.interfaces import ICenter
from bssci.model import EUI, parse_eui
from bssci.model.commands import CommandError
from bssci.sinks.mqtt.request_payloads import (
    MAX_SIZE,
    failure_of,
    read_object,
    read_reference,
    size_error,
)


class StationRequests:
    """Carries them to the service center.

    :param publish: publishes an answer about a station.
    """

    log = Logger()

    def __init__(
        self, center: ICenter, base_topic: str, publish: Callable[[EUI, dict[str, Any]], None]
    ) -> None:
        self._center = center
        self._prefix = f"{base_topic}/bs/"
        self._publish = publish

    def topics(self) -> list[str]:
        return [f"{self._prefix}+/vm/cmd", f"{self._prefix}+/vm/cmd/"]

    def is_for_us(self, topic: str) -> bool:
        return topic.startswith(self._prefix)

    def received(self, topic: str, payload: bytes, retained: bool) -> None:
        """Take one request. Never raises for what it holds."""
        eui = self._station(topic)
        if eui is not None:
            ensureDeferred(self._carry_out(eui, payload, retained)).addErrback(
                lambda failure: self.log.failure("request for {bs_eui}", failure, bs_eui=eui)
            )

    def too_large(self, topic: str, size: int) -> None:
        """Answer a request that was not taken in; of ``size`` bytes."""
        eui = self._station(topic)
        if eui is not None:
            self._refuse(eui, {"bs_eui": eui}, size_error(size))

    def _station(self, topic: str) -> EUI | None:
        try:
            return parse_eui(topic.removeprefix(self._prefix).split("/")[0])
        except ValueError as error:
            self.log.warn("request for no station {topic} {error}", topic=topic[:200], error=str(error)[:200])
            return None

    async def _carry_out(self, eui: EUI, payload: bytes, retained: bool) -> None:
        answer: dict[str, Any] = {"bs_eui": eui}
        try:
            if retained:
                ref = read_reference(payload)
                answer |= {} if ref is None else {"ref": ref}
                raise CommandError(
                    "retained", "is not carried out: publish requests without retain", "retain"
                )
            if len(payload) > MAX_SIZE:
                raise size_error(len(payload))
            asked = read_object("vm", payload)
            answer |= {"command": asked.body.get("command")}
            answer |= {} if asked.ref is None else {"ref": asked.ref}
            result = await self._center.variable_mac(
                eui, asked.body.get("command"), asked.body.get("macType")
            )
            answer |= result | {"status": "done"}
        except CommandError as error:
            self._refuse(eui, answer, error)
        else:
            self._publish(eui, answer | {"timestamp": self._center.now()})

    def _refuse(self, eui: EUI, answer: dict[str, Any], error: CommandError) -> None:
        refusal = {"status": "failed", "error": failure_of(error), "timestamp": self._center.now()}
        self._publish(eui, answer | refusal)
