"""Chooses the decoder of each message and has it decoded: once for all sinks that keep up.

    batch --> each event --> known already? ----------------------------------> event with readings
                                | no                                                    ^
                                v                                                       |
                     sensor's decoder, else its typeEui, else the first that matches    |
                                |                                                       |
                                +-- fast: decoded at once ------------------------------+
                                +-- slow (scripts): by a runner, which has its time ----+

What is kept is raw: nothing here changes the journal, and a new decoder applies to all that is delivered from
then on.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.logger import Logger

from bssci.center.decoding.payloads import Device, decodable, device_of, key_of, payload_of
from bssci.center.decoding.tallies import Tallies
from bssci.center.decoding.wanted import Wanted
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.library import Library
from bssci.decoders.running import failed, label, run
from bssci.model import EUI, AnyEvent, Decoded, DecodeFailure

REMEMBERED = 4096
"""messages whose readings are kept for the other sinks"""
SLICE = 0.01
"""s of decoding, after which others have their turn"""
PATIENCE = 0.25
"""s that a batch waits for slow decoders in all"""
LOG_EVERY = 100
"""faults of a decoder are logged the first time and every so many times"""


class Job:
    """A payload for a slow decoder."""

    __slots__ = ("decoded", "parameters", "payload")

    def __init__(self, payload: Payload, parameters: Mapping[str, Any]) -> None:
        self.payload = payload
        self.parameters = parameters
        self.decoded: Decoded | None = None
        """None until it is done"""


class Runner(Protocol):
    """Runs a decoder that may take its time, away from the reactor's thread."""

    def decode(self, jobs: Sequence[Job]) -> Deferred[None]:
        """Fill in :attr:`Job.decoded` of each; fires in the reactor's thread when all are done. Never fails.

        A job that the decoder takes too long for, or that there is no room for, is done with a failure.
        """

    def stop(self) -> None:
        """End: the decoder is not used any more."""


class _Work:
    """Jobs of one runner under way, and who waits for them."""

    def __init__(self, runner: Runner, jobs: Sequence[Job]) -> None:
        self.done = False
        self._waiting: list[Callable[[], None]] = []
        runner.decode(jobs).addBoth(self._finished)

    def when_done(self, call: Callable[[], None]) -> None:
        if self.done:
            call()
        else:
            self._waiting.append(call)

    def _finished(self, _: object) -> None:
        self.done = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()


class _Place(NamedTuple):
    """A job of a batch and where its event stands there."""

    number: int
    key: object
    wanted: Wanted
    decoder: Any
    job: Job


