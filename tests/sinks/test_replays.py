"""Replays: in turn behind what happens now, in their span, by their devices, and on after a restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.internet.task import Clock

from bssci.center.replays import ReplayRequest
from bssci.journal import StorageError
from bssci.model import EUI, AnyEvent, StationStatus, Uplink
from bssci.model.commands import CommandError
from bssci.sinks import replays as room
from bssci.sinks.pump import LIVE_TURNS, Pump
from bssci.sinks.replays import BATCH, MAX_OPEN, Replays
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.journal import SENSOR, STATION, uplink
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

BEGAN = 1_700_000_000.0
OTHER = EUI("70B3D56770119999")


def at(seconds: float, counter: int) -> Uplink:
    return msgspec.structs.replace(uplink(counter), at=BEGAN + seconds)


class Sink:
    """Takes what it is given, at once unless told otherwise."""

    replayable: Any = True
    gathering = False

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.answers: list[Deferred[None]] = []

    def start(self) -> None: ...

    def deliver(self, batch: Sequence[Uplink]) -> Deferred[None]:
        self.batches.append([event.packet_counter for event in batch])
        return self.answers.pop(0) if self.answers else succeed(None)

    def stop(self) -> Deferred[None]:
        return succeed(None)

    @property
    def taken(self) -> list[int]:
        return [counter for batch in self.batches for counter in batch]


class House:
    """A journal with a pump that has taken all, and replays."""

    def __init__(self, directory: Path, *events: AnyEvent) -> None:
        self.clock = Clock()
        self.journal = InlineJournal(directory)
        self.sink = Sink()
        self.journal.events.append(list(events))
        self.journal.commit()
        self.decoded: list[AnyEvent] = []
        self.pump = Pump(
            self.clock, self.journal, "test", self.sink, self.journal.events.last_seq, lambda: BEGAN
        )
        self.pump.start()
        self.begin_replays()

    def begin_replays(self) -> None:
        self.replays = Replays(
            self.clock,
            self.journal,
            {"test": self.pump},
            self.decode,
            self.journal.kept().replays,
            lambda: BEGAN,
        )
        self.replays.start()
        self.settle()

    def decode(self, events: Sequence[AnyEvent]) -> Deferred[list[AnyEvent]]:
        self.decoded += events
        return succeed(list(events))

    def ask(self, from_at: float = 0.0, to_at: float = 1e6, **more: Any) -> int:
        begun: list[dict[str, Any]] = []
        errors: list[Any] = []
        request = ReplayRequest("test", BEGAN + from_at, BEGAN + to_at, **more)
        ensureDeferred(self.replays.begin(request, "ann")).addCallbacks(begun.append, errors.append)
        self.settle()
        if errors:
            errors[0].raiseException()
        return int(begun[0]["id"])

    def happen(self, *events: AnyEvent) -> None:
        self.journal.events.append(list(events))
        self.settle()

    def settle(self, rounds: int = 40) -> None:
        for _ in range(rounds):
            self.journal.commit()
            self.clock.advance(0)

    def stands(self, number: int) -> dict[str, Any]:
        return next(each for each in self.replays.listed() if each["id"] == number)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    houses: list[House] = []

    def build(*events: AnyEvent) -> House:
        houses.append(House(tmp_path, *events))
        return houses[-1]

    yield build
    for house in houses:
        house.replays.stop()
        house.journal.cut()


def test_messages_of_a_span_are_delivered_again_with_their_ids(make: Any) -> None:
    status = StationStatus(at=BEGAN + 1500, base_station_eui=STATION)
    house = make(*(at(1000.0 * number, number) for number in range(5)), status)
    number = house.ask(1000.0, 3000.0)
    assert house.sink.taken == [1, 2, 3]
    assert [event.id for event in house.decoded] == [uplink(each).id for each in (1, 2, 3)]
    stands = house.stands(number)
    assert (stands["state"], stands["progress"], stands["delivered"]) == ("done", 1.0, 3)
    assert stands["asked_by"] == "ann"
    assert house.pump.cursor == house.journal.events.last_seq


def test_only_of_devices(make: Any) -> None:
    house = make(at(1, 1), at(2, 2))
    house.ask(devices=(f"mioty:{OTHER}",))
    assert house.sink.taken == []
    house.ask(devices=(f"mioty:{OTHER}", f"mioty:{SENSOR}"))
    assert house.sink.taken == [1, 2]


def test_what_happens_now_goes_first(make: Any) -> None:
    house = make(*(at(1, number) for number in range(2 * BATCH)))
    first: Deferred[None] = Deferred()
    house.sink.answers = [first]
    house.ask()
    assert house.sink.batches == [list(range(BATCH))]
    house.happen(at(5000, 9001))
    first.callback(None)
    house.settle()
    assert house.sink.batches == [list(range(BATCH)), [9001], list(range(BATCH, 2 * BATCH))]


def test_a_backlog_that_never_ends_does_not_keep_a_replay_out(make: Any) -> None:
    house = make(at(1, 1))
    live: list[Deferred[None]] = [Deferred() for _ in range(LIVE_TURNS + 2)]
    house.sink.answers = list(live)
    house.happen(at(5000, 9000))
    house.ask(0, 100)
    for number, answer in enumerate(live, 1):
        house.happen(at(5000, 9000 + number))
        answer.callback(None)
        house.settle()
    assert 1 in house.sink.taken
    assert house.sink.taken.index(1) >= LIVE_TURNS - 1


def test_a_sink_that_gathers_new_events_takes_a_replay_meanwhile(make: Any) -> None:
    """A sink that writes once in 30 s would otherwise take some messages of a replay in several minutes."""
    house = make(*(at(1, number) for number in range(3 * BATCH)))
    sink, again = house.sink, list[int]()
    sink.deliver_again = lambda batch: again.extend(each.packet_counter for each in batch)
    gathered: Deferred[None] = Deferred()
    sink.answers, sink.gathering = [gathered], True
    house.happen(at(5000, 9000))
    house.ask(0, 100)
    house.clock.advance(1.0)
    house.settle()
    assert again == list(range(3 * BATCH)) and sink.taken == [9000]
    sink.answers, sink.gathering = [Deferred()], False
    gathered.callback(None)
    house.happen(at(5000, 9001))
    house.ask(0, 100)
    house.clock.advance(1.0)
    house.settle()
    assert sink.taken == [9000, 9001] and len(again) == 3 * BATCH, "it writes them now"


def test_a_replay_waits_for_a_delivery_that_has_begun_until_it_gathers(make: Any) -> None:
    house = make(at(1, 1))
    sink, again = house.sink, list[int]()
    sink.deliver_again = lambda batch: again.extend(each.packet_counter for each in batch)
    writing: Deferred[None] = Deferred()
    sink.answers, sink.gathering = [writing, Deferred()], False
    house.happen(at(5000, 9000))
    house.ask(0, 100)
    house.happen(at(5000, 9001))
    assert again == []
    sink.gathering = True
    writing.callback(None)
    house.settle()
    assert sink.taken == [9000, 9001] and again == [1]


def test_a_batch_that_fails_comes_again_and_the_backlog_goes_on(make: Any) -> None:
    house = make(at(1, 1))
    house.sink.answers = [fail(RuntimeError("full"))]
    number = house.ask()
    assert house.stands(number)["trouble"] == "full"
    house.happen(at(5000, 9))
    assert house.sink.batches == [[1], [9]]
    assert not house.pump.statistics().failing
    house.clock.advance(1.0)
    house.settle()
    assert house.sink.batches == [[1], [9], [1]]
    assert house.stands(number)["state"] == "done"


def test_a_restart_goes_on_where_it_was(make: Any) -> None:
    house = make(*(at(1, number) for number in range(3 * BATCH)))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [succeed(None), stuck]
    number = house.ask()
    assert len(house.sink.batches) == 2
    house.replays.stop()
    assert house.journal.kept().replays[number].delivered == BATCH
    stuck.callback(None)
    house.sink.batches.clear()
    house.settle()
    house.begin_replays()
    assert house.sink.taken == list(range(BATCH, 3 * BATCH))
    assert house.stands(number)["state"] == "done"
    house.begin_replays()
    assert house.stands(number)["delivered"] == 3 * BATCH


def test_it_can_be_cancelled(make: Any) -> None:
    house = make(*(at(1, number) for number in range(2 * BATCH)))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [stuck]
    number = house.ask()
    ensureDeferred(house.replays.cancel(number))
    house.settle()
    stuck.callback(None)
    house.settle()
    assert house.sink.taken == list(range(BATCH))
    assert house.stands(number)["state"] == "cancelled"
    assert house.journal.kept().replays[number].state == "cancelled"
    with pytest.raises(CommandError, match="is over"):
        _raise(house.replays.cancel(number))
    with pytest.raises(CommandError, match="there is no replay 99"):
        _raise(house.replays.cancel(99))


def test_one_that_is_cancelled_while_a_batch_ends_does_not_come_back_at_the_next_start(make: Any) -> None:
    house = make(*(at(1, number) for number in range(3 * BATCH)))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [stuck]
    number = house.ask()
    ensureDeferred(house.replays.cancel(number))
    stuck.callback(None)
    house.settle()
    assert house.stands(number)["state"] == "cancelled"
    assert house.journal.kept().replays[number].state == "cancelled"
    taken = len(house.sink.taken)
    house.begin_replays()
    assert len(house.sink.taken) == taken


def test_one_whose_end_cannot_be_stored_goes_on(make: Any) -> None:
    house = make(*(at(1, number) for number in range(3 * BATCH)))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [stuck]
    number = house.ask()
    house.journal.broken = True
    errors: list[Any] = []
    ensureDeferred(house.replays.cancel(number)).addErrback(errors.append)
    house.settle()
    assert [failure.check(StorageError) for failure in errors] == [StorageError]
    house.journal.broken = False
    stuck.callback(None)
    house.settle()
    assert house.stands(number)["state"] == "done"
    assert house.journal.kept().replays[number].state == "done"


def test_one_that_cannot_be_stored_is_not_listed_and_displaces_none(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MAX_ENDED", 0)
    house = make(at(1, 1))
    done = house.ask()
    house.journal.broken = True
    with pytest.raises(StorageError):
        house.ask()
    house.journal.broken = False
    assert [each["id"] for each in house.replays.listed()] == [done]
    house.begin_replays()
    assert [each["id"] for each in house.replays.listed()] == [done] and house.sink.taken == [1]
    assert [each["id"] for each in house.replays.listed()] != [house.ask()]
    assert len(house.replays.listed()) == len(house.journal.kept().replays) == 1


def test_several_at_the_same_time_stay_within_the_bound(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_OPEN", 2)
    house = make(at(1, 1))
    house.sink.answers = [Deferred()]
    request = ReplayRequest("test", BEGAN, BEGAN + 10)
    beginning = [ensureDeferred(house.replays.begin(request, who)) for who in ("ann", "ben", "kim")]
    assert house.replays.listed() == []
    house.settle()
    assert [result_of(each)["asked_by"] for each in beginning[:2]] == ["ann", "ben"]
    with pytest.raises(CommandError, match="2 replays are under way already"):
        result_of(beginning[2])


def test_one_is_cancelled_once(make: Any) -> None:
    house = make(at(1, 1))
    house.sink.answers = [Deferred()]
    number = house.ask()
    cancelling = [ensureDeferred(house.replays.cancel(number)) for _ in range(2)]
    house.settle()
    assert result_of(cancelling[0])["state"] == "cancelled"
    with pytest.raises(CommandError, match="is over: cancelled"):
        result_of(cancelling[1])


class SlowSink(Sink):
    """Takes a ms for each message."""

    clock: Clock

    def deliver(self, batch: Sequence[Uplink]) -> Deferred[None]:
        super().deliver(batch)
        taken: Deferred[None] = Deferred()
        self.clock.callLater(len(batch) / 1000, taken.callback, None)
        return taken


def test_a_turn_is_as_long_as_what_happens_now_may_wait(make: Any) -> None:
    house = make(*(at(1, number) for number in range(4000)))
    sink = house.pump.sink = SlowSink()
    sink.clock = house.clock

    def run(seconds: float) -> None:
        for _ in range(round(seconds * 1000)):
            house.settle(2)
            house.clock.advance(0.001)

    house.ask()
    run(1.0)
    alone = [len(batch) for batch in sink.batches]
    assert alone[:3] == [BATCH, 100, 200], "for 1 s at most, as nothing happens, and without a rest"
    for number in range(40):
        house.happen(*(at(9000, 9000 + number) for _ in range(200)))
        run(0.25)
    again = [len(batch) for batch in sink.batches if batch[0] < 9000]
    assert len(again) > len(alone) + 6, again
    assert 20 <= again[-2] <= 50, "a fifth of the 200 ms that the others take"


def test_two_at_one_sink_take_turns_one_after_the_other(make: Any) -> None:
    house = make(at(1, 1), at(5000, 2))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [stuck]
    first, second = house.ask(0, 100), house.ask(4000, 6000)
    assert [house.stands(each)["state"] for each in (first, second)] == ["waiting", "waiting"]
    assert house.sink.batches == [[1]]
    stuck.callback(None)
    house.settle()
    assert house.sink.batches == [[1], [2]]


@pytest.mark.parametrize(
    ("replayable", "more", "message"),
    [
        (False, {}, "takes no replays"),
        ("asked", {}, "publish is needed"),
        (True, {"from_at": 5.0, "to_at": 4.0}, "from must lie before to"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, replayable: Any, more: dict[str, Any], message: str) -> None:
    house = make(at(1, 1))
    house.sink.replayable = replayable
    with pytest.raises(CommandError, match=message):
        house.ask(**more)
    assert house.replays.listed() == []


def test_a_sink_that_people_listen_to_is_replayed_into_when_that_is_said(make: Any) -> None:
    house = make(at(1, 1))
    house.sink.replayable = "asked"
    again: list[int] = []
    house.sink.deliver_again = lambda batch: again.extend(each.packet_counter for each in batch)
    read: list[int] = []
    house.replays.listen(lambda events: succeed(read.extend(each.packet_counter for each in events)))
    house.ask(publish=True)
    assert (again, house.sink.taken) == ([1], [])
    assert read == again


def test_a_replay_into_a_store_is_nobody_elses(make: Any) -> None:
    house = make(at(1, 1))
    read: list[Any] = []
    house.replays.listen(lambda events: succeed(read.extend(events)))
    house.ask()
    assert read == []


def test_a_replay_goes_on_when_those_who_listen_have_read(make: Any) -> None:
    house = make(at(1, 1))
    house.sink.replayable = "asked"
    house.sink.deliver_again = lambda batch: None
    reading: Deferred[None] = Deferred()
    house.replays.listen(lambda events: reading)
    number = house.ask(publish=True)
    assert house.stands(number)["state"] != "done"
    reading.callback(None)
    house.settle()
    assert house.stands(number)["state"] == "done"


def test_the_sinks_that_take_replays_are_told(make: Any) -> None:
    house = make(at(1, 1))
    told = []
    for replayable in (True, "asked", False):
        house.sink.replayable = replayable
        told.append(house.replays.sinks())
    assert told == [{"test": False}, {"test": True}, {}]


def test_open_ones_are_bounded(make: Any) -> None:
    house = make(at(1, 1))
    house.sink.answers = [Deferred()]
    for _ in range(MAX_OPEN):
        house.ask()
    with pytest.raises(CommandError, match="under way already"):
        house.ask()


def test_a_sink_that_is_no_longer_in_use_is_told(make: Any) -> None:
    house = make(at(1, 1))
    number = house.ask()
    stored = replace(house.journal.kept().replays[number], number=7, sink="gone", state="open")
    house.journal.tables.put([stored])
    house.settle()
    house.begin_replays()
    assert house.stands(7)["trouble"] == "the sink gone is not in use"


def _raise(coroutine: Any) -> None:
    errors: list[Any] = []
    ensureDeferred(coroutine).addErrback(errors.append)
    errors[0].raiseException()


def test_positions_that_cannot_be_stored_are_told_once_a_minute(make: Any, log_lines: list[str]) -> None:
    house = make(*(at(1, number) for number in range(5 * BATCH)))
    stuck: Deferred[None] = Deferred()
    house.sink.answers = [stuck]
    house.ask()
    house.journal.broken = True
    stuck.callback(None)
    house.settle()
    assert len(house.sink.batches) > 2
    assert [line for line in log_lines if line.startswith("replay not")] == ["replay not stored disk full"]
