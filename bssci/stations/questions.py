"""Questions to sensors how well they receive (§5.16)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bssci.model import EUI, eui_from_int, eui_to_int
from bssci.model.commands import CommandError
from bssci.stations.station import Station
from bssci.system.clock import Clock, Timer
from bssci.wire.errors import TooManyOperations
from bssci.wire.messages import DlRxStatQry, Error, Message

ANSWER_TIME = 10.0
"""s that a station has to answer"""


class ReceptionQueries:
    """Those that wait for the station's answer; a restart forgets who asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[tuple[EUI, EUI], list[Deferred[EUI]]] = {}
        self._timers: dict[tuple[EUI, EUI], Timer] = {}

    def ask(self, station: Station | None, end_point_eui: EUI) -> Deferred[EUI]:
        """Ask through a station; fires with it when it has agreed. Who asks meanwhile shares the answer.

        :raises CommandError: at once, or in the Deferred.
        """
        if station is None:
            raise CommandError(
                "unavailable", f"no connected base station that can send has heard {end_point_eui}"
            )
        key = (station.eui, end_point_eui)
        if key not in self._waiting:
            try:
                station.issue([DlRxStatQry(opId=0, epEui=eui_to_int(end_point_eui))])
            except TooManyOperations:
                raise CommandError("busy", f"base station {station.eui} is busy: try again later") from None
            self._waiting[key] = []
            self._timers[key] = self._clock.callLater(ANSWER_TIME, self._give_up, key)
        waiting: Deferred[EUI] = Deferred()
        self._waiting[key].append(waiting)
        return waiting

    def answered(self, station: Station, request: DlRxStatQry, answer: Message) -> None:
        """The station agreed or refused."""
        key = (station.eui, eui_from_int(request.epEui))
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        for waiting in self._waiting.pop(key, ()):
            if isinstance(answer, Error):
                why = f"base station {station.eui}: {answer.code} {answer.message}"
                waiting.errback(CommandError("unavailable", why))
            else:
                waiting.callback(station.eui)

    def _give_up(self, key: tuple[EUI, EUI]) -> None:
        del self._timers[key]
        for waiting in self._waiting.pop(key):
            waiting.errback(CommandError("unavailable", f"base station {key[0]} does not answer"))
