"""The sink ``postgres``: hands batches from the journal to the thread that writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from bssci.center.devices.device import Device
from bssci.model import EUI, AnyEvent, Event, GatewayState, Sensor, StationState, Uplink
from bssci.sinks.interfaces import ISink
from bssci.sinks.paced_size import PacedSize
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.events import rows_of, senders
from bssci.sinks.postgres.explain import explain_error
from bssci.sinks.postgres.rows import Aside
from bssci.sinks.postgres.session import STATEMENT_TIME, DatabaseSession
from bssci.sinks.postgres.settings import PostgresSettings
from bssci.sinks.postgres.times import instant
from bssci.sinks.postgres.timescale import FEATURES
from bssci.sinks.postgres.worker import DatabaseWorker
from bssci.sinks.set_aside import RefusalStreak, SetAside
from bssci.system.clock import Ticker
from bssci.system.line_limit import is_logged

STOP_TIME = 1.5
"""s that closing the connection may take"""
CHECK_INTERVAL = 5.0
"""s between checks whether the server answers"""
FULL = 500
"""events at which a batch does not wait for more: the service delivers no more at once"""


class _Stored(NamedTuple):
    """A batch that is stored, but for what is set aside."""

    asides: list[tuple[Any, Aside]]
    altered: list[str]
    """ids of the events in whose texts U+FFFD stands for what PostgreSQL cannot hold"""


@implementer(ISink)
class PostgresSink:
    """Stores events, each one once, however often it is delivered.

    :param sensor: returns a configured sensor by its EUI.
    :param now: Unix seconds.
    :param device: returns a device other than a sensor, as people entered it, by its id.
    :param states: returns the present states of base stations and gateways.
    """

    log = Logger()
    replayable = True

    def __init__(
        self,
        reactor: Any,
        settings: PostgresSettings,
        sensor: Callable[[EUI], Sensor | None],
        now: Callable[[], float],
        device: Callable[[str], Device | None] = lambda id: None,
        states: Callable[[], Sequence[StationState | GatewayState]] = tuple,
    ) -> None:
        self.set_aside = SetAside("postgres")
        self._reactor = reactor
        self._settings = settings
        self._sensor = sensor
        self._device = device
        self._states = states
        self._now = now
        size = PacedSize(settings.batch_size, STATEMENT_TIME)
        opened = partial(DatabaseSession, settings, streak=RefusalStreak(), size=size, now=now)
        self._worker: DatabaseWorker[DatabaseSession] = DatabaseWorker(
            reactor, opened, self._explain, self._session_ready
        )
        self._ticker = Ticker(reactor, CHECK_INTERVAL, self._worker.check)
        self._connected: dict[str, Any] = {}
        """fields of the newest log line about a connection"""
        self._altered = 0
        """events whose texts were altered, since the start"""
        self._written_at: float | None = None
        self._waiting: tuple[Deferred[None], IDelayedCall] | None = None

    def start(self) -> None:
        self._worker.start()
        self._ticker.start()

    @property
    def trouble(self) -> str:
        """Reason why nothing can be stored now; empty: it can, or the first attempt is under way."""
        return self._worker.trouble

    @property
    def reached(self) -> bool:
        """Return whether there has been a connection to the server since the start."""
        return self._worker.reached

    @property
    def warning(self) -> str:
        """Reason why the upkeep of the tables fails, although events are stored; empty: it does not fail."""
        failed = self._worker.warning
        return failed and f"hourly values are not made, or old rows not deleted: {failed}"

    @property
    def gathering(self) -> bool:
        """Return whether a batch merely waits for the next transaction."""
        return self._waiting is not None

    def deliver(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        events = [event for event in batch if isinstance(event, Event)]
        if not events:
            return succeed(None)
        wait = self._wait(len(events))
        if not wait:
            return self._write_live(events)
        waited: Deferred[None] = Deferred()
        self._waiting = (waited, self._reactor.callLater(wait, self._waited))
        return waited.addCallback(lambda _: self._write_live(events))

    def deliver_again(self, batch: Sequence[AnyEvent]) -> Deferred[None]:
        """Take a batch of a replay: at once, as more follows only when this one is written."""
        events = [event for event in batch if isinstance(event, Event)]
        return self._write(events) if events else succeed(None)

    def stop(self) -> Deferred[None]:
        self._ticker.stop()
        if self._waiting is not None:
            (deferred, call), self._waiting = self._waiting, None
            call.cancel()
            deferred.errback(PostgresError("the sink stops"))
        return self._worker.stop(STOP_TIME)

    def _wait(self, count: int) -> float:
        """Return the s that a batch of ``count`` new events waits, so that a few events do not make many
        transactions."""
        if self._written_at is None or count >= min(FULL, self._settings.batch_size):
            return 0.0
        since: float = self._reactor.seconds() - self._written_at
        return max(0.0, self._settings.batch_timeout - since)

    def _waited(self) -> None:
        if self._waiting is not None:
            (deferred, _), self._waiting = self._waiting, None
            deferred.callback(None)

    def _write_live(self, events: Sequence[Event]) -> Deferred[None]:
        self._written_at = self._reactor.seconds()
        return self._write(events)

    def _write(self, events: Sequence[Event]) -> Deferred[None]:
        euis = {event.end_point_eui for event in events if isinstance(event, Uplink) and event.receptions}
        found = {eui: self._sensor(eui) for eui in euis}
        sensors = {eui: sensor for eui, sensor in found.items() if sensor is not None}
        entered = {id: device for id in senders(events) if (device := self._device(id)) is not None}
        # Copied: the registry may change them while the worker's thread reads them.
        devices = {id: msgspec.structs.replace(device) for id, device in entered.items()}
        store = partial(_store, events, sensors, devices, instant(self._now()))
        return self._worker.submit(store).addCallback(self._stored)

    def _stored(self, stored: _Stored) -> None:
        """Count an event once, however many of its rows were refused, or of its texts altered."""
        reasons: dict[int, tuple[Any, str]] = {}
        for event, aside in stored.asides:
            reasons.setdefault(id(event), (event, aside.reason))
        for event, reason in reasons.values():
            self.set_aside.add(event, reason)
        for altered in stored.altered:
            if is_logged(self._altered + 1):
                self.log.warn(
                    "PostgreSQL: event {id} is stored with U+FFFD for a NUL or half a character in its texts,"
                    " {count} so far",
                    id=altered,
                    count=self._altered + 1,
                )
            self._altered += 1

    def _explain(self, error: BaseException) -> str:
        try:
            parameters = self._settings.connection()
        except PostgresError:
            parameters = {}
        return explain_error(error, parameters)

    def _session_ready(self, session: DatabaseSession) -> None:
        self._log_connected(session)
        # The tables may have been made anew, or be those of a backup.
        states = [state for state in self._states() if state.at]
        if states:
            store = partial(_store_states, states, instant(self._now()))
            stored = self._worker.submit(store, delivers=False)
            stored.addErrback(lambda _: None)  # the worker reports it, and there will be another session

    def _log_connected(self, session: DatabaseSession) -> None:
        """Log what is connected, unless that is what it was before: a delivery that fails ends each
        connection."""
        had = session.timescale
        connected = {
            "server": session.server,
            "schema": self._settings.schema,
            "migrated_from": session.migrated_from,
            "timescaledb": had.version or "none",
            "lacking": ", ".join(each for each in FEATURES if not had.has(each)) or "none",
        }
        if connected == self._connected:
            return
        self._connected = connected
        self.log.info(
            "PostgreSQL connected {server}, schema {schema}, its version at first {migrated_from},"
            " TimescaleDB {timescaledb}, features missing: {lacking}",
            **connected,
        )


def _store(
    events: Sequence[Event],
    sensors: Mapping[EUI, Sensor],
    devices: Mapping[str, Device],
    now: datetime,
    session: DatabaseSession,
) -> _Stored:
    """Store events, in the worker's thread."""
    units, asides = rows_of(events, sensors, now, devices)
    refused = session.store(units, [aside for _, aside in asides])
    return _Stored(asides + refused, [unit.id for unit in units if unit.texts.altered])


def _store_states(
    states: Sequence[StationState | GatewayState], now: datetime, session: DatabaseSession
) -> None:
    """Store what states say of base stations and gateways, not the events, in the worker's thread."""
    units, _ = rows_of(states, {}, now)
    session.store([unit.only(set()) for unit in units], ())
