"""The sub-channel ``vm.`` (variable MAC): telegrams of other MACs, which a station receives on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import msgspec
from twisted.internet.defer import Deferred, succeed

from bssci.decoders.wireless_mbus import sender_of
from bssci.model import EUI, Subpackets, VariableMacUplink
from bssci.model.commands import AWAY, DONE, UNANSWERED, CommandError, Outcome
from bssci.stations.asking import Questions
from bssci.stations.link import Link
from bssci.stations.read_batch import ReadBatch
from bssci.stations.station import ConnectionState, Station
from bssci.system.clock import Clock
from bssci.wire.errors import ErrorCode, TooManyOperations
from bssci.wire.messages import Error, Message
from bssci.wire.variable_mac import VmActivate, VmDeactivate, VmStatus, VmStatusRsp, VmUlData, VmUlDataRsp

ANSWER_TIME = 30.0
"""s that a command waits for the station's answer"""

Command = VmActivate | VmDeactivate | VmStatus
_Key = tuple[EUI, Command]
"""identifies a question"""
_UNSUPPORTED = Outcome("failed", int(ErrorCode.ENOTSUP), "the station does not support the variable MAC")


@dataclass(frozen=True, slots=True)
class MacTypes(Outcome):
    """Outcome of :meth:`VariableMac.status` with the station's answer."""

    mac_types: tuple[int, ...] = ()
    """MAC types that the station receives"""


class VariableMac:
    """Commands of the variable MAC, and handlers of its messages.

    A station that refuses a command as unknown or invalid is not asked again on that connection.

    :param now: returns Unix seconds.
    """

    def __init__(self, clock: Clock, now: Callable[[], float]) -> None:
        self._now = now
        self._unsupported: WeakSet[Link] = WeakSet()
        self._questions = Questions[_Key, Outcome](clock, ANSWER_TIME, lambda key: UNANSWERED)

    # commands

    def activate(self, station: Station, mac_type: int) -> Deferred[Outcome]:
        """Make a station receive telegrams of a MAC.

        :param mac_type: 32 bits.
        :return: fires with the outcome when the station has answered, or after 30 s; never fails.
        """
        return self._ask(station, VmActivate(opId=0, macType=mac_type))

    def deactivate(self, station: Station, mac_type: int) -> Deferred[Outcome]:
        """Stop a station from receiving telegrams of a MAC; see :meth:`activate`."""
        return self._ask(station, VmDeactivate(opId=0, macType=mac_type))

    def status(self, station: Station) -> Deferred[Outcome]:
        """Ask a station which MACs it receives: :class:`MacTypes` on success; see :meth:`activate`."""
        return self._ask(station, VmStatus(opId=0))

    def _ask(self, station: Station, command: Command) -> Deferred[Outcome]:
        if station.connection is not ConnectionState.ONLINE or station.link is None:
            return succeed(AWAY)
        if station.link in self._unsupported:
            return succeed(_UNSUPPORTED)
        try:
            return self._questions.ask((station.eui, command), lambda: station.issue([command]))
        except TooManyOperations as error:
            return succeed(Outcome("failed", int(ErrorCode.EAGAIN), str(error)))

    # from stations

    def finish_vm_activate(
        self, station: Station, request: Command, answer: Message, batch: ReadBatch
    ) -> None:
        outcome = DONE
        if isinstance(answer, Error):
            outcome = Outcome("failed", answer.code, answer.message)
            if answer.code in (ErrorCode.ENOTSUP, ErrorCode.EINVAL) and station.link is not None:
                self._unsupported.add(station.link)
        elif isinstance(answer, VmStatusRsp):
            outcome = MacTypes("done", mac_types=tuple(answer.macTypes))
        self._questions.answer((station.eui, msgspec.structs.replace(request, opId=0)), outcome)

    finish_vm_deactivate = finish_vm_activate
    finish_vm_status = finish_vm_activate

    def handle_vm_ulData(self, station: Station, message: VmUlData, batch: ReadBatch) -> None:
        sent = message.subpackets
        payload = bytes(message.userData)
        batch.events.append(
            VariableMacUplink(
                at=self._now(),
                base_station_eui=station.eui,
                mac_type=message.macType,
                payload=payload,
                device=sender_of(payload, station.eui),
                trx_time=message.trxTime,
                system_time=message.sysTime,
                frequency=message.freqOff,
                snr=message.snr,
                rssi=message.rssi,
                equivalent_snr=message.eqSnr,
                subpackets=None
                if sent is None
                else Subpackets(snr=sent.snr, rssi=sent.rssi, frequency=sent.frequency, phase=sent.phase),
                carrier_spacing=message.carrSpace,
                pattern_group=message.pattGrp,
                pattern_number=message.pattNum,
                crc=message.crc,
            )
        )
        batch.answers.append(VmUlDataRsp(opId=message.opId))


async def run_variable_mac(
    variable_mac: VariableMac, station: Station, command: object, mac_type: object
) -> dict[str, Any]:
    """Run a command whose parameters come from outside; return its result.

    :param command: ``activate``, ``deactivate`` or ``status``.
    :param mac_type: 0 to 2**32-1; ignored for ``status``.
    :return: ``macTypes`` after ``status``, else an empty object.
    :raises CommandError: ``invalid``, or ``failed``: the station refused, did not answer or is away.
    """
    if command == "status":
        outcome = await variable_mac.status(station)
    elif command not in ("activate", "deactivate"):
        raise CommandError("invalid", "command must be activate, deactivate or status", "command")
    elif type(mac_type) is not int or not 0 <= mac_type < 1 << 32:
        raise CommandError("invalid", "macType must be a whole number from 0 to 4294967295", "macType")
    elif command == "activate":
        outcome = await variable_mac.activate(station, mac_type)
    else:
        outcome = await variable_mac.deactivate(station, mac_type)
    if outcome.state != "done":
        reason = f"{outcome.code} {outcome.message}" if outcome.code is not None else outcome.state
        raise CommandError("failed", f"base station {station.eui}: {reason}")
    return {"macTypes": list(outcome.mac_types)} if isinstance(outcome, MacTypes) else {}
