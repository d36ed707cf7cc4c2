"""Base stations' reports about downlinks, passed to the worker as happenings."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from bssci.center.downlinks.happenings import QueueRefused, ReceptionReported, Resulted, RevokeAnswered
from bssci.center.downlinks.worker import DownlinkWorker
from bssci.journal import Journal
from bssci.model import EUI
from bssci.model.downlink import DownlinkResult, ReceptionReport, RefusalReason


class StationReports:
    """Implementation of :class:`bssci.stations.downlinks.DownlinkReports`."""

    def __init__(self, journal: Journal, worker: DownlinkWorker) -> None:
        self._journal = journal
        self._worker = worker

    def resulted(self, result: DownlinkResult) -> Deferred[Any]:
        return self._worker.happen(
            Resulted(
                end_point_eui=result.end_point_eui,
                station=result.base_station_eui,
                queue_id=own_queue_id(result.queue_id),
                result=result,
            )
        )

    def reception(self, report: ReceptionReport) -> Deferred[Any]:
        return self._worker.happen(ReceptionReported(end_point_eui=report.end_point_eui, report=report))

    def taken(self, station: EUI, end_point_eui: EUI, queue_id: int) -> Deferred[Any]:
        held = self._journal.downlinks.hold(queue_id, station)
        if self._worker.working:
            self._worker.look([end_point_eui])
        self._worker.can_be_told(station)
        return held

    def refused(
        self, station: EUI, end_point_eui: EUI, queue_id: int, why: RefusalReason, message: str
    ) -> Deferred[Any]:
        happened = self._worker.happen(
            QueueRefused(
                end_point_eui=end_point_eui, station=station, queue_id=queue_id, why=why, message=message
            )
        )
        self._worker.can_be_told(station)
        return happened

    def given_back(
        self, station: EUI, end_point_eui: EUI, queue_id: int, refusal: RefusalReason | None
    ) -> Deferred[Any]:
        happened = self._worker.happen(
            RevokeAnswered(end_point_eui=end_point_eui, station=station, queue_id=queue_id, refusal=refusal)
        )
        self._worker.clear(station)
        self._worker.can_be_told(station)
        return happened


def own_queue_id(queue_id: int) -> int:
    """Return a queue id; 0, which no downlink has, for one that is not ours and does not fit the journal."""
    return queue_id if 0 < queue_id < 1 << 63 else 0
