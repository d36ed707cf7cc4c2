"""Choice of the decoder for each message, and decoding: once for all sinks that keep up.

    batch --> each event --> known already? ----------------------------------> event with readings
                                | no                                                    ^
                                +-- uplink of a sensor that has a blueprint: at once ---+
                                v                                                       |
                     sensor's decoder, else its typeEui, else the first that matches    |
                                |                                                       |
                                +-- fast: decoded in slices ----------------------------+
                                +-- slow (scripts): beside, and for a while only -------+

The journal keeps raw events only, so a new decoder applies to everything that is delivered from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.logger import Logger

from bssci.center.decoding.payloads import (
    DeviceId,
    decodable,
    delivery_key,
    device_of,
    is_of_others,
    payload_kind,
    payload_of,
    separate,
)
from bssci.center.decoding.rests import PluginRests
from bssci.center.decoding.slow import DecodingJob, SlowDecoding
from bssci.center.decoding.tallies import Tallies
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder
from bssci.decoders.blueprints import Blueprint
from bssci.decoders.interfaces import KINDS, DecodeError, Payload
from bssci.decoders.library import Library
from bssci.decoders.running import failed, label, run
from bssci.decoders.scripts import ScriptDecoder
from bssci.model import EUI, AnyEvent, Decoded, DecodeFailure, Uplink
from bssci.model.device_id import sensor_device
from bssci.system.clock import Clock, Countdown, turn
from bssci.system.line_limit import is_logged

REMEMBERED = 4096
"""messages whose readings are cached for the other sinks"""
SLICE = 0.01
"""s of decoding after which it yields to the reactor"""
LOOKS = 16
"""uplinks that are decoded by blueprints between two readings of the clock"""
MAX_CHOICES = 20_000
"""sensors whose blueprint is cached"""
PATIENCE = 0.25
"""s that a batch waits for slow decoders, from one answer to the next; they normally answer sooner"""
LONGEST_PATIENCE = 10.0
"""s that it waits for them in total"""
TOGETHER = 16
"""requests to one slow decoder that are answered together"""


class _Work:
    """Requests to one slow decoder in progress, and the callbacks that wait for the answers."""

    def __init__(self, slow: SlowDecoding, decoder: Any, requests: Sequence[DecodingJob]) -> None:
        self.answers: list[Decoded] | None = None
        """the decoder's answers; None until they are there"""
        self._waiting: list[Callable[[], None]] = []
        slow.decode(decoder, requests).addCallback(self._answered)

    def when_answered(self, call: Callable[[], None]) -> None:
        if self.answers is None:
            self._waiting.append(call)
        else:
            call()

    def _answered(self, answers: list[Decoded]) -> None:
        self.answers = answers
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()


class _Place(NamedTuple):
    """A request of a batch, with the position of its event."""

    number: int
    key: object
    wanted: ChosenDecoder
    decoder: Any
    request: DecodingJob


class _Share(NamedTuple):
    """One request of a :class:`_Work` in progress."""

    wanted: ChosenDecoder
    decoder: Any
    work: _Work
    number: int

    @property
    def answer(self) -> Decoded | None:
        return None if self.work.answers is None else self.work.answers[self.number]


class _Choice(NamedTuple):
    """The blueprint for the uplinks of a sensor, valid as long as ``wanted`` is the same."""

    wanted: ChosenDecoder
    device: DeviceId
    blueprint: Blueprint | None
    """None: the decoder must be chosen for each uplink"""
    label: str


