"""Handlers of pings, of status reports, and of stations' answers to propagated sensors."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from bssci.model import StationStatus
from bssci.stations.propagation import Propagated
from bssci.stations.read_batch import ReadBatch
from bssci.stations.station import Station
from bssci.wire.messages import Error, Message, Ping, PingRsp, Status, StatusRsp


class Pings:
    """Handlers of pings in both directions (§5.4)."""

    def handle_ping(self, station: Station, message: Ping, batch: ReadBatch) -> None:
        batch.answers.append(PingRsp(opId=message.opId))

    def finish_ping(self, station: Station, request: Ping, answer: Message, batch: ReadBatch) -> None:
        """Ignore the answer to a ping: that it came is enough to show that the station is alive."""


class Statuses:
    """Handler of the status reports that the service center requests (§5.5)."""

    log = Logger()

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def finish_status(
        self, station: Station, request: Status, answer: StatusRsp | Error, batch: ReadBatch
    ) -> None:
        if isinstance(answer, Error):
            self.log.warn(
                "station refuses to report its status {bs_eui} {code} {message}",
                bs_eui=station.eui,
                code=answer.code,
                message=answer.message,
            )
            return
        status = StationStatus(
            at=self._now(),
            base_station_eui=station.eui,
            code=answer.code,
            message=answer.message,
            time=answer.time,
            duty_cycle=answer.dutyCycle,
            geo_location=answer.geoLocation,
            uptime=answer.uptime,
            temperature=answer.temp,
            cpu_load=answer.cpuLoad,
            memory_load=answer.memLoad,
        )
        station.reported(status)
        batch.events.append(status)


class Propagations:
    """Handlers of answers to the operations of :class:`bssci.stations.propagation.Propagation` (§5.8, §5.9).

    :param now: returns Unix seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def finish_attPrp(self, station: Station, request: Propagated, answer: Message, batch: ReadBatch) -> None:
        if isinstance(answer, Error):
            outcome = station.propagation.refused_by_station(
                request, answer.code, answer.message, self._now()
            )
        else:
            outcome = station.propagation.answered(request, self._now())
        if outcome is not None:
            registration, event = outcome
            batch.answered.append(registration)
            batch.news += filter(None, (event, station.told_all()))

    finish_detPrp = finish_attPrp