class Decoding:
    """Decodes events.

    :param installed: decoders that are no files, in the order in which they are asked whether one matches.
    :param wanted: what the configuration says of a device, by its id.
    :param runner_of: the runner of a decoder that must not run in the reactor's thread; None: it may.
    :param seconds: a clock for measuring how long decoding takes.
    """

    log = Logger()

    def __init__(
        self,
        clock: Any,
        installed: Iterable[Any],
        wanted: Callable[[Device], Wanted],
        runner_of: Callable[[Any], Runner | None] = lambda decoder: None,
        seconds: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.by_decoder = Tallies()
        self.by_device = Tallies()
        self._clock = clock
        self._installed = {decoder.name: decoder for decoder in installed}
        self._wanted = wanted
        self._runner_of = runner_of
        self._seconds = seconds
        self._runners: dict[int, Runner] = {}
        """by id of the decoder, which lives as long"""
        self._faults: dict[str, int] = {}
        self._known: OrderedDict[object, tuple[Wanted, Decoded | None]] = OrderedDict()
        self._under_way: dict[object, tuple[Wanted, Any, Job, _Work]] = {}
        self._decoders: dict[str, Any] = {}
        self._by_type: dict[EUI, Any] = {}
        self.use(Library())

    @property
    def decoders(self) -> Mapping[str, Any]:
        """Every decoder by its name."""
        return self._decoders

    def use(self, library: Library) -> None:
        """Use a folder's decoders from now on; of two with one name, the installed one."""
        self._decoders = {**library.decoders, **self._installed}
        self._by_type = {}
        for name in (*sorted(library.decoders), *self._installed):
            decoder = self._decoders[name]
            type_eui = getattr(decoder, "type_eui", None)
            if type_eui is not None:
                self._by_type.setdefault(type_eui, decoder)
        self._known.clear()
        self._under_way.clear()
        self._change_runners()

    def stop(self) -> None:
        """End what runs beside."""
        for runner in self._runners.values():
            runner.stop()
        self._runners.clear()

    def decode(self, events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
        """The same events in their order, those with a payload with what became of it. Does not fail.

        A batch that takes long lets others have their turn in between; one with slow decoders waits
        :data:`PATIENCE` for them at most, and says so of what was not done then.
        """
        if not any(map(decodable, events)):
            return succeed(list(events))
        return ensureDeferred(self._decode(events))

    def choose(self, payload: Payload, wanted: Wanted) -> Any:
        """The decoder of a payload; None if there is none.

        :raises DecodeError: the device names one that is not there.
        """
        if wanted.decoder:
            decoder = self._decoders.get(wanted.decoder)
            if decoder is None:
                raise DecodeError("no_decoder", f"there is no decoder {wanted.decoder!r}")
            return decoder
        if wanted.type_eui is not None and wanted.type_eui in self._by_type:
            return self._by_type[wanted.type_eui]
        for decoder in self._installed.values():
            if self._matches(decoder, payload):
                return decoder
        return None

    async def _decode(self, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        found = list(events)
        slow: list[_Place] = []
        began = self._seconds()
        for index, event in enumerate(events):
            if not decodable(event):
                continue
            key, wanted = key_of(event), self._wanted(device_of(event))
            known = self._known.get(key)
            if known is not None and known[0] == wanted:
                decoded = known[1]
            else:
                place = self._begin(index, key, event, wanted)
                if isinstance(place, _Place):
                    slow.append(place)
                    continue
                decoded = place
            if decoded is not None:
                found[index] = msgspec.structs.replace(event, decoded=decoded)
            if self._seconds() - began > SLICE:
                await _later(self._clock)
                began = self._seconds()
        if slow:
            await self._wait_for(slow)
            for place in slow:
                decoded = place.job.decoded or failed(
                    place.decoder, DecodeError("late", f"not done within {PATIENCE * 1000:.0f} ms")
                )
                found[place.number] = msgspec.structs.replace(events[place.number], decoded=decoded)
        return found

    def _begin(self, index: int, key: object, event: AnyEvent, wanted: Wanted) -> _Place | Decoded | None:
        """Decode, or say what is to be decoded by a runner."""
        payload = payload_of(event, wanted.type_eui)
        try:
            decoder = self.choose(payload, wanted)
        except DecodeError as error:
            decoded = Decoded(decoder=str(wanted.decoder), failure=DecodeFailure(error.code, error.message))
            self._remember(key, wanted, decoded, payload, None)
            return decoded
        if decoder is None:
            self._known[key] = wanted, None
            self._trim()
            return None
        if id(decoder) in self._runners:
            return _Place(index, key, wanted, decoder, Job(payload, wanted.parameters))
        decoded = run(decoder, payload, wanted.parameters, self._faulty)
        self._remember(key, wanted, decoded, payload, decoder)
        return decoded

    async def _wait_for(self, places: list[_Place]) -> None:
        """Until all jobs are done, or PATIENCE is over."""
        works: list[_Work] = []
        fresh: dict[int, list[_Place]] = {}
        for number, place in enumerate(places):
            other = self._under_way.get(place.key)
            if other is not None and other[0] == place.wanted and other[1] is place.decoder:
                places[number] = place._replace(job=other[2])  # another sink asked for it just now
                works.append(other[3])
            else:
                fresh.setdefault(id(place.decoder), []).append(place)
        works.extend(self._send(mine) for mine in fresh.values())
        left = {id(work) for work in works if not work.done}
        if not left:
            return
        over: Deferred[None] = Deferred()
        timer = self._clock.callLater(PATIENCE, over.callback, None)

        def done(work: _Work) -> None:
            left.discard(id(work))
            if not left and timer.active():
                timer.cancel()
                over.callback(None)

        for work in {id(work): work for work in works}.values():
            if not work.done:
                work.when_done(lambda work=work: done(work))  # type: ignore[misc]
        await over

    def _send(self, places: Sequence[_Place]) -> _Work:
        work = _Work(self._runners[id(places[0].decoder)], [place.job for place in places])
        for place in places:
            self._under_way[place.key] = place.wanted, place.decoder, place.job, work
        work.when_done(lambda: self._take_over(places))
        return work

    def _take_over(self, places: Sequence[_Place]) -> None:
        """Keep what a runner found; also if nobody waits any more."""
        for place in places:
            mine = self._under_way.get(place.key)
            if mine is None or mine[2] is not place.job:
                continue  # other decoders are used by now
            del self._under_way[place.key]
            if place.job.decoded is not None:
                self._remember(place.key, place.wanted, place.job.decoded, place.job.payload, place.decoder)

    def _remember(
        self, key: object, wanted: Wanted, decoded: Decoded, payload: Payload, decoder: Any
    ) -> None:
        self._known[key] = wanted, decoded
        self._trim()
        if decoder is not None:
            self.by_decoder.count(decoder.name, decoded.failure, payload.received_at, payload.device)
        self.by_device.count(payload.device, decoded.failure, payload.received_at, decoded.decoder)

    def _trim(self) -> None:
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _matches(self, decoder: Any, payload: Payload) -> bool:
        try:
            return bool(decoder.matches(payload))
        except Exception:  # whoever wrote the decoder
            self._faulty(decoder)
            return False

    def _faulty(self, decoder: Any) -> None:
        """Called while the exception is handled."""
        count = self._faults[decoder.name] = self._faults.get(decoder.name, 0) + 1
        if count % LOG_EVERY == 1:
            self.log.failure("decoder faulty {decoder} {count}", decoder=label(decoder), count=count)

    def _change_runners(self) -> None:
        wanted = {id(decoder): decoder for decoder in self._decoders.values()}
        for gone in self._runners.keys() - wanted.keys():
            self._runners.pop(gone).stop()
        for number, decoder in wanted.items():
            if number not in self._runners:
                runner = self._runner_of(decoder)
                if runner is not None:
                    self._runners[number] = runner


def _later(clock: Any) -> Deferred[None]:
    turn: Deferred[None] = Deferred()
    clock.callLater(0, turn.callback, None)
    return turn