class Decoding:
    """Decodes events.

    :param installed: decoders that do not come from files, in the order in which they are asked for a match.
    :param wanted: returns the configured choice for a device, by its id.
    :param slow: runs scripts. None: they run in the reactor's thread.
    :param seconds: returns the time for measuring durations; None: ``clock.seconds``.
    :param wanted_of_sensor: returns the configured choice for a mioty sensor, by its EUI; the same object as
        long as it does not change.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        installed: Iterable[Any],
        wanted: Callable[[DeviceId], ChosenDecoder],
        slow: SlowDecoding | None = None,
        seconds: Callable[[], float] | None = None,
        wanted_of_sensor: Callable[[EUI], ChosenDecoder] | None = None,
    ) -> None:
        self.by_decoder = Tallies()
        self.by_device = Tallies()
        self._by_failure = Tallies()
        self._clock = clock
        self._installed = {decoder.name: decoder for decoder in installed}
        self._has_others = any(map(is_of_others, self._installed.values()))
        self._wanted = wanted
        self._wanted_of_sensor = wanted_of_sensor or (lambda eui: wanted(sensor_device(eui)))
        self._choices: dict[EUI, _Choice] = {}
        self._slow = slow
        self._seconds = seconds or clock.seconds
        self.rests = PluginRests(clock.seconds)
        self._faults: dict[str, int] = {}
        self._known: OrderedDict[object, tuple[ChosenDecoder, Decoded | None]] = OrderedDict()
        self._under_way: dict[object, _Share] = {}
        self._decoders: dict[str, Any] = {}
        self._by_type: dict[EUI, Any] = {}
        self._matching = {
            kind: [each for each in self._installed.values() if kind in getattr(each, "kinds", KINDS)]
            for kind in KINDS
        }
        self._first = {
            kind: [each for each in found if getattr(each, "comes_first", False)]
            for kind, found in self._matching.items()
        }
        """decoders of messages of the service itself, which come before the decoder that a device names"""
        self.use(Library())

    @property
    def decoders(self) -> Mapping[str, Any]:
        """Every decoder by its name."""
        return self._decoders

    def use(self, library: Library) -> None:
        """Use a folder's decoders from now on; an installed decoder of the same name takes precedence."""
        self._decoders = {**library.decoders, **self._installed}
        self._by_type = {}
        for name in (*sorted(library.decoders), *self._installed):
            decoder = self._decoders[name]
            type_eui = getattr(decoder, "type_eui", None)
            if type_eui is not None:
                self._by_type.setdefault(type_eui, decoder)
        self._known.clear()
        self._choices.clear()
        self._under_way.clear()

    def decode(
        self, events: Sequence[AnyEvent], progressed: Callable[[], None] = lambda: None
    ) -> Deferred[list[AnyEvent]]:
        """Fire with the same events in order, those with a payload with readings or a failure. Never fail.

        Decoding of a large batch yields to the reactor in between. Slow decoders get at most
        :data:`PATIENCE` after each answer; payloads that are not decoded by then get the failure ``late``.

        :param progressed: called whenever a part of the batch is decoded.
        """
        found = list(events)
        began = self._seconds()
        rest = self._decode_quickly(found, began)
        if not rest:
            return succeed(found)
        return ensureDeferred(self._decode_rest(found, rest, began, progressed))

    def choose(self, payload: Payload, wanted: ChosenDecoder) -> Any:
        """Return the decoder of a payload; None if there is none.

        :raises DecodeError: the device names a decoder that does not exist.
        """
        for decoder in self._first[payload.kind]:
            if self._matches(decoder, payload):
                return decoder
        if wanted.decoder:
            decoder = self._decoders.get(wanted.decoder)
            if decoder is None:
                raise DecodeError("no_decoder", f"there is no decoder {wanted.decoder!r}")
            return decoder
        if wanted.type_eui is not None and wanted.type_eui in self._by_type:
            return self._by_type[wanted.type_eui]
        for decoder in self._matching[payload.kind]:
            if self._matches(decoder, payload):
                return decoder
        return None

    def given(self, payload: Payload, wanted: ChosenDecoder) -> tuple[Payload, Mapping[str, Any]]:
        """Return what a decoder is given: copies, if one of a third party may change them."""
        given = payload, wanted.parameters
        return separate(*given) if self._has_others else given

    def _decode_quickly(self, found: list[AnyEvent], began: float) -> list[int]:
        """Decode the uplinks of sensors with blueprints; return the positions of all other events to decode.

        A fast path for nearly all events of a busy service.
        """
        rest: list[int] = []
        devices: list[DeviceId] = []
        counts: dict[str, int] = {}
        wanted_of, choice_of, known_of = self._wanted_of_sensor, self._choices.get, self._known.get
        matching = self._matching["uplink"]
        for index, event in enumerate(found):
            if event.__class__ is not Uplink:
                if decodable(event):
                    rest.append(index)
                continue
            best = event.receptions[0]
            wanted = wanted_of(best.end_point_eui)
            if wanted is NOTHING_WANTED and not matching:
                continue
            choice = choice_of(best.end_point_eui)
            if choice is None or choice.wanted is not wanted:
                choice = self._choice(best.end_point_eui, wanted)
            known = known_of(event.id)
            if known is not None and known[0] == wanted and known[1] is not None:
                decoded = known[1]
            elif choice.blueprint is None:
                rest.append(index)
                continue
            else:
                try:
                    readings = choice.blueprint.read(best.payload, best.format, wanted.parameters)
                except Exception:  # _decode_rest will run into it again, and report it
                    rest.append(index)
                    continue
                decoded = Decoded(decoder=choice.label, readings=tuple(readings))
                self._known[event.id] = wanted, decoded
                devices.append(choice.device)
                counts[choice.blueprint.name] = counts.get(choice.blueprint.name, 0) + 1
                if len(devices) % LOOKS == 0 and self._seconds() - began > SLICE:
                    rest += range(index + 1, len(found))
                    found[index] = msgspec.structs.replace(event, decoded=decoded)
                    break
            found[index] = msgspec.structs.replace(event, decoded=decoded)
        self.by_device.count_decoded(devices)
        for name, count in counts.items():
            self.by_decoder.count_decoded((name,), count)
        self._trim()
        return rest

    def _choice(self, eui: EUI, wanted: ChosenDecoder) -> _Choice:
        """Return and cache the choice for a sensor's uplinks."""
        blueprint = self.blueprint_of(wanted)
        choice = _Choice(wanted, sensor_device(eui), blueprint, label(blueprint) if blueprint else "")
        if len(self._choices) >= MAX_CHOICES:
            self._choices.clear()
        self._choices[eui] = choice
        return choice

    def blueprint_of(self, wanted: ChosenDecoder) -> Blueprint | None:
        """Return the blueprint for all uplinks of a mioty sensor; None: :meth:`choose` decides for each."""
        if self._first["uplink"]:
            return None
        decoder = self._decoders.get(wanted.decoder) if wanted.decoder else None
        if not wanted.decoder and wanted.type_eui is not None:
            decoder = self._by_type.get(wanted.type_eui)
        return decoder if isinstance(decoder, Blueprint) else None

    async def _decode_rest(
        self, found: list[AnyEvent], rest: Sequence[int], began: float, progressed: Callable[[], None]
    ) -> list[AnyEvent]:
        """Decode the events at some positions of a batch, in slices."""
        slow: list[_Place] = []
        for index in rest:
            event = found[index]
            if not decodable(event):
                continue
            device = device_of(event)
            wanted = self._wanted(device)
            if not self._is_wanted(event, wanted):
                continue
            key = delivery_key(event)
            known = self._known.get(key)
            if known is not None and known[0] == wanted:
                decoded = known[1]
            else:
                place = self._begin(index, key, event, wanted, device)
                if isinstance(place, _Place):
                    slow.append(place)
                    continue
                decoded = place
            if decoded is not None:
                found[index] = msgspec.structs.replace(event, decoded=decoded)
            if self._seconds() - began > SLICE:
                await turn(self._clock)
                progressed()
                began = self._seconds()
        if slow:
            for place, decoded in zip(slow, await self._decode_slow(slow, progressed), strict=True):
                found[place.number] = msgspec.structs.replace(found[place.number], decoded=decoded)
        return found

    def _is_wanted(self, event: AnyEvent, wanted: ChosenDecoder) -> bool:
        """Return whether there may be a decoder for an event, by a quick check."""
        return wanted is not NOTHING_WANTED or bool(self._matching[payload_kind(event)])

    def _begin(
        self, index: int, key: object, event: AnyEvent, wanted: ChosenDecoder, device: DeviceId
    ) -> _Place | Decoded | None:
        """Return the result of decoding, or the request to a slow decoder; None if there is no decoder."""
        payload, parameters = self.given(payload_of(event, wanted.type_eui, device), wanted)
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
        if self._slow is not None and isinstance(decoder, ScriptDecoder):
            return _Place(index, key, wanted, decoder, DecodingJob(payload, wanted.parameters))
        decoded = self._run(decoder, payload, parameters)
        self._remember(key, wanted, decoded, payload, decoder)
        return decoded

    def _run(self, decoder: Any, payload: Payload, parameters: Mapping[str, Any]) -> Decoded:
        """Return the result of decoding in this thread; a failure if the decoder is paused."""
        try:
            self.rests.refuse_resting(decoder)
        except DecodeError as error:
            return failed(decoder, error)
        began = self._clock.seconds()
        decoded = run(decoder, payload, parameters, self._faulty)
        self.rests.count(decoder, self._clock.seconds() - began)
        return decoded

    async def _decode_slow(self, places: Sequence[_Place], progressed: Callable[[], None]) -> list[Decoded]:
        """Return the answers; after PATIENCE, failures in place of missing ones."""
        shares: list[_Share | None] = []
        fresh: dict[int, list[int]] = {}
        for at, place in enumerate(places):
            other = self._under_way.get(place.key)
            same = other is not None and other.wanted == place.wanted and other.decoder is place.decoder
            shares.append(other if same else None)  # in progress for another sink
            if not same:
                fresh.setdefault(id(place.decoder), []).append(at)
        for chosen in fresh.values():
            for first in range(0, len(chosen), TOGETHER):
                few = chosen[first : first + TOGETHER]
                for at, share in zip(few, self._send([places[at] for at in few]), strict=True):
                    shares[at] = share
        answers = [share for share in shares if share is not None]
        await self._patience([share.work for share in answers], progressed)
        return [
            share.answer
            or failed(share.decoder, DecodeError("late", f"not done within {PATIENCE * 1000:.0f} ms"))
            for share in answers
        ]

    def _send(self, places: Sequence[_Place]) -> list[_Share]:
        """Begin the requests of one slow decoder."""
        assert self._slow is not None  # a request is made only then
        decoder = places[0].decoder
        work = _Work(self._slow, decoder, [place.request for place in places])
        shares = [_Share(place.wanted, decoder, work, number) for number, place in enumerate(places)]
        for place, share in zip(places, shares, strict=True):
            self._under_way[place.key] = share
        work.when_answered(lambda: self._take_over(places, shares))
        return shares

    def _take_over(self, places: Sequence[_Place], shares: Sequence[_Share]) -> None:
        """Cache the answers of a slow decoder, even if nothing waits for them any more."""
        for place, share in zip(places, shares, strict=True):
            if self._under_way.get(place.key) is not share or share.answer is None:
                continue  # the decoders have changed since
            del self._under_way[place.key]
            self._remember(place.key, place.wanted, share.answer, place.request.payload, place.decoder)

    async def _patience(self, works: Sequence[_Work], progressed: Callable[[], None]) -> None:
        """Wait until all are answered, but at most PATIENCE after each answer."""
        open_works = {id(work): work for work in works if work.answers is None}
        if not open_works:
            return
        over: Deferred[None] = Deferred()

        def end() -> None:
            if not over.called:
                over.callback(None)

        countdown = Countdown(self._clock, PATIENCE, end)
        last = Countdown(self._clock, LONGEST_PATIENCE, end)

        def answered(number: int) -> None:
            del open_works[number]
            progressed()
            countdown.restart()
            if not open_works:
                end()

        for number, work in list(open_works.items()):
            work.when_answered(lambda number=number: answered(number))  # type: ignore[misc]
        try:
            await over
        finally:
            countdown.cancel()
            last.cancel()

    def _remember(
        self, key: object, wanted: ChosenDecoder, decoded: Decoded, payload: Payload, decoder: Any
    ) -> None:
        self._known[key] = wanted, decoded
        self._trim()
        if decoder is not None:
            self.by_decoder.count(decoder.name, decoded.failure, payload.received_at, payload.device)
            if decoded.failure is not None:
                self._tell(decoder.name, decoded.failure, payload)
        if decoder not in self._first[payload.kind]:  # which read the service's own messages
            self.by_device.count(payload.device, decoded.failure, payload.received_at, decoded.decoder)

    def _tell(self, decoder: str, failure: DecodeFailure, payload: Payload) -> None:
        """Log the first payload that a decoder cannot read for a reason, and then one in a hundred.

        A decoder that is paused is logged where its pause begins.
        """
        if failure.code == "resting":
            return
        key = f"{decoder} {failure.code}"
        count = self._by_failure.count(key, failure, payload.received_at, payload.device).failed
        if is_logged(count):
            self.log.warn(
                "not decoded by {decoder}: {reason}; {count} so far, the last of {device}",
                decoder=decoder,
                reason=failure.message,
                count=count,
                device=payload.device,
            )

    def _trim(self) -> None:
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _matches(self, decoder: Any, payload: Payload) -> bool:
        try:
            self.rests.refuse_resting(decoder)
            began = self._clock.seconds()
            matches = bool(decoder.matches(payload))
            self.rests.count(decoder, self._clock.seconds() - began, "matches")
            return matches
        except DecodeError:  # it is paused
            return False
        except (Exception, SystemExit):  # third-party code
            self._faulty(decoder)
            return False

    def _faulty(self, decoder: Any) -> None:
        """Count and log the exception of a decoder that is being handled."""
        count = self._faults[decoder.name] = self._faults.get(decoder.name, 0) + 1
        if is_logged(count):
            self.log.failure("decoder faulty {decoder}, {count} so far", decoder=label(decoder), count=count)
