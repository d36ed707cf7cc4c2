"""Registry of base stations: decisions on ``con``, resumed sessions, and the record of each station."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci import __version__
from bssci.journal import (
    Change,
    Loaded,
    PublishedStates,
    Registration,
    StationRecord,
    StorageError,
    StorageLines,
)
from bssci.model import EUI, StationState, eui_from_int, eui_to_int
from bssci.stations import causes
from bssci.stations.acquaintance import Acquaintance
from bssci.stations.away import SessionsAway, stored_session
from bssci.stations.directory import Stations
from bssci.stations.entries import Entries
from bssci.stations.link import Link
from bssci.stations.station import Services, Station
from bssci.system.clock import Ticker
from bssci.wire.errors import ErrorCode, ProtocolError
from bssci.wire.messages import Con, ConRsp
from bssci.wire.session import Session, decide_resume
from bssci.wire.version import negotiate

MAX_STATIONS = 20_000
"""base stations that are remembered; beyond that, a new one replaces the least known that is not connected"""
FORGET_AFTER = 3600.0
"""s after which a station is forgotten that disconnected without having done anything"""
SWEEP_INTERVAL = 600.0
"""s between two searches for such stations"""
SWEEP = 500
"""stations that one search for them forgets, at most"""
MAX_TEXT = 200
"""characters of each text in which a station describes itself"""
MAX_INFO = 4096
"""bytes of the map ``info`` of a station, as MessagePack; a larger one is not kept"""
STATUS_TICK = 1.0
"""s between two checks for stations whose status is due"""


class Registry:
    """The base stations, whether connected or only remembered.

    :param stations: gets the stations that an earlier run knew, and every new one.
    :param entries: entries of people; a station that is blocked there is refused.
    :param loaded: contents of the journal at the start.
    :param service_center: our own EUI.
    :param status_interval: s between status requests to one station.
    """

    log = Logger()

    def __init__(
        self,
        stations: Stations,
        entries: Entries,
        services: Services,
        loaded: Loaded,
        service_center: EUI,
        status_interval: float,
    ) -> None:
        self.status_interval = status_interval
        self._services = services
        self._service_center = service_center
        self._stations = stations
        self._entries = entries
        self._revoked: set[bytes] = set()
        """digests of the certificates that were revoked since this process started"""
        self._resumed: dict[EUI, bool] = {}
        self._unwritten: set[EUI] = set()
        """stations whose record is not stored yet"""
        self._lines = StorageLines(self.log, services.clock.seconds)
        self._states = PublishedStates(services.journal.events, self._state, self._lines)
        self._acquaintance = Acquaintance(stations, entries)
        self._away = SessionsAway(stations, services, self._acquaintance.degree)
        self._ticker = Ticker(services.clock, STATUS_TICK, self._ask_due)
        self._sweeper = Ticker(services.clock, SWEEP_INTERVAL, self._sweep)
        for record in loaded.stations.values():
            stations.add(self._from_record(record, loaded))
            self._acquaintance.note_certificate(record)
        for stored in loaded.sessions.values():
            station = stations.get(stored.base_station_eui) or self._make(stored.base_station_eui)
            stations.add(station)
            station.keep(self._away.restored(stored))
            self._away.went(station)
        for entry in entries:
            self._expect(entry.base_station_eui)

    def configure(self, status_interval: float) -> None:
        """Change the seconds between status requests, effective after each station's next one."""
        self.status_interval = status_interval

    def start(self) -> None:
        self._ticker.start()
        self._sweeper.start()

    def stop(self) -> None:
        """Disconnect all stations; their sessions are kept, to be resumed."""
        self._ticker.stop()
        self._sweeper.stop()
        for station in self._stations:
            link = station.link
            if link is not None:
                self.lost(link, station, "service stops")
                link.disconnect("service stops")
        self._write()
        self._states.publish_left()

    # connecting

    def claim(self, con: Con, link: Link) -> float:
        """Claim a turn to connect for a station, which another one with its EUI may hold.

        :return: s after which to claim it again; 0: it is granted.
        :raises ProtocolError: the station is refused.
        """
        self._check(con, link)
        station, services = self._stations.get(eui_from_int(con.bsEui)), self._services
        session = station.session if station is not None and station.link is not None else None
        if station is None or session is None or session.is_named_by(con):
            return 0.0  # nobody's connection is replaced, or the station's own
        return station.comings.claim(services.now(), services.clock.seconds())

    async def admit(self, con: Con, link: Link) -> tuple[Station, ConRsp]:
        """Decide on a ``con``: resume the session or begin a new one (§5.3).

        Replaces an older connection of the same station. When this returns, a new session is on disk and the
        answer may be sent.

        :return: the station and the answer.
        :raises ProtocolError: the station is refused.
        """
        self._check(con, link)
        station = self._station(eui_from_int(con.bsEui))
        self._away.came(station.eui)
        older = station.connecting(link, con.bidi)
        try:
            self._introduce(station, con, link)
            if older is not None and older is not link:
                older.abort(f"replaced by a newer connection, from {link.peer}")
            return station, await self._begin_session(station, con, link, negotiate(con.version))
        except Exception:  # whatever it is, the connection is not left half open
            self.lost(link, station, "not admitted")
            raise

    def _check(self, con: Con, link: Link) -> None:
        """Check that a station may connect, in a version that is supported and with this certificate.

        :raises ProtocolError: the station is refused.
        """
        negotiate(con.version)
        eui = eui_from_int(con.bsEui)
        if self.is_blocked(eui):
            raise ProtocolError(ErrorCode.EPERM, causes.BLOCKED.reason, 0)
        if link.certificate and _digest(link.certificate) in self._revoked:
            # The handshake was completed before the revocation list was in force.
            raise ProtocolError(ErrorCode.EPERM, "its certificate was revoked", 0)
        station = self._stations.get(eui)
        if station is not None:
            self._acquaintance.check_certificate(station, link.certificate)

    async def _begin_session(self, station: Station, con: Con, link: Link, version: str) -> ConRsp:
        """Resume the station's session or begin a new one, which is on disk when this returns.

        :raises ProtocolError: the station is refused.
        """
        # What is on its way to the disk replaces the session there, whatever becomes of its connection.
        resumed = not station.replacements and decide_resume(con, station.session, version)
        if not resumed:
            await self._replace_session(station, Session.fresh(con, os.urandom(16), version), link)
            if station.link is not link:
                raise ProtocolError(ErrorCode.EAGAIN, "replaced by a newer connection", 0)
        elif station.session is not None:
            station.session.resumed()
        self._resumed[station.eui] = resumed
        assert station.session is not None
        return self._answer(station.session, resumed)

    async def _replace_session(self, station: Station, session: Session, link: Link) -> None:
        station.replacements += 1
        try:
            await self._services.journal.sessions.begin(stored_session(session, self._services.now()))
        except StorageError as error:
            self.lost(link, station, "session not stored")
            raise ProtocolError(ErrorCode.EAGAIN, "cannot store the session now, try again", 0) from error
        finally:
            station.replacements -= 1
        station.keep(session)
        if station.link is None:
            self._away.went(station)

    def _answer(self, session: Session, resumed: bool) -> ConRsp:
        return ConRsp(
            opId=0,
            version=session.version,
            scEui=eui_to_int(self._service_center),
            vendor="bssci",
            swVersion=__version__,
            snResume=resumed,
            snScUuid=list(session.sn_sc_uuid),
        )

    async def established(self, link: Link, station: Station) -> None:
        """Let operations run after ``conCmp``, once the station's registrations have been loaded."""
        session = station.session
        if session is None or station.link is not link:
            return
        resumed = self._resumed.pop(station.eui, False)
        known: Sequence[Registration] = []
        if resumed:
            known = await self._services.journal.sessions.registrations_at(station.eui)
            known = [*known, *station.unstored.registrations]
            if station.link is not link:
                return
        station.online(session, known, resumed)
        self._change_state(station, "online", resumed=resumed)

    def lost(self, link: Link, station: Station, reason: str) -> None:
        """Note that a connection is lost; without effect if a newer one has replaced it."""
        if station.link is link:
            station.offline()
            self._left(station, reason, self._services.now())
            if station.state.state == "online":
                self._change_state(station, "offline", reason=reason)
            else:
                self._stations.gone(station.eui)
            self._away.went(station)

    def _change_state(
        self, station: Station, state: Literal["online", "offline"], resumed: bool = False, reason: str = ""
    ) -> None:
        changed = station.change_state(
            at=self._services.now(),
            state=state,
            resumed=resumed,
            reason=reason,
            attached=station.propagation.report(),
        )
        self._states.publish([station.eui])
        self._stations.announce(changed)

    def _state(self, eui: EUI) -> StationState | None:
        station = self._stations.get(eui)
        return None if station is None else station.state

    def _ask_due(self) -> None:
        self._states.publish_left()
        now = self._services.clock.seconds()
        for station in self._stations.connected():
            station.ask_status_if_due(now, self.status_interval)

    # operators' decisions

    def is_blocked(self, eui: EUI) -> bool:
        """Return whether people have blocked a station."""
        return self._entries.is_blocked(eui)

    def entered(self, euis: Iterable[EUI]) -> None:
        """Apply changed entries: disconnect stations that are blocked, rename those with a new name."""
        for eui in euis:
            station = self._expect(eui)
            if self.is_blocked(eui):
                self._cut(station, causes.BLOCKED.reason)
            name = self._entries.name(eui) or station.record.name
            if name != station.state.name:
                state = station.change_state(name=name)
                if station.has_connected:
                    self._stations.told(state)

    def revoked(self, certificate: bytes) -> int:
        """Refuse a certificate (DER) from now on, and disconnect stations that use it; return how many."""
        self._revoked.add(_digest(certificate))
        shown = [
            each for each in self._stations if each.link is not None and each.link.certificate == certificate
        ]
        for station in shown:
            self._cut(station, "its certificate was revoked")
        return len(shown)

    def _expect(self, eui: EUI) -> Station:
        """Return a station for which there is an entry; add it if it is unknown."""
        station = self._stations.get(eui)
        if station is None:
            station = self._make(eui)
            station.change_state(name=self._entries.name(eui) or None)
            self._stations.add(station)
        return station

    def _cut(self, station: Station, reason: str) -> None:
        link = station.link
        if link is not None:
            self.lost(link, station, reason)
            link.abort(reason)

    # remembering

    def _station(self, eui: EUI) -> Station:
        station = self._stations.get(eui)
        if station is None:
            if len(self._stations) >= MAX_STATIONS:
                self._make_room()
            station = self._make(eui)
            self._stations.add(station)
        return station

    def _make_room(self) -> None:
        """Forget the least known station, so that made-up EUIs do not displace real stations.

        :raises ProtocolError: all are connected, or have an entry of people.
        """
        station = self._acquaintance.least_known()
        if station is None:
            raise ProtocolError(ErrorCode.EAGAIN, "too many base stations are connected", 0)
        self.log.warn("base station forgotten to make room {bs_eui}", bs_eui=station.eui)
        self._drop(station)

    def _sweep(self) -> None:
        """Forget stations that connected once and never did anything, unless their certificate names them.

        Records of stations that could not be stored are stored then.
        """
        self._write()
        idle = self._acquaintance.idle(self._services.now() - FORGET_AFTER)
        for station in list(islice(idle, SWEEP)):
            self.log.info("base station that did nothing forgotten {bs_eui}", bs_eui=station.eui)
            self._drop(station)

    async def forget(self, eui: EUI) -> None:
        """Forget a station, its session and its entry. If it connects again, it is a new station.

        :raises StorageError: that cannot be stored; nothing changed.
        """
        await self._delete(eui, self._entries.removal(eui))
        self._entries.removed(eui)
        station = self._stations.get(eui)
        if station is not None:
            self._drop(station)

    def _drop(self, station: Station) -> None:
        """Disconnect and remove a station, and delete what it stored until now."""
        link = station.link
        if link is not None:
            self.lost(link, station, "forgotten")
            link.disconnect("forgotten")
        self._stations.remove(station.eui)
        self._resumed.pop(station.eui, None)
        self._unwritten.discard(station.eui)
        self._acquaintance.forget(station.eui)
        self._away.came(station.eui)
        self._delete(station.eui).addErrback(self._log_failure)

    def _delete(self, eui: EUI, *beside: Change) -> Deferred[None]:
        journal = self._services.journal
        record = journal.tables.change(StationRecord, {eui: None})
        return journal.sessions.end(eui, beside=[record, *beside])

    def _make(self, eui: EUI) -> Station:
        return Station(eui, self._services)

    def _introduce(self, station: Station, con: Con, link: Link) -> None:
        """Record how a station describes itself in ``con``."""
        now = self._services.now()
        station.change_state(
            vendor=_short(con.vendor),
            model=_short(con.model),
            name=self._entries.name(station.eui) or _short(con.name),
            software_version=_short(con.swVersion),
        )
        record = StationRecord(
            base_station_eui=station.eui,
            first_seen_at=station.record.first_seen_at or now,
            last_seen_at=now,
            vendor=_short(con.vendor),
            model=_short(con.model),
            name=_short(con.name),
            software_version=_short(con.swVersion),
            info=_small(con.info),
            address=link.peer,
            certificate=link.certificate,
            reason="",
        )
        self._remember(station, record)

    def _from_record(self, record: StationRecord, loaded: Loaded) -> Station:
        eui, was_cut_off = record.base_station_eui, record.reason == ""
        if was_cut_off:
            left_at = max(record.last_seen_at, loaded.last_event_at)
            record = replace(record, last_seen_at=left_at, reason="service was cut off")
        state = StationState(
            at=record.last_seen_at,
            base_station_eui=eui,
            state="offline",
            reason=record.reason or "",
            vendor=record.vendor,
            model=record.model,
            name=self._entries.name(eui) or record.name,
            software_version=record.software_version,
        )
        station = Station(eui, self._services, state=state, record=record, status=loaded.statuses.get(eui))
        if was_cut_off:
            self._remember(station, record)
        return station

    def _left(self, station: Station, reason: str, at: float) -> None:
        """Record a disconnection, also that of a station that never came online, which is not an event."""
        self._remember(station, replace(station.record, last_seen_at=at, reason=reason))

    def _remember(self, station: Station, record: StationRecord) -> None:
        if record.certificate != station.record.certificate:
            self._acquaintance.note_certificate(record)
        station.remember(record)
        self._write([record])

    def _write(self, records: Iterable[StationRecord] = ()) -> None:
        """Store records that changed, and the present ones of stations whose record could not be stored."""
        late = {eui: station.record for eui in self._unwritten if (station := self._stations.get(eui))}
        self._unwritten = set()
        changed = late | {record.base_station_eui: record for record in records}
        if changed:
            self._services.journal.tables.put(changed.values()).addErrback(self._not_written, changed)

    def _not_written(self, failure: Failure, euis: Iterable[EUI]) -> None:
        self._unwritten.update(euis)
        self._log_failure(failure)

    def _log_failure(self, failure: Failure) -> None:
        self._lines.note(failure, "record of a base station not stored")


def _digest(certificate: bytes) -> bytes:
    return hashlib.sha256(certificate).digest()


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _small(info: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return ``info``; None if it is too large or cannot be stored."""
    try:
        size = len(msgspec.msgpack.encode(info))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None
    return info if size <= MAX_INFO else None
