"""What base stations say of downlinks, handed to the worker (§5.12-5.16)."""

from __future__ import annotations

from bssci.center.downlinks.happenings import QueueRefused, ReceptionReported, Resulted, RevokeAnswered
from bssci.center.downlinks.worker import DownlinkWorker
from bssci.journal import Journal
from bssci.model import eui_from_int
from bssci.stations.questions import ReceptionQueries
from bssci.stations.station import Batch, Station
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
)


class DownlinkMessages:
    """A part of the stations, see :mod:`bssci.stations.station`."""

    def __init__(self, journal: Journal, worker: DownlinkWorker, queries: ReceptionQueries) -> None:
        self._journal = journal
        self._worker = worker
        self._queries = queries

    def handle_dlDataRes(self, station: Station, message: DlDataRes, batch: Batch) -> None:
        happening = Resulted(
            end_point_eui=eui_from_int(message.epEui),
            station=station.eui,
            queue_id=storable(message.queId),
            message=message,
        )
        batch.stored.append(self._worker.happen(happening))
        batch.answers.append(DlDataResRsp(opId=message.opId))

    def handle_dlRxStat(self, station: Station, message: DlRxStat, batch: Batch) -> None:
        happening = ReceptionReported(
            end_point_eui=eui_from_int(message.epEui), station=station.eui, message=message
        )
        batch.stored.append(self._worker.happen(happening))
        batch.answers.append(DlRxStatRsp(opId=message.opId))

    def finish_dlDataQue(self, station: Station, request: DlDataQue, answer: Message, batch: Batch) -> None:
        eui = eui_from_int(request.epEui)
        if isinstance(answer, Error):
            refused = QueueRefused(
                end_point_eui=eui,
                station=station.eui,
                queue_id=request.queId,
                code=answer.code,
                message=answer.message,
            )
            batch.stored.append(self._worker.happen(refused))
        else:
            # Before the operation is closed, so that what is asked and not open was never sent.
            batch.stored.append(self._journal.hold_downlink(request.queId, station.eui))
            if self._worker.working:
                self._worker.look([eui])
        self._worker.can_be_told(station.eui)

    def finish_dlDataRev(self, station: Station, request: DlDataRev, answer: Message, batch: Batch) -> None:
        answered = RevokeAnswered(
            end_point_eui=eui_from_int(request.epEui),
            station=station.eui,
            queue_id=request.queId,
            code=answer.code if isinstance(answer, Error) else 0,
        )
        batch.stored.append(self._worker.happen(answered))
        self._worker.clear(station.eui)
        self._worker.can_be_told(station.eui)

    def finish_dlRxStatQry(
        self, station: Station, request: DlRxStatQry, answer: Message, batch: Batch
    ) -> None:
        self._queries.answered(station, request, answer)


def storable(queue_id: int) -> int:
    """0, which no downlink has, in place of an id that is not ours and that the journal cannot hold."""
    return queue_id if 0 < queue_id < 1 << 63 else 0
