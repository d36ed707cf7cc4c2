"""Upkeep of a base station: pings, status requests, and its answers about sensors."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from bssci.model import EUI, StationState, StationStatus
from bssci.stations.propagation import Propagated
from bssci.stations.station import ReadBatch, Station
from bssci.wire.messages import Error, Message, Ping, PingRsp, Status, StatusRsp


class Pings:
    """Pings, in both directions (§5.4)."""

    def handle_ping(self, station: Station, message: Ping, batch: ReadBatch) -> None:
        batch.answers.append(PingRsp(opId=message.opId))

    def finish_ping(self, station: Station, request: Ping, answer: Message, batch: ReadBatch) -> None:
        """Accept the answer to a ping, which only shows that the station lives."""


class Statuses:
    """Status reports, which the station is asked for (§5.5)."""

    log = Logger()

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def finish_status(
        self, station: Station, request: Status, answer: StatusRsp | Error, batch: ReadBatch
    ) -> None:
        if isinstance(answer, Error):
            self.log.warn(
                "station refuses its status {bs_eui} {code} {message}",
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
    """Answers to what :class:`bssci.stations.propagation.Propagation` asks (§5.8, §5.9)."""

    def __init__(
        self,
        now: Callable[[], float],
        registered: Callable[[EUI], None] = lambda eui: None,
        told: Callable[[StationState], None] = lambda state: None,
    ) -> None:
        """``registered`` is called for every sensor that a station has answered about, ``told`` for a station
        that has been told of all."""
        self._now = now
        self._registered = registered
        self._told = told

    def finish_attPrp(self, station: Station, request: Propagated, answer: Message, batch: ReadBatch) -> None:
        if isinstance(answer, Error):
            outcome = station.propagation.refused_by_station(
                request, answer.code, answer.message, self._now()
            )
        else:
            outcome = station.propagation.answered(request, self._now())
        if outcome is not None:
            registration, event = outcome
            batch.registrations.append(registration)
            if event is not None:
                batch.events.append(event)
            self._registered(registration.end_point_eui)
            attached = station.propagation.report()
            if attached is not None:
                state = station.change_state(attached=attached)
                batch.events.append(state)
                self._told(state)

    finish_detPrp = finish_attPrp
