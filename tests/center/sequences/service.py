"""The whole service in memory, with a disk, sinks and a broker that fail, and a process that is killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, maybeDeferred, succeed
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from bssci.center import service_center
from bssci.center.access import Access
from bssci.center.reloads import Reloads
from bssci.journal import StorageError
from bssci.journal.sqlite.events import _select_events
from bssci.model import AnyEvent
from bssci.model.commands import Actor
from bssci.mqtt.values import MessageNotTaken, Received
from bssci.service import STOP_TIME
from bssci.sinks.mqtt.intake import Intake
from bssci.sinks.mqtt.requests import MqttRequests
from bssci.sinks.pump import Pump
from bssci.stations.admission import ConnectionLimits
from bssci.stations.protocol import StationFactory
from bssci.system.utc import DAY
from tests.support.center import House, result_of

SINKS = ("good", "bad")
"""sinks at the first start"""
MORE_PAGES = 1
"""pages by which the journal may still grow when it is small"""


class DiskHouse(House):
    """A house with a clock that may be set, and a disk that may be full, gone or slow."""

    _is_slow = False

    def open(self) -> None:
        self._in_threads: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self._is_thread_slow = False
        with patch.object(service_center, "deferToThread", self._run_in_thread):
            super().open()
        self._note_events()
        self.journal.events.subscribe(self._note_events)

    def _note_events(self) -> None:
        """Note events as soon as they are stored: the journal may forget them later."""
        cursor = self.journal.core.reader.connection.cursor()
        self._events += _select_events(cursor, self._events[-1][0] if self._events else 0, 1_000_000)

    def _run_in_thread(self, call: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        if not self._is_thread_slow:
            return maybeDeferred(call, *arguments)
        self._in_threads.append((partial(call, *arguments), Deferred()))
        return self._in_threads[-1][1]

    def set_threads(self, *, are_slow: bool) -> None:
        """Let work in threads, which reads and writes endpoints.json, wait for :meth:`end_one_in_thread`."""
        self._is_thread_slow = are_slow
        while not are_slow and self.end_one_in_thread():
            pass

    def end_one_in_thread(self) -> bool:
        """Do what a thread does that has waited longest; return whether there was anything."""
        if not self._in_threads:
            return False
        call, done = self._in_threads.pop(0)
        maybeDeferred(call).chainDeferred(done)
        self.settle()
        return True

    def end_one_unseen(self) -> None:
        """Do what a thread does that has waited longest; nobody learns of it before the process ends."""
        if self._in_threads:
            call, _ = self._in_threads.pop(0)
            with suppress(Exception):
                call()

    def set_size(self, *, is_small: bool) -> None:
        """Let the journal grow by a few pages only, until what all sinks have taken makes room."""
        connection = self.journal.core.writer.connection
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + MORE_PAGES if is_small else 1 << 20}")

    def forget_events(self, age: float) -> None:
        """Forget what happened earlier than ``age`` s ago, and all sinks have taken."""
        retention = self.center.retention
        retention.configure(age / DAY)
        retention.trim()

    def settle(self) -> None:
        if not self._is_slow:
            super().settle()
            return
        for _ in range(20):
            self.clock.advance(0)

    def set_disk(self, state: str) -> None:
        """Make the disk ``full``, ``gone`` (nor can it be read), ``slow`` (no commit ends) or ``well``."""
        self.journal.full = state == "full"
        self.journal.broken = state == "gone"
        self._is_slow = state == "slow"

    def set_clock(self, seconds: float) -> None:
        """Set the time of day forward, or back, at once."""
        self._began -= seconds

    def fail_once(self, writes: int) -> None:
        """Let a slow disk fail with the writes that wait longest; it may store those that follow."""
        _, queue = self.journal.queues[0]
        failing = queue[:writes]
        del queue[:writes]
        for submission in failing:
            submission.deferred.errback(StorageError("disk full"))
        self.clock.advance(0)

    def commit_once(self, writes: int | None) -> None:
        """Let a slow disk make one commit, of the writes that wait longest; None: of all."""
        writer, queue = self.journal.queues[0]
        group = queue[:writes]
        if group and not self.journal.broken and not self.journal.full:
            del queue[:writes]
            writer.serve(group)
        self.clock.advance(0)


class TestedSink:
    """A sink that takes what it is given, fails, or takes its time.

    :ivar mode: ``takes``, ``fails`` or ``slow``.
    :ivar taken: the events that it has taken since the start of the service.
    :ivar missed: events that it is to take and that are in the journal at the start.
    """

    def __init__(self, missed: list[AnyEvent]) -> None:
        self.missed = missed
        self.mode = "takes"
        self.taken: list[AnyEvent] = []
        self._held: list[tuple[Deferred[None], list[AnyEvent]]] = []

    def start(self) -> None:
        """There is nothing to begin."""

    def stop(self) -> Deferred[None]:
        return succeed(None)

    def deliver(self, batch: list[AnyEvent]) -> Deferred[None]:
        if self.mode == "fails":
            raise ConnectionError("the sink is away")
        if self.mode == "slow":
            done: Deferred[None] = Deferred()
            self._held.append((done, batch))
            return done
        self.taken += batch
        return succeed(None)

    def set(self, mode: str) -> None:
        self.mode = mode
        held, self._held = self._held, []
        for done, batch in held:
            if mode == "fails":
                done.errback(ConnectionError("the sink went away"))
            else:
                self.taken += batch
                done.callback(None)


class Service:
    """The service, and what gives it work other than base stations.

    :ivar sinks: the sinks of the present run by their names.
    :ivar commands: results of the commands that were given since the start: none yet, or one.
    :ivar reloads: reads endpoints.json again when it has changed.
    :ivar refs: references of all requests by MQTT.
    :ivar settings_answered: references of those among them that were about settings, and answered.
    :ivar at_broker: requests that were not acknowledged, so that the broker delivers them again: topic and
        payload, by packet identifier.
    :ivar failures: tracebacks in the log.
    """

    def __init__(self, directory: Path) -> None:
        self.commands: list[list[object]] = []
        self.refs: list[str] = []
        self.settings_answered: set[str] = set()
        self.at_broker: dict[int, tuple[str, bytes]] = {}
        self.failures: list[str] = []
        self.started_after = 0
        """number of the last event before the start"""
        self._packet_ids = count(1)
        self._graves: list[object] = []
        self._observer = self._observe
        globalLogPublisher.addObserver(self._observer)
        self.house = DiskHouse(directory, **{"deduplication-delay": "1"})
        self._start(SINKS)

    def _observe(self, event: Any) -> None:
        if "log_failure" in event:
            self.failures.append(event["log_failure"].getTraceback())

    def _start(self, sinks: Sequence[str]) -> None:
        house, center = self.house, self.house.center
        self.factory = StationFactory(
            house.clock, center.registry, ConnectionLimits(), "lenient", center.refused_stations
        )
        self.factory.startFactory()
        self.sinks: dict[str, TestedSink] = {}
        self.pumps: dict[str, Pump] = {}
        reading = house.journal.events.read(0, 1_000_000)
        house.journal.commit()
        kept = result_of(reading)
        self.started_after = house.journal.events.last_seq
        for name in sinks:
            cursor = house.kept.cursors.get(name, 0)
            self.sinks[name] = TestedSink([event for seq, event in kept if seq > cursor])
            pump = self.pumps[name] = Pump(
                house.clock, house.journal, name, self.sinks[name], cursor, house.now
            )
            center.deliveries.add(pump)
            pump.start()
        house.journal.cursors.follow({name: pump.cursor for name, pump in self.pumps.items()})
        self.reloads = Reloads(house.clock, center.commands, center.sensors, lambda: ())
        access = Access(center, Actor("mqtt", "mqtt"))
        self.intake = Intake(house.clock, house.journal, house.now)
        self._requests = MqttRequests(access, "mioty", self.intake, self._settings_answered)
        self.intake.resume(access.unanswered_requests(), lambda topic: self._requests.carry_out)
        for packet_id in list(self.at_broker):
            self._deliver(packet_id, repeated=True)
        house.settle()

    def kill(self, sinks: Sequence[str] = ()) -> None:
        """As kill -9, then a start on a disk that is well.

        :param sinks: those of the next run; none: the present ones.
        """
        self.house.set_disk("well")
        names = sinks or tuple(self.sinks)
        self._bury()
        self.house.open()
        self._start(names)

    def stop(self) -> None:
        """Stop as the service does, for as long as that may take; :meth:`kill` follows."""
        stopped = ensureDeferred(self._stop())
        end = self.house.clock.seconds() + STOP_TIME
        while not stopped.called and self.house.clock.seconds() < end:
            self.house.clock.advance(0.1)
            self.house.settle()
        stopped.addErrback(lambda failure: self.failures.append(failure.getTraceback()))

    async def _stop(self) -> None:
        center = self.house.center
        self.reloads.stop()
        await center.stop_receiving()
        self.factory.stopFactory()
        with suppress(StorageError):
            await self.house.journal.settled()
        self.intake.stop()
        await gatherResults([ensureDeferred(pump.stop()) for pump in self.pumps.values()])
        await center.stop()

    def close(self) -> None:
        globalLogPublisher.removeObserver(self._observer)
        self._bury()
        self._graves.clear()

    def _bury(self) -> None:
        """End the process. What it was doing is kept: collected as garbage, it would do what ends it."""
        house = self.house
        queues = [queue.copy() for _, queue in house.journal.queues]
        parts = (house.center, self._requests, self.sinks, self.pumps, self.commands, self.reloads)
        self._graves.append((parts, queues, house.clock.getDelayedCalls()))
        self.commands = []
        house.kill()

    # people

    def do(
        self,
        command: Coroutine[Deferred[Any], Any, Any],
        done: Callable[[Any], object] = lambda result: None,
    ) -> None:
        """Give a command, whose result is kept and, if it is not refused, passed on."""
        results: list[object] = []
        self.commands.append(results)

        def ended(result: Any) -> None:
            results.append(result)
            if not isinstance(result, Failure):
                done(result)

        ensureDeferred(command).addBoth(ended)

    def ask(self, topic: str, **request: Any) -> None:
        """Publish a request, which the broker delivers until it is acknowledged."""
        packet_id = next(self._packet_ids)
        self.refs.append(f"r{packet_id}")
        self.at_broker[packet_id] = (topic, json.dumps(request | {"ref": self.refs[-1]}).encode())
        self._deliver(packet_id, repeated=False)

    def _deliver(self, packet_id: int, *, repeated: bool) -> None:
        topic, payload = self.at_broker[packet_id]
        message = Received(topic, payload, False, packet_id, repeated, None, None)
        taken = self._requests.received(message) or succeed(None)
        taken.addCallback(lambda _: self.at_broker.pop(packet_id))
        taken.addErrback(lambda failure: failure.trap(MessageNotTaken))

    def _settings_answered(self, answer: dict[str, Any], reply: object) -> Deferred[None]:
        self.settings_answered.add(answer["ref"])
        return succeed(None)
