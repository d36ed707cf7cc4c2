"""Sessions of base stations that are away, restored from the journal and bounded in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import StorageLines, StoredSession
from bssci.model import EUI, eui_from_int, eui_to_int
from bssci.stations.acquaintance import Degree
from bssci.stations.directory import Stations
from bssci.stations.station import Services, Station
from bssci.wire.errors import ProtocolError
from bssci.wire.messages import Request
from bssci.wire.session import Session, decode_operation

MAX_AWAY = 100_000
"""open operations in sessions of stations that are away, at most; beyond it the least known lose theirs"""
MAX_IDLE = 10_000
"""open operations in sessions of stations that are away and never did anything, at most: may be invented"""


class _Kept(NamedTuple):
    """Size of the session of a station that is away."""

    operations: int
    worked: bool
    """true if the station has done more than connect"""


class SessionsAway:
    """Sessions of stations that are away, within the bound of what all of them may keep.

    :param acquaintance: returns how well a station is known.
    """

    log = Logger()

    def __init__(
        self, stations: Stations, services: Services, acquaintance: Callable[[Station], Degree]
    ) -> None:
        self._stations = stations
        self._journal = services.journal
        self._acquaintance = acquaintance
        self._away: dict[EUI, _Kept] = {}
        """sizes of the sessions of stations that are away"""
        self._totals: Counter[bool] = Counter()
        """open operations of all of them, by :attr:`_Kept.worked`"""
        self._lines = StorageLines(self.log, services.clock.seconds)

    def restored(self, stored: StoredSession) -> Session:
        """Return the session that an earlier run stored."""
        return _restore(stored, self._operations(stored))

    def came(self, eui: EUI) -> None:
        """Note that a station is no longer away, or forgotten."""
        kept = self._away.pop(eui, None)
        if kept is not None:
            self._totals[kept.worked] -= kept.operations

    def went(self, station: Station) -> None:
        """Keep the session of a station that is away, within the bound of what all of them may keep."""
        self.came(station.eui)
        if station.session is None or not station.session.open_requests:
            return
        kept = self._away[station.eui] = _Kept(len(station.session.open_requests), station.worked)
        self._totals[kept.worked] += kept.operations
        self._bound((False,), MAX_IDLE)
        self._bound((False, True), MAX_AWAY)

    def _bound(self, worked: Collection[bool], most: int) -> None:
        """End sessions of the least known stations that are away, if all keep more operations than that.

        :param worked: which stations count: those that have done more than connect, others, or both.
        """
        excess = sum(self._totals[each] for each in worked) - most
        if excess <= 0:
            return
        # Some more than must be, so that this is not done for each station that goes.
        excess += most // 10
        away = filter(None, map(self._stations.get, self._away))
        ending = (each for each in away if each.worked in worked and not each.replacements)
        for each in sorted(ending, key=self._acquaintance):
            if excess <= 0:
                break
            excess -= self._away[each.eui].operations
            self.log.info("session of a station that is away ended to make room {bs_eui}", bs_eui=each.eui)
            self._end_session(each)

    def _end_session(self, station: Station) -> None:
        self.came(station.eui)
        if station.session is not None:
            station.session = None
            station.propagation.forget()
            self._journal.sessions.end(station.eui).addErrback(self._log_failure)

    def _operations(self, stored: StoredSession) -> dict[int, Request]:
        """Return the readable operations of a stored session; damaged ones are skipped and counted."""
        requests: dict[int, Request] = {}
        for op_id, message in stored.open_operations:
            try:
                requests[op_id] = decode_operation(message, op_id)
            except (msgspec.MsgspecError, ValueError, ProtocolError) as error:
                noted = self._journal.sessions.pass_over_operation(stored.base_station_eui, op_id, error)
                noted.addErrback(self._log_failure)
        return requests

    def _log_failure(self, failure: Failure) -> None:
        self._lines.note(failure, "session of a base station not stored")


def stored_session(session: Session, now: float) -> StoredSession:
    """Return a new session as the journal stores it.

    :param now: Unix seconds.
    """
    return StoredSession(
        base_station_eui=eui_from_int(session.bs_eui),
        sn_bs_uuid=session.sn_bs_uuid,
        sn_sc_uuid=session.sn_sc_uuid,
        version=session.version,
        last_bs_op_id=session.last_bs_op_id,
        last_sc_op_id=session.last_sc_op_id,
        created_at=now,
        open_operations=[],
    )


def _restore(stored: StoredSession, requests: Mapping[int, Request]) -> Session:
    return Session(
        bs_eui=eui_to_int(stored.base_station_eui),
        sn_bs_uuid=stored.sn_bs_uuid,
        sn_sc_uuid=stored.sn_sc_uuid,
        version=stored.version,
        last_bs_op_id=stored.last_bs_op_id,
        last_sc_op_id=stored.last_sc_op_id,
        open_requests=dict(requests),
    )
