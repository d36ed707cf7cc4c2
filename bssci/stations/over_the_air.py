"""Messages of attach and detach over the air (§5.6, §5.7); decisions are made by an object passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred

from bssci.journal import Registration
from bssci.model import EUI, AnyEvent, eui_from_int
from bssci.model.over_the_air import AttachRequest, DetachRequest
from bssci.stations.read_batch import ReadBatch
from bssci.stations.station import Station
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import Att, AttRsp, Det, DetRsp


@dataclass(frozen=True, slots=True)
class Accepted:
    """The positive answer to a sensor's request, to be sent once everything in it is on disk."""

    registration: Registration
    """the sensor's registration at the station, valid once the station has our answer"""
    stored: Deferred[None] | None = None
    """a write that was started already, to be waited for"""
    session_key: bytes = b""
    """session key of an attach"""
    short_address: int = 0
    """short address of an attach"""


class RefusedOverTheAir(Exception):
    """A sensor's request is refused.

    :ivar message: the reason, for people.
    :ivar event: event to publish; None for a sensor that is not configured.
    """

    def __init__(self, message: str, event: AnyEvent | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.event = event


class SensorRequests(Protocol):
    """Interface of the object that decides on sensors' requests."""

    def attach(self, request: AttachRequest) -> Accepted:
        """Decide on an attach request, or on another station's copy of it.

        :raises RefusedOverTheAir: it is not accepted.
        """

    def detach(self, request: DetachRequest) -> Accepted:
        """Decide on a detach request, or on another station's copy of it.

        :raises RefusedOverTheAir: it is not accepted.
        """

    def completed(self, end_point_eui: EUI, station: EUI) -> None:
        """Note that a station has received our answer to a request of this sensor, or our refusal."""

    def cancelled(self, end_point_eui: EUI, station: EUI) -> bool:
        """Note that a station has cancelled a request of this sensor, and so may not have carried it out.

        :return: whether the sensor is configured.
        """


class OverTheAirMessages:
    """Handlers of attach and detach requests, see :mod:`bssci.stations.station`."""

    def __init__(self, requests: SensorRequests) -> None:
        self._requests = requests

    def handle_att(self, station: Station, message: Att, batch: ReadBatch) -> None:
        request = AttachRequest(
            end_point_eui=eui_from_int(message.epEui),
            base_station_eui=station.eui,
            attach_counter=message.attachCnt,
            nonce=bytes(message.nonce),
            signature=bytes(message.sign),
            short_address=message.shAddr,
            dual_channel=message.dualChan,
            repetition=message.repetition,
            wide_carrier_offset=message.wideCarrOff,
            long_block_distance=message.longBlkDist,
            snr=message.snr,
            rssi=message.rssi,
        )
        accepted = _decided(lambda: self._requests.attach(request), station, message, batch)
        address = accepted.short_address if message.shAddr is None else None
        batch.answers.append(AttRsp(opId=message.opId, nwkSnKey=list(accepted.session_key), shAddr=address))

    def complete_att(self, station: Station, end_point_eui: int) -> None:
        self._requests.completed(eui_from_int(end_point_eui), station.eui)

    def cancel_att(self, station: Station, end_point_eui: int) -> None:
        eui = eui_from_int(end_point_eui)
        if self._requests.cancelled(eui, station.eui):
            station.doubt(eui)

    def handle_det(self, station: Station, message: Det, batch: ReadBatch) -> None:
        request = DetachRequest(
            end_point_eui=eui_from_int(message.epEui),
            base_station_eui=station.eui,
            packet_counter=message.packetCnt,
            signature=bytes(message.sign),
        )
        _decided(lambda: self._requests.detach(request), station, message, batch)
        batch.answers.append(DetRsp(opId=message.opId, sign=message.sign))

    complete_det = complete_att

    cancel_det = cancel_att


def _decided(
    decide: Callable[[], Accepted], station: Station, message: Att | Det, batch: ReadBatch
) -> Accepted:
    """Return the decision on a request, after adding its writes and its event to the batch.

    :raises ProtocolError: the request is refused.
    """
    try:
        accepted = decide()
    except RefusedOverTheAir as error:
        if error.event is None:
            raise ProtocolError(ErrorCode.ENOENT, error.message, message.opId) from error
        batch.events.append(error.event)
        raise ProtocolError(ErrorCode.EPROTO, error.message, message.opId) from error
    if accepted.stored is not None:
        batch.stored.append(accepted.stored)
    batch.registrations.append(accepted.registration)
    station.propagation.knows(accepted.registration)
    state = station.told_all()
    if state is not None:
        batch.events.append(state)
    return accepted
