"""Conversion of the uplinks that base stations send (§5.10) to receptions."""

from __future__ import annotations

from collections.abc import Callable

from bssci.model import Reception, Subpackets, eui_from_int
from bssci.stations.read_batch import ReadBatch
from bssci.stations.station import Station
from bssci.wire.messages import UlData, UlDataRsp


class Uplinks:
    """Handler of uplinks (§5.10)."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def handle_ulData(self, station: Station, message: UlData, batch: ReadBatch) -> None:
        batch.receptions.append(
            Reception(
                end_point_eui=eui_from_int(message.epEui),
                packet_counter=message.packetCnt,
                payload=bytes(message.userData),
                base_station_eui=station.eui,
                rx_time=message.rxTime,
                snr=message.snr,
                rssi=message.rssi,
                received_at=self._now(),
                format=message.format,
                downlink_open=message.dlOpen,
                response_expected=message.responseExp,
                downlink_acknowledged=message.dlAck,
                equivalent_snr=message.eqSnr,
                profile=message.profile,
                mode=message.mode,
                rx_duration=message.rxDuration,
                subpackets=_subpackets(message),
            )
        )
        batch.answers.append(UlDataRsp(opId=message.opId))


def _subpackets(message: UlData) -> Subpackets | None:
    sent = message.subpackets
    if sent is None:
        return None
    return Subpackets(snr=sent.snr, rssi=sent.rssi, frequency=sent.frequency, phase=sent.phase)
