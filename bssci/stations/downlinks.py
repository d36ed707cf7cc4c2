"""Messages about downlinks to and from base stations (§5.12-5.16); decisions are made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from bssci.model import EUI, DownlinkRequest, eui_from_int, eui_to_int
from bssci.model.downlink import DownlinkOrder, DownlinkResult, OrderKind, ReceptionReport, RefusalReason
from bssci.stations.questions import ReceptionQueries
from bssci.stations.read_batch import ReadBatch
from bssci.stations.station import Station
from bssci.wire.errors import ErrorCode, TooManyOperations
from bssci.wire.messages import (
    DlDataQue,
    DlDataRes,
    DlDataResRsp,
    DlDataRev,
    DlRxStat,
    DlRxStatQry,
    DlRxStatRsp,
    Error,
    Message,
    Request,
)

_REFUSALS: dict[int, RefusalReason] = {
    ErrorCode.EAGAIN: "busy",
    ErrorCode.EIO: "busy",
    ErrorCode.ENOTSUP: "unable",
    ErrorCode.EPERM: "unable",
    ErrorCode.ENOENT: "unknown",
}


class DownlinkReports(Protocol):
    """Receiver of stations' reports about downlinks. Each Deferred fires when the report is on disk."""

    def resulted(self, result: DownlinkResult) -> Deferred[Any]:
        """Record the result of a downlink."""

    def reception(self, report: ReceptionReport) -> Deferred[Any]:
        """Record how well a sensor received a downlink."""

    def taken(self, station: EUI, end_point_eui: EUI, queue_id: int) -> Deferred[Any]:
        """Record that a station has queued a downlink."""

    def refused(
        self, station: EUI, end_point_eui: EUI, queue_id: int, why: RefusalReason, message: str
    ) -> Deferred[Any]:
        """Record that a station refused to queue a downlink.

        :param message: the station's error, for people.
        """

    def given_back(
        self, station: EUI, end_point_eui: EUI, queue_id: int, refusal: RefusalReason | None
    ) -> Deferred[Any]:
        """Record a station's answer to the order to revoke a downlink.

        :param refusal: None if it revoked it; any reason but ``busy`` means that it did not hold it.
        """


class DownlinkMessages:
    """Handlers of messages about downlinks, see :mod:`bssci.stations.station`."""

    def __init__(self, reports: DownlinkReports, queries: ReceptionQueries) -> None:
        self._reports = reports
        self._queries = queries

    def handle_dlDataRes(self, station: Station, message: DlDataRes, batch: ReadBatch) -> None:
        result = DownlinkResult(
            base_station_eui=station.eui,
            end_point_eui=eui_from_int(message.epEui),
            queue_id=message.queId,
            result=message.result,
            tx_time=message.txTime,
            packet_counter=message.packetCnt,
        )
        batch.stored.append(self._reports.resulted(result))
        batch.answers.append(DlDataResRsp(opId=message.opId))

    def handle_dlRxStat(self, station: Station, message: DlRxStat, batch: ReadBatch) -> None:
        report = ReceptionReport(
            base_station_eui=station.eui,
            end_point_eui=eui_from_int(message.epEui),
            packet_counter=message.packetCnt,
            snr=message.dlRxSnr,
            rssi=message.dlRxRssi,
        )
        batch.stored.append(self._reports.reception(report))
        batch.answers.append(DlRxStatRsp(opId=message.opId))

    def finish_dlDataQue(
        self, station: Station, request: DlDataQue, answer: Message, batch: ReadBatch
    ) -> None:
        eui = eui_from_int(request.epEui)
        if isinstance(answer, Error):
            why = _REFUSALS.get(answer.code, "wrong")
            text = f"{answer.code} {answer.message}"
            batch.stored.append(self._reports.refused(station.eui, eui, request.queId, why, text))
        else:
            # Stored before the operation is closed: a stored order without an open operation was never sent.
            batch.stored.append(self._reports.taken(station.eui, eui, request.queId))

    def finish_dlDataRev(
        self, station: Station, request: DlDataRev, answer: Message, batch: ReadBatch
    ) -> None:
        refusal = _REFUSALS.get(answer.code, "wrong") if isinstance(answer, Error) else None
        batch.stored.append(
            self._reports.given_back(station.eui, eui_from_int(request.epEui), request.queId, refusal)
        )

    def finish_dlRxStatQry(
        self, station: Station, request: DlRxStatQry, answer: Message, batch: ReadBatch
    ) -> None:
        self._queries.answered(station, request, answer)


def give(station: Station, orders: Iterable[DownlinkOrder]) -> bool:
    """Send orders about downlinks to a station; return false, having sent none, if it has too many open."""
    try:
        station.issue([_operation(order) for order in orders])
    except TooManyOperations:
        return False
    return True


def orders_at(station: Station) -> set[tuple[OrderKind, int]]:
    """Return the orders that a station has not answered yet: kind and queue id of each."""
    found: set[tuple[OrderKind, int]] = set()
    for request in station.open_requests():
        if isinstance(request, DlDataQue):
            found.add(("queue", request.queId))
        elif isinstance(request, DlDataRev):
            found.add(("revoke", request.queId))
    return found


def _operation(order: DownlinkOrder) -> Request:
    if order.request is None:
        return DlDataRev(opId=0, epEui=eui_to_int(order.end_point_eui), queId=order.queue_id)
    return queue_message(order.queue_id, order.request)


def queue_message(queue_id: int, request: DownlinkRequest) -> DlDataQue:
    """Return the request that queues a downlink at a station; its opId is not set yet."""
    counters = request.packet_counters
    return DlDataQue(
        opId=0,
        epEui=eui_to_int(request.end_point_eui),
        queId=queue_id,
        cntDepend=counters is not None,
        packetCnt=None if counters is None else list(counters),
        userData=[list(data) for data in request.data],
        format=request.format,
        prio=request.priority,
        responseExp=request.response_expected,
        responsePrio=request.response_priority,
        dlWindReq=request.downlink_window_request,
        expOnly=request.expect_only,
    )
