from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.center.decoding.decoding import (
    LONGEST_PATIENCE,
    PATIENCE,
    TOGETHER,
    Decoding,
)
from bssci.center.decoding.payloads import payload_of
from bssci.center.decoding.slow import DecodingJob
from bssci.center.decoding.stored import decode_apart
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder
from bssci.decoders.interfaces import DecodeError, Payload
from bssci.decoders.library import Library, build_library
from bssci.decoders.scripts import ScriptDecoder
from bssci.model import (
    EUI,
    AnyEvent,
    Decoded,
    DecodeFailure,
    Reading,
    Telegram,
    Uplink,
    VariableMacUplink,
)
from bssci.model.strict_json import DEEPEST, read_json
from bssci.system.clock import STEPS
from bssci.system.line_limit import LOG_EVERY
from tests.support.journal import SENSOR, STATION, online, uplink
from tests.support.log_lines import log_lines
from tests.support.telegrams import telegram

__all__ = ["log_lines"]

TYPE_EUI = EUI("70B3D59CD0000095")
DEVICE = f"mioty:{SENSOR}"
BLUEPRINT = json.dumps(
    {
        "version": "1",
        "typeEui": TYPE_EUI,
        "uplink": [{"payload": [{"name": "temp", "size": 16, "type": "int", "unit": "°C"}]}],
    }
)
TELEGRAM = Telegram(at=5.0, id="t1", device="ble:AABBCCDDEEFF", gateway="s1", source="mqtt", payload=b"\7")
FRAME = VariableMacUplink(
    at=6.0,
    base_station_eui=STATION,
    mac_type=2,
    payload=b"\7",
    trx_time=1,
    system_time=2,
    frequency=868e6,
    snr=1.0,
    rssi=-90.0,
)


class FakeDecoder:
    """Reads the first byte of what it matches."""

    version = "3"

    def __init__(self, name: str = "fake", kinds: Sequence[str] = (), answer: Any = None) -> None:
        self.name = name
        self.kinds = kinds
        self.answer = answer
        self.asked: list[tuple[Payload, Mapping[str, Any]]] = []

    def matches(self, payload: Payload) -> bool:
        return payload.kind in self.kinds

    def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Any:
        self.asked.append((payload, parameters))
        if isinstance(self.answer, Exception):
            raise self.answer
        return [Reading("first", payload.data[0])] if self.answer is None else self.answer


class FakeScript(FakeDecoder, ScriptDecoder):
    """A decoder that is slow."""


