"""The sink ``log``: events as log lines; uplinks at debug level, the rest at info."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.model import EUI, AnyEvent, SensorStatus, StationState, StationStatus, Uplink
from bssci.sinks.interfaces import ISink, ISinkFactory
from bssci.system import logs


@implementer(ISink)
class LogSink:
    """Writes events to the service's own log."""

    log = Logger()

    def __init__(self) -> None:
        self._online: dict[EUI, float] = {}
        """since when each base station is online whose coming was told"""

    def start(self) -> None:
        """Do nothing: there is nothing to begin."""

    def deliver(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        debug = logs.is_enabled("debug")
        for event in batch:
            if isinstance(event, StationState):
                self._station_state(event)
            elif isinstance(event, SensorStatus) and event.code is not None:
                self.log.info(
                    "sensor {action} {ep_eui} {bs_eui} {code} {message}",
                    action=event.action,
                    ep_eui=event.end_point_eui,
                    bs_eui=event.base_station_eui,
                    code=event.code,
                    message=event.message,
                )
            elif debug:
                self._debug(event)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        return succeed(None)

    def _station_state(self, event: StationState) -> None:
        eui = event.base_station_eui
        if event.state == "offline":
            self._online.pop(eui, None)
            self.log.info("station offline {bs_eui} {reason}", bs_eui=eui, reason=event.reason)
            return
        if self._online.get(eui) != event.at:
            self._online[eui] = event.at
            session = "resumed" if event.resumed else "new"
            self.log.info("station online {bs_eui} {session} session", bs_eui=eui, session=session)
        if event.attached is not None:
            self.log.info("sensors attached {bs_eui} {attached}", bs_eui=eui, attached=event.attached)

    def _debug(self, event: AnyEvent) -> None:
        if isinstance(event, Uplink):
            self.log.debug(
                "uplink {ep_eui} {cnt} {bs_eui} {snr} {duplicates}",
                ep_eui=event.end_point_eui,
                cnt=event.packet_counter,
                bs_eui=event.best.base_station_eui,
                snr=event.best.snr,
                duplicates=event.duplicates,
            )
        elif isinstance(event, SensorStatus):
            self.log.debug(
                "sensor {action} {ep_eui} {bs_eui}",
                action=event.action,
                ep_eui=event.end_point_eui,
                bs_eui=event.base_station_eui,
            )
        elif isinstance(event, StationStatus):
            self.log.debug("station status {bs_eui} {code}", bs_eui=event.base_station_eui, code=event.code)


@implementer(IPlugin, ISinkFactory)
class LogSinkFactory:
    """Builds the sink ``log``."""

    name = "log"
    description = "logs when stations come and go and what fails; at debug level also every uplink"
    settings = ()

    def build(self, settings: Mapping[str, Any], center: Any) -> LogSink:
        return LogSink()
