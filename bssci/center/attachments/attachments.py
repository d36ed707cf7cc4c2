"""The desired attachment of every sensor, and the commands that change it.

By default a configured sensor is attached with its configured key. Differences from that (attached over the
air; detached by command, by the sensor or because of its silence) are stored here. Every base station is
brought to the desired state: at once if it is connected, or else when it is back.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import replace
from operator import is_not
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.attachments.answers import Answers
from bssci.center.devices.sensors import Changes, Sensors
from bssci.center.uplinks.activity import Activities
from bssci.center.write_behind import AT_ONCE, WriteBehind
from bssci.journal import Attachment, Journal, Loaded, StorageError
from bssci.model import EUI, Sensor, SensorStatus
from bssci.model.commands import Outcomes
from bssci.model.sensor import fingerprint_of, key_digest
from bssci.stations.directory import Stations
from bssci.system.clock import Clock, in_slices, let_go, turn

SLICE = 2000
"""sensors that are processed in one turn of the reactor"""
ANSWER_TIME = 30.0
"""s that a command waits for the stations' answers"""
DetachMark = tuple[int, bytes]
"""packet counter and signature of a request to detach, by which a copy of it is known"""


class Attachments:
    """The attachments that base stations should have.

    :param started_at: Unix seconds when the service started.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        loaded: Loaded,
        sensors: Sensors,
        activities: Activities,
        stations: Stations,
        started_at: float,
    ) -> None:
        self._clock = clock
        self._started_at = started_at
        self._journal = journal
        self._sensors = sensors
        self._activities = activities
        self._stations = stations
        self._stored: dict[EUI, Attachment] = {}
        self._coming: dict[int, Mapping[EUI, Attachment | None]] = {}
        """rows on their way to the disk, in their order, by identity; None: the attachment is deleted"""
        self._last_detaches: dict[EUI, DetachMark] = {}
        """by sensor, what it sent when it last detached over the air"""
        self._changes_under_way = 0
        """changes of the configuration between :meth:`recording` their consequences and their end"""
        self._late = WriteBehind[EUI](clock, "attachments", self._store_late, slice_size=AT_ONCE)
        """sensors whose attachment on disk may not be the one in force, as the disk was full"""
        for row in loaded.attachments.values():
            self._restore(row)

    def start(self) -> None:
        self._late.start()

    def stop(self) -> None:
        self._late.stop()

    def _restore(self, row: Attachment) -> None:
        """Put a row of an earlier run in force, unless its sensor has another key by now: it counts as new.

        The file may have been edited while the service was down. An earlier version stored no digest.
        """
        eui, digest = row.end_point_eui, self._key_digest(row.end_point_eui)
        if digest is None or digest == row.key_digest:
            self._stored[eui] = row
            return
        if row.key_digest is None:
            self._stored[eui] = replace(row, key_digest=digest)
        else:
            self._activities.restart_counters([eui], self._started_at)
        self._late.update([eui])

    # what is wanted

    def get(self, eui: EUI) -> Attachment | None:
        """Return a sensor's stored attachment; None if the sensor is only configured."""
        return self._stored.get(eui)

    def newest(self, eui: EUI) -> Attachment | None:
        """Return a sensor's stored attachment, or what is on its way to the disk in its place."""
        for rows in reversed(self._coming.values()):
            if eui in rows:
                return rows[eui]
        return self._stored.get(eui)

    def is_attached(self, eui: EUI) -> bool:
        """Return whether base stations should serve a sensor."""
        stored = self._stored.get(eui)
        return eui in self._sensors and (stored is None or stored.state == "attached")

    def wanted(self, eui: EUI) -> Sensor | None:
        """Return a sensor as stations should serve it, with its session key if it attached over the air.

        None if they should not serve it.
        """
        sensor = self._sensors.get(eui)
        stored = self._stored.get(eui)
        if sensor is None or stored is None:
            return sensor
        if stored.state == "detached":
            return None
        if stored.session_key is None or stored.short_address is None:
            return sensor
        return msgspec.structs.replace(
            sensor, network_key=stored.session_key, short_address=stored.short_address
        )

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        """Yield every sensor that should be attached, with the fingerprint of its attachment."""
        for eui, fingerprint in self._sensors.fingerprints():
            if eui not in self._stored:
                yield eui, fingerprint
            elif (sensor := self.wanted(eui)) is not None:
                yield eui, fingerprint_of(sensor)

    def last_counter(self, eui: EUI) -> int:
        """Return the highest packet counter that was received from a sensor; 0 if it was never heard."""
        activity = self._activities.get(eui)
        return activity.packet_counter if activity else 0

    def began(self, eui: EUI) -> float:
        """Return the Unix seconds when a sensor last reset its counter; 0: never.

        It does so when it attaches over the air, and when it gets another key; the latter is not remembered
        over a restart.
        """
        stored, activity = self._stored.get(eui), self._activities.get(eui)
        attached_at = stored.since if stored is not None and stored.over_the_air else 0.0
        return max(attached_at, activity.counts_from if activity is not None else 0.0)

    # commands: outcomes per sensor and station

    async def attach(
        self,
        euis: Sequence[EUI],
        *,
        reason: str = "command",
        at: float,
        stored: Callable[[], Awaitable[None]] | None = None,
    ) -> Outcomes:
        """Attach configured sensors at all stations, even where they are attached already.

        :param reason: ``command`` or ``heard again``.
        :param at: Unix seconds.
        :param stored: called once the change is in force, before stations are told.
        :return: the outcomes, when the connected stations have answered, or after 30 s.
        :raises StorageError: nothing changed.
        """
        await self._store_all(euis, lambda few: self._attached(few, reason, at))
        if stored is not None:
            await stored()
        return await self._tell(euis)

    async def detach(self, euis: Sequence[EUI], *, reason: str = "command", at: float) -> Outcomes:
        """Detach sensors at all stations; they stay configured. See :meth:`attach`.

        :param reason: ``command`` or ``inactivity``.
        :param at: Unix seconds.
        """
        await self._store_all(euis, lambda few: [self._detached(eui, reason, at) for eui in few])
        return await self._tell(euis)

    @asynccontextmanager
    async def recording(
        self, changes: Changes, *, attach: Collection[EUI] = (), at: float
    ) -> AsyncIterator[None]:
        """Store the consequences of a change of the configuration, then make the change in the context.

        A new key invalidates an attachment with the old one. That is on disk before the sensors change, so
        that a full disk refuses the whole change, and a restart never finds a new key with an old session.

        :param attach: sensors that the change attaches, in addition to those in ``changes``.
        :param at: Unix seconds.
        :raises StorageError: nothing changed.
        """
        rows, before = await self._rows_of(changes, attach, at)
        self._changes_under_way += 1
        try:
            if rows:
                await self._record(rows)
            try:
                yield
            except Exception:  # any failure of the change itself
                if rows:
                    await self._record_as_is(rows)
                raise
            async for few in in_slices(self._clock, list(rows), SLICE):
                self._take_unless_changed(few, rows, before)
        finally:
            self._changes_under_way -= 1
        replaced = list(before.values())
        before.clear()
        await let_go(self._clock, replaced, SLICE)

    def _take_unless_changed(
        self,
        euis: Iterable[EUI],
        rows: Mapping[EUI, Attachment | None],
        before: Mapping[EUI, Attachment | None],
    ) -> None:
        """Put rows on disk in force, but of sensors that attached or detached over the air meanwhile.

        These are left to :meth:`changed`. What they did may not have been stored, unlike the rows.
        """
        taken = {eui: rows[eui] for eui in euis if self.newest(eui) is before[eui]}
        self._take(taken)
        self._late.update(eui for eui in euis if eui not in taken)

    async def changed(self, changes: Changes, *, at: float) -> Outcomes:
        """Propagate a change of the configuration to all stations, see :meth:`recording`.

        :param at: Unix seconds.
        """
        if changes.rekeyed:
            self._activities.restart_counters(changes.rekeyed, at)
            self._activities.store()
        rows, _ = await self._rows_of(changes, (), at)
        if rows:
            # A sensor attached or detached over the air while its configuration changed.
            try:
                await self._store(rows)
            except StorageError as error:
                self._take(rows)
                self._will_be_late(rows, error)
        return await self._tell([*changes.attach, *changes.detach])

    # over the air

    def attached_over_the_air(
        self, event: SensorStatus, *, session_key: bytes, short_address: int, attach_counter: int
    ) -> Deferred[None]:
        """Store that a sensor attached over the air, with the event that says so, in one commit.

        Fires when that is on disk. See :meth:`propagate`.
        """
        eui = event.end_point_eui
        attachment = Attachment(
            end_point_eui=eui,
            state="attached",
            session_key=session_key,
            short_address=short_address,
            attach_counter=attach_counter,
            reason="over the air",
            since=event.at,
            key_digest=self._key_digest(eui),
        )
        return self._store({eui: attachment}, event)

    def detached_over_the_air(self, event: SensorStatus, mark: DetachMark) -> Deferred[None]:
        """Store that a sensor detached over the air; see :meth:`attached_over_the_air`."""
        eui = event.end_point_eui
        # At once: a copy may come when the sensor has attached again, and neither is on disk yet.
        self._last_detaches[eui] = mark
        detached = self._store({eui: self._detached(eui, "over the air", event.at)}, event)
        return detached.addErrback(self._not_detached, eui, mark)

    def _not_detached(self, failure: Failure, eui: EUI, mark: DetachMark) -> Failure:
        if self._last_detaches.get(eui) == mark:
            del self._last_detaches[eui]
        return failure

    def last_detach(self, eui: EUI) -> DetachMark | None:
        """Return what a sensor sent when it last detached over the air; None: it has not since the start."""
        return self._last_detaches.get(eui)

    def propagate(self, eui: EUI, *, but: Collection[EUI]) -> None:
        """Propagate a sensor's change to the connected stations; to others when they are back.

        :param but: stations that know of the change, and are told only if they have since answered
            differently: an earlier operation of ours may have ended after their request.
        """
        for station in self._stations.connected():
            serves = eui in station.propagation.served
            if station.eui not in but or serves != self.is_attached(eui):
                station.propagation.change([eui])

    # storing and telling

    def _attached(self, euis: Iterable[EUI], reason: str, at: float) -> list[Attachment]:
        """Return the rows that attach those of the sensors that are detached."""
        # The attach counter stays, so that a recorded attach request cannot be replayed.
        return [
            replace(each, state="attached", reason=reason, since=at)
            for each in map(self.newest, euis)
            if each is not None and each.state == "detached"
        ]

    def _detached(self, eui: EUI, reason: str, at: float) -> Attachment:
        newest = self.newest(eui)
        if newest is not None:
            return replace(
                newest, state="detached", session_key=None, short_address=None, reason=reason, since=at
            )
        return Attachment(
            end_point_eui=eui, state="detached", reason=reason, since=at, key_digest=self._key_digest(eui)
        )

    def _key_digest(self, eui: EUI) -> bytes | None:
        sensor = self._sensors.get(eui)
        return None if sensor is None else key_digest(sensor)

    async def _store_all(
        self, euis: Sequence[EUI], make: Callable[[Sequence[EUI]], list[Attachment]]
    ) -> None:
        """Store the rows that ``make`` returns for sensors, in one commit, however many they are."""
        made: dict[EUI, Attachment] = {}
        origins: dict[EUI, Attachment | None] = {}
        async for few in in_slices(self._clock, euis, SLICE):
            for each in make(few):
                made[each.end_point_eui] = each
                origins[each.end_point_eui] = self.newest(each.end_point_eui)
        # Sensors that attached or detached over the air meanwhile are processed once more.
        if len(euis) > SLICE:
            await turn(self._clock)
        if self._differ(origins):
            stale = [eui for eui, origin in origins.items() if self.newest(eui) is not origin]
            for eui in stale:
                del made[eui]
            made |= {each.end_point_eui: each for each in make(stale)}
        if made:
            await self._store(made)
        replaced = list(origins.values())
        origins.clear()
        await let_go(self._clock, replaced, SLICE)

    def _differ(self, before: Mapping[EUI, Attachment | None]) -> bool:
        """Return whether one of the attachments has changed since."""
        newest = self.newest if self._coming else self._stored.get  # faster, as there may be 100 000
        return any(map(is_not, map(newest, before), before.values()))

    def _store(self, rows: Mapping[EUI, Attachment | None], *events: SensorStatus) -> Deferred[None]:
        """Store rows and events in one commit; the rows are in force when the Deferred fires."""
        self._coming[id(rows)] = rows
        if events:
            change = self._journal.tables.change(Attachment, rows)
            stored: Deferred[Any] = self._journal.events.append(list(events), beside=[change])
        else:
            stored = self._record(rows)
        return stored.addBoth(self._ended, rows)

    def _ended(self, result: object, rows: Mapping[EUI, Attachment | None]) -> Failure | None:
        del self._coming[id(rows)]
        if isinstance(result, Failure):
            return result
        self._take(rows)
        return None

    async def _rows_of(
        self, changes: Changes, attach: Collection[EUI], at: float
    ) -> tuple[dict[EUI, Attachment | None], dict[EUI, Attachment | None]]:
        """Return the rows of attachments that a change leads to (None: delete), and the present ones."""
        rows: dict[EUI, Attachment | None] = {}
        before: dict[EUI, Attachment | None] = {}
        async for few in in_slices(self._clock, [*changes.attach, *attach], SLICE):
            for each in self._attached(few, "command", at):
                rows[each.end_point_eui] = each
                before[each.end_point_eui] = self.newest(each.end_point_eui)
        async for some in in_slices(self._clock, [*changes.rekeyed, *changes.detach], SLICE):
            for eui in some:
                if self.newest(eui) is not None:
                    rows[eui], before[eui] = None, self.newest(eui)
        return rows, before

    def _record(self, rows: Mapping[EUI, Attachment | None]) -> Deferred[None]:
        """Store the rows in one commit."""
        return self._journal.tables.apply(Attachment, rows)

    def _take(self, rows: Mapping[EUI, Attachment | None]) -> None:
        for eui, attachment in rows.items():
            if attachment is None:
                self._stored.pop(eui, None)
                self._last_detaches.pop(eui, None)
            else:
                self._stored[eui] = attachment

    async def _record_as_is(self, euis: Collection[EUI]) -> None:
        """Store the present attachments of these sensors; a failure is only logged."""
        rows = {eui: self.newest(eui) for eui in euis}
        # Those on their way to the disk may fail to get there, unlike what is stored here.
        self._late.update(eui for eui, row in rows.items() if row is not self._stored.get(eui))
        try:
            await self._record(rows)
        except StorageError as error:
            self._will_be_late(euis, error)

    def _will_be_late(self, euis: Collection[EUI], error: StorageError) -> None:
        self._late.update(euis)
        self.log.warn("attachments not stored yet {sensors} {error}", sensors=len(euis), error=error)

    def _store_late(self, euis: Collection[EUI], _: int | None) -> Deferred[None]:
        """Store attachments as they are in force, unless what comes is newer: then it is tried again."""
        newer = set(euis) if self._changes_under_way else set[EUI]().union(*self._coming.values())
        self._late.update(eui for eui in euis if eui in newer)
        rows = {eui: self._stored.get(eui) for eui in euis if eui not in newer}
        return self._record(rows) if rows else succeed(None)

    async def _tell(self, euis: Sequence[EUI]) -> Outcomes:
        """Tell all stations the present state of sensors; return the outcomes."""
        if not euis:
            return Outcomes()
        answers = Answers(self._clock, ANSWER_TIME, euis)
        for station in list(self._stations):
            if not station.propagation.running:
                answers.away(station.eui)
                continue
            async for few in in_slices(self._clock, euis, SLICE):
                if station.propagation.running:
                    answers.expect(station.eui, few)
                    station.propagation.change(few, answers)
                else:
                    answers.left(station.eui, few)
        outcomes = await answers.all()
        try:
            await self._journal.settled()  # then the stations' answers are on disk
        except StorageError as error:
            # The change is in force. A station whose answer is lost is told again when it is back.
            self.log.warn("answers of base stations not stored {error}", error=error)
        return outcomes
