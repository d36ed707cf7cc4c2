"""Queries about how well sensors receive downlinks (§5.16)."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from bssci.model import EUI, eui_from_int, eui_to_int
from bssci.model.commands import CommandError
from bssci.stations.asking import Questions
from bssci.stations.station import Station
from bssci.system.clock import Clock
from bssci.wire.errors import TooManyOperations
from bssci.wire.messages import DlRxStatQry, Error, Message

ANSWER_TIME = 10.0
"""s that a station's answer may take"""

_Key = tuple[EUI, EUI]
"""station, sensor"""


class ReceptionQueries:
    """Queries for reception reports, each waiting for a station's answer."""

    def __init__(self, clock: Clock) -> None:
        self._questions = Questions[_Key, EUI](clock, ANSWER_TIME, _unanswered)

    def ask(self, station: Station | None, end_point_eui: EUI) -> Deferred[EUI]:
        """Query a sensor through a station; the Deferred fires with the station's EUI once it has agreed.

        :raises CommandError: ``unavailable`` or ``busy``: at once or in the Deferred.
        """
        if station is None:
            raise CommandError(
                "unavailable", f"no connected base station that can send has heard {end_point_eui}"
            )
        request = DlRxStatQry(opId=0, epEui=eui_to_int(end_point_eui))
        try:
            return self._questions.ask((station.eui, end_point_eui), lambda: station.issue([request]))
        except TooManyOperations:
            raise CommandError("busy", f"base station {station.eui} is busy: try again later") from None

    def answered(self, station: Station, request: DlRxStatQry, answer: Message) -> None:
        """Pass on that the station agreed or refused."""
        key = (station.eui, eui_from_int(request.epEui))
        if isinstance(answer, Error):
            why = f"base station {station.eui}: {answer.code} {answer.message}"
            self._questions.answer(key, CommandError("unavailable", why))
        else:
            self._questions.answer(key, station.eui)


def _unanswered(key: _Key) -> CommandError:
    return CommandError("unavailable", f"base station {key[0]} does not answer")