class FakeThreads:
    """Decodes when told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Sequence[DecodingJob], Deferred[list[Decoded]]]] = []

    def decode(self, decoder: Any, requests: Sequence[DecodingJob]) -> Deferred[list[Decoded]]:
        self.asked.append((decoder, requests, Deferred()))
        return self.asked[-1][2]

    def finish(self, number: int = 0) -> None:
        decoder, requests, done = self.asked[number]
        label = f"{decoder.name}@{decoder.version}"
        done.callback(
            [
                Decoded(decoder=label, readings=(Reading("n", request.payload.data[0]),))
                for request in requests
            ]
        )


class House:
    """Decoding with what it stands on."""

    def __init__(self, *installed: FakeDecoder, slow: FakeThreads | None = None) -> None:
        self.clock = Clock()
        self.wanted: dict[str, ChosenDecoder] = {}
        self.seconds: Iterator[float] = iter(lambda: 0.0, 1.0)
        self.decoding = Decoding(
            self.clock,
            installed,
            lambda device: self.wanted.get(device, NOTHING_WANTED),
            slow,
            lambda: next(self.seconds),
        )

    def start(self, *events: AnyEvent) -> list[list[AnyEvent]]:
        results: list[list[AnyEvent]] = []
        self.decoding.decode(events).addCallback(results.append)
        return results

    def decode(self, *events: AnyEvent) -> list[Decoded | None]:
        ((*found,),) = self.start(*events)
        assert [
            msgspec.structs.replace(event, decoded=None) for event in found if hasattr(event, "decoded")
        ] == [event for event in events if hasattr(event, "decoded")]
        return [getattr(event, "decoded", None) for event in found]


def library(text: str = BLUEPRINT) -> Library:
    return build_library({"thermometer.json": text})


def test_the_decoder_that_the_sensor_names_comes_first() -> None:
    house = House(FakeDecoder("named"), FakeDecoder("matching", ["uplink"]))
    house.decoding.use(library())
    house.wanted[DEVICE] = ChosenDecoder("named", TYPE_EUI, {"key": "00"})
    assert house.decode(uplink()) == [Decoded(decoder="named@3", readings=(Reading("first", 1),))]
    ((payload, parameters),) = house.decoding.decoders["named"].asked
    assert parameters == {"key": "00"}
    assert payload == Payload(
        data=b"\1\2", kind="uplink", device=DEVICE, received_at=1_700_000_000.0, type_eui=TYPE_EUI
    )


def test_then_comes_its_type_then_the_first_that_matches() -> None:
    house = House(FakeDecoder("other"), FakeDecoder("matching", ["uplink"]), FakeDecoder("late", ["uplink"]))
    house.decoding.use(library())
    house.wanted[DEVICE] = ChosenDecoder(None, TYPE_EUI)
    temperature = (Reading("temperature", 0x0102, "°C"),)
    assert house.decode(uplink()) == [Decoded(decoder="thermometer@1", readings=temperature)]
    del house.wanted[DEVICE]
    assert house.decode(uplink()) == [Decoded(decoder="matching@3", readings=(Reading("first", 1),))]


def test_without_a_decoder_an_event_stays_as_it_is() -> None:
    house = House(FakeDecoder())
    batch = [uplink(), online(), TELEGRAM, FRAME]
    assert house.start(*batch) == [batch]


def test_all_that_has_a_payload_is_decoded() -> None:
    decoder = FakeDecoder(kinds=["telegram", "variable-mac"])
    house = House(decoder)
    seven = Decoded(decoder="fake@3", readings=(Reading("first", 7),))
    assert house.decode(TELEGRAM, online(), FRAME) == [seven, None, seven]
    assert [(it.kind, it.device, it.mac_type, it.received_at) for it, _ in decoder.asked] == [
        ("telegram", "ble:AABBCCDDEEFF", None, 5.0),
        ("variable-mac", f"vm:{STATION}", 2, 6.0),
    ]


def test_a_wireless_m_bus_frame_is_of_the_meter_that_sent_it() -> None:
    decoder = FakeDecoder(kinds=["variable-mac"])
    frame = bytes.fromhex("0f442d2c785634121b167a2a0000002f")
    House(decoder).decode(msgspec.structs.replace(FRAME, payload=frame))
    assert [payload.device for payload, _ in decoder.asked] == ["wmbus:KAM-12345678"]


def test_a_message_is_decoded_once_for_all_sinks() -> None:
    decoder = FakeDecoder(kinds=["uplink", "variable-mac"])
    house = House(decoder)
    first = house.decode(uplink(1), uplink(2), FRAME)
    assert house.decode(uplink(1), uplink(2), FRAME) == first
    assert len(decoder.asked) == 3


def test_a_new_decoder_and_a_changed_sensor_apply_to_what_was_decoded_before() -> None:
    house = House(FakeDecoder("named"))
    house.decoding.use(library())
    house.wanted[DEVICE] = ChosenDecoder(None, TYPE_EUI)
    assert house.decode(uplink())[0].decoder == "thermometer@1"  # type: ignore[union-attr]
    house.decoding.use(library(BLUEPRINT.replace('"1"', '"2"')))
    assert house.decode(uplink())[0].decoder == "thermometer@2"  # type: ignore[union-attr]
    house.wanted[DEVICE] = ChosenDecoder("named")
    assert house.decode(uplink())[0].decoder == "named@3"  # type: ignore[union-attr]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.decoding.decoding.REMEMBERED", 2)
    decoder = FakeDecoder(kinds=["uplink"])
    house = House(decoder)
    house.decode(uplink(1), uplink(2), uplink(3))
    house.decode(uplink(3), uplink(2))
    assert len(decoder.asked) == 3
    house.decode(uplink(1))
    assert len(decoder.asked) == 4


def test_failures_are_said_and_counted(log_lines: list[str]) -> None:
    house = House(FakeDecoder("bad", answer=DecodeError("too_short", "byte 0")), FakeDecoder("good"))
    house.wanted[DEVICE] = ChosenDecoder("bad")
    failure = DecodeFailure("too_short", "byte 0")
    assert house.decode(uplink(1)) == [Decoded(decoder="bad@3", failure=failure)]
    house.wanted[DEVICE] = ChosenDecoder("good")
    house.decode(uplink(2))
    tally = house.decoding.by_device.get(DEVICE)
    assert tally is not None
    assert (tally.decoded, tally.failed, tally.failing, tally.failure) == (1, 1, False, failure)
    assert (tally.failed_at, tally.failed_with) == (1_700_000_000.0, "bad@3")
    tally = house.decoding.by_decoder.get("bad")
    assert tally is not None
    assert (tally.decoded, tally.failed, tally.failed_with) == (0, 1, DEVICE)
    house.wanted[DEVICE] = ChosenDecoder("bad")
    house.decode(uplink(3))
    assert [line for line in log_lines if "not decoded" in line] == [
        f"not decoded by bad: byte 0; 1 so far, the last of {DEVICE}"
    ]


def test_messages_of_the_service_itself_do_not_count_as_those_of_the_device() -> None:
    """What is decoded of a device is never more than what was heard from it."""

    class OfTheService(FakeDecoder):
        comes_first = True

        def matches(self, payload: Payload) -> bool:
            return "place" in payload.envelope

    house = House(OfTheService("presence", ["telegram"]), FakeDecoder("good", ["telegram"]))
    place = msgspec.structs.replace(TELEGRAM, id="t2", envelope={"place": "hall"})
    house.decode(TELEGRAM, place)
    tally = house.decoding.by_device.get(TELEGRAM.device)
    assert tally is not None and tally.decoded == 1
    assert {name: each.decoded for name, each in house.decoding.by_decoder} == {"presence": 1, "good": 1}


def test_a_decoder_that_is_not_there_is_a_failure() -> None:
    house = House()
    house.wanted[DEVICE] = ChosenDecoder("gone")
    assert house.decode(uplink()) == [
        Decoded(decoder="gone", failure=DecodeFailure("no_decoder", "there is no decoder 'gone'"))
    ]
    assert list(house.decoding.by_decoder) == []


@pytest.mark.parametrize("answer", [ValueError("key 0011"), 7, [None], [Reading("a", None)]])  # type: ignore[arg-type]
def test_a_decoder_with_a_fault_costs_its_message_only(answer: Any, expected_errors: list[Failure]) -> None:
    house = House(FakeDecoder("bad", ["telegram"], answer), FakeDecoder("good", ["uplink"]))
    bad, good = house.decode(TELEGRAM, uplink())
    assert good == Decoded(decoder="good@3", readings=(Reading("first", 1),))
    assert bad is not None
    assert bad.failure is not None
    assert bad.failure.code in {"fault", "bad_reading"}
    assert "0011" not in bad.failure.message
    expected_errors.clear()


def test_a_fault_is_logged_now_and_then(expected_errors: list[Failure]) -> None:
    house = House(FakeDecoder("bad", ["uplink"], RuntimeError()))
    house.decode(*map(uplink, range(LOG_EVERY + 1)))
    assert len(expected_errors) == 2
    expected_errors.clear()


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_a_decoder_that_cannot_say_whether_it_matches_does_not_match(
    expected_errors: list[Failure], error: type[BaseException]
) -> None:
    class Broken(FakeDecoder):
        def matches(self, payload: Payload) -> bool:
            raise error

    house = House(Broken("broken", ["uplink"]), FakeDecoder("good", ["uplink"]))
    assert house.decode(uplink()) == [Decoded(decoder="good@3", readings=(Reading("first", 1),))]
    assert len(expected_errors) == 1
    expected_errors.clear()


def test_what_a_decoder_changes_is_its_own_copy() -> None:
    class Greedy(FakeDecoder):
        def matches(self, payload: Payload) -> bool:
            payload.envelope.clear()  # type: ignore[attr-defined]
            return True

        def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Any:
            parameters.update(height=1)  # type: ignore[attr-defined]
            parameters.get("nested", {}).clear()
            return super().decode(payload, parameters)

    house = House(Greedy(kinds=["uplink", "telegram"]))
    house.wanted[DEVICE] = ChosenDecoder(None, None, {"key": "00", "nested": {"a": 1}})
    event = telegram(envelope={"a": {"b": 1}})
    assert house.decode(event, uplink()) == [Decoded(decoder="fake@3", readings=(Reading("first", 1),))] * 2
    for each in (event, uplink()):
        assert decode_apart(
            house.decoding, payload_of(each, None), house.wanted[DEVICE], scripts_apart=True
        ) == Decoded(decoder="fake@3", readings=(Reading("first", 1),))
    assert event.envelope == {"a": {"b": 1}}
    assert house.wanted[DEVICE].parameters == {"key": "00", "nested": {"a": 1}}
    assert NOTHING_WANTED.parameters == {}


def test_a_copy_is_as_deep_as_json_that_is_read() -> None:
    house = House(FakeDecoder(kinds=["telegram"]))
    deep = '{"a":' * DEEPEST + "1" + "}" * DEEPEST
    event = telegram(envelope=read_json(deep))
    house.wanted[event.device] = ChosenDecoder(None, None, {"deep": read_json(deep[5:-1])})
    assert house.decode(event) == [Decoded(decoder="fake@3", readings=(Reading("first", 1),))]


@pytest.mark.parametrize("matches", [False, True])
def test_a_decoder_that_takes_long_to_match_is_paused_whether_it_matches_or_not(matches: bool) -> None:
    class Waiting(FakeDecoder):
        def matches(self, payload: Payload) -> bool:
            house.clock.advance(0.5)
            return matches

    house = House(Waiting("waiting", ["uplink"]), FakeDecoder("good", ["uplink"]))
    house.decode(*map(uplink, range(5)))
    assert [rest.decoder for rest in house.decoding.rests.resting] == ["waiting@3"]
    before = house.clock.seconds()
    assert house.decode(uplink(7)) == [Decoded(decoder="good@3", readings=(Reading("first", 1),))]
    assert house.clock.seconds() == before


@pytest.mark.parametrize("asked", ["matches", "decode"])
def test_a_decoder_that_holds_up_the_service_is_paused(asked: str, log_lines: list[str]) -> None:
    class Waiting(FakeDecoder):
        def matches(self, payload: Payload) -> bool:
            house.clock.advance(0.5 if asked == "matches" else 0)
            return asked == "decode"

        def decode(self, payload: Payload, parameters: Mapping[str, Any]) -> Any:
            house.clock.advance(0.5 if asked == "decode" else 0)
            return super().decode(payload, parameters)

    house = House(Waiting("waiting", ["uplink"]), FakeDecoder("good", ["uplink"]))
    house.decode(*map(uplink, range(5)))
    assert [rest.decoder for rest in house.decoding.rests.resting] == ["waiting@3"]
    before = house.clock.seconds()
    assert house.decode(uplink(7)) == [Decoded(decoder="good@3", readings=(Reading("first", 1),))]
    house.wanted[DEVICE] = ChosenDecoder("waiting", None)
    [decoded] = house.decode(uplink(8))
    assert decoded is not None and decoded.failure is not None and decoded.failure.code == "resting"
    assert not [line for line in log_lines if "not decoded by" in line]
    assert house.clock.seconds() == before


def test_a_long_batch_gives_others_their_turn() -> None:
    house = House(FakeDecoder(kinds=["uplink"]))
    house.seconds = iter([0.0, 0.005, 0.02, 1.0, 1.001])
    results = house.start(uplink(1), uplink(2), uplink(3))
    assert results == []
    house.clock.advance(0)
    assert [event.decoded is not None for event in results[0]] == [True] * 3  # type: ignore[union-attr]


class Slow:
    """A house with one slow decoder, for sensors, beside a fast one, for telegrams."""

    def __init__(self) -> None:
        self.threads = FakeThreads()
        self.house = House(
            FakeScript("slow", ["uplink"]), FakeDecoder("fast", ["telegram"]), slow=self.threads
        )


def told(event: AnyEvent) -> str:
    decoded = event.decoded if isinstance(event, Uplink | Telegram) else None
    assert decoded is not None
    return decoded.failure.code if decoded.failure else decoded.decoder


def test_a_slow_decoder_is_run_beside() -> None:
    slow = Slow()
    results = slow.house.start(uplink(1), TELEGRAM, uplink(2))
    assert results == []
    slow.threads.finish()
    assert [told(event) for event in results[0]] == ["slow@3", "fast@3", "slow@3"]
    assert [told(event) for event in slow.house.start(uplink(2))[0]] == ["slow@3"]
    assert len(slow.threads.asked) == 1
    assert slow.house.clock.getDelayedCalls() == []


def test_a_plugins_decoder_with_an_engine_of_its_own_is_no_script() -> None:
    class Predicts(FakeDecoder):
        engine = "a model of its own"

    threads = FakeThreads()
    house = House(Predicts("predicts", ["uplink"]), slow=threads)
    assert [told(event) for event in house.start(uplink(1))[0]] == ["predicts@3"]
    result = decode_apart(house.decoding, payload_of(uplink(1), None), NOTHING_WANTED, scripts_apart=True)
    assert isinstance(result, Decoded) and not threads.asked


def test_nobody_waits_long_for_a_slow_decoder() -> None:
    slow = Slow()
    results = slow.house.start(uplink(1), TELEGRAM)
    slow.house.clock.pump([PATIENCE / STEPS] * STEPS)
    assert [told(event) for event in results[0]] == ["late", "fast@3"]
    slow.threads.finish()  # for those who ask later
    assert [told(event) for event in slow.house.start(uplink(1))[0]] == ["slow@3"]


def test_a_stall_of_the_whole_service_is_not_held_against_a_slow_decoder() -> None:
    slow = Slow()
    results = slow.house.start(uplink(1))
    slow.house.clock.advance(60 * PATIENCE)
    assert results == []
    slow.threads.finish()
    assert [told(event) for event in results[0]] == ["slow@3"]
    assert slow.house.clock.getDelayedCalls() == []


def test_a_slow_decoder_is_waited_for_as_long_as_it_answers() -> None:
    slow = Slow()
    count = 4 * TOGETHER
    results = slow.house.start(*map(uplink, range(count)))
    assert [len(requests) for _, requests, _ in slow.threads.asked] == [TOGETHER] * 4
    for number in range(4):
        slow.house.clock.pump([PATIENCE / STEPS] * (STEPS - 1))
        assert results == []
        slow.threads.finish(number)
    assert [told(event) for event in results[0]] == ["slow@3"] * count


def test_it_is_not_waited_for_without_end() -> None:
    slow = Slow()
    results = slow.house.start(*map(uplink, range(100 * TOGETHER)))
    rounds = 0
    while not results:
        slow.threads.finish(rounds)
        slow.house.clock.pump([PATIENCE / STEPS] * (STEPS - 1))
        rounds += 1
    assert rounds * PATIENCE < 2 * LONGEST_PATIENCE


def test_two_sinks_that_ask_at_the_same_time_have_it_decoded_once() -> None:
    slow = Slow()
    first = slow.house.start(uplink(1))
    second = slow.house.start(uplink(1), uplink(2))
    assert [len(requests) for _, requests, _ in slow.threads.asked] == [1, 1]
    slow.threads.finish(1)
    assert second == []
    slow.threads.finish(0)
    assert [told(event) for event in (*first[0], *second[0])] == ["slow@3"] * 3


def test_what_a_decoder_of_before_says_is_not_what_the_one_of_now_says() -> None:
    slow = Slow()
    results = slow.house.start(uplink())
    slow.house.decoding.use(library())
    again = slow.house.start(uplink())
    slow.threads.finish(0)
    assert [told(event) for event in results[0]] == ["slow@3"]
    assert again == []
    slow.threads.finish(1)
    assert [told(event) for event in again[0]] == ["slow@3"]


def test_without_threads_a_script_runs_like_any_decoder() -> None:
    house = House(FakeScript("slow", ["uplink"]))
    assert house.decode(uplink()) == [Decoded(decoder="slow@3", readings=(Reading("first", 1),))]


def test_a_decoder_is_asked_only_about_the_kinds_it_names() -> None:
    asked: list[str] = []

    class Asked(FakeDecoder):
        def matches(self, payload: Payload) -> bool:
            asked.append(payload.kind)
            return True

    House(Asked(kinds=("telegram",))).decode(uplink(), TELEGRAM, FRAME)
    assert asked == ["telegram"]


def test_a_decoder_that_names_no_kinds_is_asked_about_all() -> None:
    asked: list[str] = []

    class Asked(FakeDecoder):
        def __init__(self) -> None:
            self.name = "asked"

        def matches(self, payload: Payload) -> bool:
            asked.append(payload.kind)
            return False

    House(Asked()).decode(uplink(), TELEGRAM, FRAME)
    assert asked == ["uplink", "telegram", "variable-mac"]


class Blueprints:
    """A house where a sensor has a blueprint: the short way."""

    def __init__(self) -> None:
        self.house = House()
        self.house.decoding.use(library())
        self.house.wanted[DEVICE] = ChosenDecoder(None, TYPE_EUI)

    def tally(self, decoder: str) -> tuple[int, int]:
        tally = self.house.decoding.by_decoder.get(decoder)
        return (0, 0) if tally is None else (tally.decoded, tally.failed)


def test_uplinks_decoded_by_blueprints_are_counted_and_decoded_once() -> None:
    blueprints = Blueprints()
    first = blueprints.house.decode(uplink(1), uplink(2))
    assert blueprints.house.decode(uplink(1), uplink(2)) == first
    assert blueprints.tally("thermometer") == (2, 0)
    tally = blueprints.house.decoding.by_device.get(DEVICE)
    assert tally is not None
    assert (tally.decoded, tally.failed) == (2, 0)


def test_a_payload_that_a_blueprint_does_not_read_is_a_failure_among_readings() -> None:
    blueprints = Blueprints()
    good, bad, more = uplink(1), uplink(2), uplink(3)
    empty = msgspec.structs.replace(bad.receptions[0], payload=b"")
    results = blueprints.house.decode(good, msgspec.structs.replace(bad, receptions=[empty]), more)
    assert [told.failure.code if told and told.failure else "" for told in results] == ["", "empty", ""]
    assert blueprints.tally("thermometer") == (2, 1)


def test_a_long_batch_of_blueprints_gives_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.decoding.decoding.LOOKS", 1)
    blueprints = Blueprints()
    blueprints.house.seconds = iter([0.0, 0.005, 0.02, 0.021, 1.0, 1.001, 1.002])
    results = blueprints.house.start(*map(uplink, range(1, 5)))
    assert results == []
    blueprints.house.clock.advance(0)
    assert [event.decoded is not None for event in results[0]] == [True] * 4  # type: ignore[union-attr]
    assert blueprints.tally("thermometer") == (4, 0)
