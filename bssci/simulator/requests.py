"""Answers of a simulated base station to its service center, with a ``handle_<command>`` for each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bssci.simulator.downlinks import DownlinkEnd, DownlinkMode, DownlinkQueue, QueuedDownlink
from bssci.simulator.quirks import Quirks
from bssci.simulator.telemetry import Telemetry
from bssci.wire.errors import ErrorCode
from bssci.wire.messages import (
    AttPrp,
    AttPrp11,
    AttPrpRsp,
    Completion,
    DetPrp,
    DetPrpRsp,
    DlDataQue,
    DlDataQueCmp,
    DlDataQueRsp,
    DlDataRev,
    DlDataRevRsp,
    DlRxStatQry,
    DlRxStatQryRsp,
    Message,
    Ping,
    PingRsp,
    Status,
    command_of,
)


class Rejection(Exception):
    """A request is answered with ``error``."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass
class Behaviour:
    """Choices about how a station answers requests.

    :param attach_code: error code with which every ``attPrp`` is answered, or None to accept it; or a
        function that returns either for an EUI.
    :param status: ``none`` leaves status requests unanswered.
    """

    downlinks: DownlinkMode = "accept"
    status: Literal["normal", "none"] = "normal"
    attach_code: int | None | Callable[[int], int | None] = None


class RequestHandlers:
    """Handlers of the service center's requests, which return the station's answers."""

    def __init__(
        self,
        behaviour: Behaviour,
        quirks: Quirks,
        telemetry: Telemetry,
        *,
        now_ns: Callable[[], int],
        uptime: Callable[[], float],
        report: Callable[[DownlinkEnd], None],
    ) -> None:
        self.attached: dict[int, AttPrp | AttPrp11] = {}
        """Sensors that this station serves, as last propagated."""
        self.downlinks = DownlinkQueue(behaviour.downlinks)
        self.reception_queries: set[int] = set()
        """Sensors whose next acknowledgement is to be followed by ``dlRxStat``."""
        self._behaviour = behaviour
        self._quirks = quirks
        self._telemetry = telemetry
        self._now_ns = now_ns
        self._uptime = uptime
        self._report = report
        self._known_outcomes: dict[int, DownlinkEnd] = {}
        """Outcomes by opId of the queue operation, until that is complete."""

    def answer(self, message: Message) -> Message | None:
        """Return the answer to a request or a completion; None if there is none.

        :raises Rejection: the answer is ``error``.
        """
        command = command_of(type(message))
        handle = getattr(self, f"handle_{command}", None)
        if handle is None and isinstance(message, Completion):
            return None
        if handle is None:
            raise Rejection(ErrorCode.ENOTSUP, f"{command} is not supported")
        answer: Message | None = handle(message)
        return answer

    def handle_ping(self, message: Ping) -> Message:
        return PingRsp(opId=message.opId)

    def handle_status(self, message: Status) -> Message | None:
        if self._behaviour.status == "none":
            return None
        return self._telemetry.read(message.opId, time_ns=self._now_ns(), uptime=self._uptime())

    def handle_attPrp(self, message: AttPrp | AttPrp11) -> Message:
        if "version-1.1" in self._quirks and isinstance(message, AttPrp):
            raise Rejection(ErrorCode.EINVAL, "epClass and syncBurst are missing")
        code = self._behaviour.attach_code
        if callable(code):
            code = code(message.epEui)
        if code is not None:
            raise Rejection(code, "end point refused")
        if "attach-drops" in self._quirks:
            self.downlinks.drop(message.epEui)
        self.attached[message.epEui] = message
        return AttPrpRsp(opId=message.opId)

    def handle_detPrp(self, message: DetPrp) -> Message:
        if self.attached.pop(message.epEui, None) is None:
            raise Rejection(ErrorCode.ENOENT, "end point is not attached")
        self.downlinks.drop(message.epEui)
        self.reception_queries.discard(message.epEui)
        return DetPrpRsp(opId=message.opId)

    def handle_dlDataQue(self, message: DlDataQue) -> Message:
        self._require_attached(message.epEui)
        outcome = self.downlinks.add(
            QueuedDownlink(
                end_point_eui=message.epEui,
                queue_id=message.queId,
                payloads=_payloads(message),
                priority=message.prio,
                expected_only=message.expOnly,
            )
        )
        if outcome is not None:
            self._known_outcomes[message.opId] = outcome
        return DlDataQueRsp(opId=message.opId)

    def handle_dlDataQueCmp(self, message: DlDataQueCmp) -> None:
        outcome = self._known_outcomes.pop(message.opId, None)
        if outcome is not None:
            self._report(outcome)

    def handle_dlDataRev(self, message: DlDataRev) -> Message:
        if not self.downlinks.revoke(message.epEui, message.queId):
            raise Rejection(
                ErrorCode.ENOTSUP if "revoke-95" in self._quirks else ErrorCode.ENOENT, "queue id is not held"
            )
        return DlDataRevRsp(opId=message.opId)

    def handle_dlRxStatQry(self, message: DlRxStatQry) -> Message:
        self._require_attached(message.epEui)
        self.reception_queries.add(message.epEui)
        return DlRxStatQryRsp(opId=message.opId)

    def _require_attached(self, end_point_eui: int) -> None:
        if end_point_eui not in self.attached:
            raise Rejection(ErrorCode.ENOENT, "end point is not attached")


def _payloads(message: DlDataQue) -> dict[int | None, bytes]:
    """Return the payloads that may be sent, by the counter of the uplink that each follows; an empty
    payload is an acknowledgement only.
    """
    if not message.cntDepend:
        if message.userData == [[]] or len(message.userData) > 1:
            raise Rejection(ErrorCode.EINVAL, "userData must be one entry, or [] for an acknowledgement only")
        return {None: bytes(message.userData[0]) if message.userData else b""}
    counters = message.packetCnt or []
    if not counters or len(counters) != len(message.userData):
        raise Rejection(ErrorCode.EINVAL, "packetCnt and userData must be equally long")
    return dict(zip(counters, map(bytes, message.userData), strict=True))
