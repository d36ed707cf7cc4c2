from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.task import Clock

from bssci.center.decoding import past as module
from bssci.center.decoding.collecting import Past, TimeStep
from bssci.center.decoding.decoding import Decoding
from bssci.center.decoding.past import PastReadings
from bssci.center.decoding.remembered import RememberedSteps
from bssci.center.decoding.wanted import NOTHING_WANTED, ChosenDecoder
from bssci.decoders.bluetooth.presence import PresenceFactory
from bssci.decoders.library import build_library
from bssci.decoders.running import label
from bssci.model import Telegram, Uplink
from tests.support.decoders import OURS, ScriptsAtOnce
from tests.support.inline_journal import InlineJournal
from tests.support.journal import SENSOR, uplink

BEGIN = 1_700_000_000.0
METER = ChosenDecoder(decoder="water-meter")


class House:
    """A sensor whose meter counts a litre a minute."""

    def __init__(self, directory: Path, slow: ScriptsAtOnce | None = None) -> None:
        self.journal = InlineJournal(directory)
        self.wanted = METER
        self.in_threads = 0
        self.decoding = Decoding(Clock(), [], lambda _: self.wanted)
        texts = {path.name: path.read_text() for path in OURS.glob("*.json")}
        texts["script.js"] = "function decodeUplink(i) { return {data: {n: i.bytes[4]}}; }"
        self.decoding.use(build_library(texts))
        self.past = PastReadings(self.journal, self.decoding, lambda _: self.wanted, self.in_thread, slow)

    def in_thread(self, function: Callable[..., Any], *values: Any) -> Deferred[Any]:
        self.in_threads += 1
        return maybeDeferred(function, *values)

    def store(self, count: int) -> None:
        self.journal.events.append([self.heard(number) for number in range(count)])
        self.journal.commit()

    def heard(self, number: int) -> Uplink:
        at = BEGIN + number * 60
        payload = b"\0" + number.to_bytes(4) + bytes.fromhex("006917D2")
        event = uplink(number, SENSOR, at, payload)
        best = replace(event.receptions[0], rx_time=int(at * 1e9), received_at=at)
        return replace(event, receptions=[best])

    def read(self, since: float, until: float, **more: Any) -> Past:
        return self.done(self.past.read(f"mioty:{SENSOR}", since, until, **more))

    def done(self, question: Any) -> Any:
        found: list[Any] = []
        ensureDeferred(question).addBoth(found.append)
        while not found:
            assert self.journal.commit(), "nothing is under way"
        if not isinstance(found[0], Past):
            found[0].raiseException()
        return found[0]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def volumes(past: Past) -> list[tuple[float, Any]]:
    (volume,) = [each for each in past.series if each.name == "volume"]
    return [((point.at - BEGIN) / 60, point.value) for point in volume.points]


def test_what_is_kept_is_decoded_between_two_times(house: House) -> None:
    house.store(10)
    past = house.read(BEGIN + 120, BEGIN + 300)
    assert volumes(past) == [(2, 0.002), (3, 0.003), (4, 0.004)]
    assert (past.decoder, past.uplinks, past.complete) == ("water-meter@1.0", 3, True)
    assert {each.name: each.unit for each in past.series}["volume"] == "m³"


def test_pages_are_read_until_the_beginning_and_no_further(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAGE", 4)
    monkeypatch.setattr(module, "LAST_PAGE", 4)
    house.store(20)
    assert [minute for minute, _ in volumes(house.read(BEGIN, BEGIN + 1e6))] == list(range(20))
    assert house.in_threads == 6, "five pages, and one that shows that there are no more"
    house.in_threads = 0
    assert [minute for minute, _ in volumes(house.read(BEGIN + 840, BEGIN + 1e6))] == list(range(14, 20))
    assert house.in_threads == 2
    house.in_threads = 0
    assert [minute for minute, _ in volumes(house.read(BEGIN, BEGIN + 1e6, most=4))] == [16, 17, 18, 19]
    assert house.in_threads == 1


def test_a_question_is_bounded_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAGE", 4)
    monkeypatch.setattr(module, "LAST_PAGE", 4)
    monkeypatch.setattr(module, "MAX_UPLINKS", 8)
    house.store(20)
    past = house.read(BEGIN, BEGIN + 1e6)
    assert (past.uplinks, past.complete) == (8, False)


def test_steps_and_names(house: House) -> None:
    house.store(10)
    past = house.read(BEGIN, BEGIN + 1e6, every=240.0, names=frozenset({"volume"}))
    (volume,) = past.series
    begin = BEGIN // 240 * 240
    offset = (BEGIN - begin) / 60
    first = [number for number in range(10) if number + offset < 4]
    assert volume.steps[0] == TimeStep(begin, sum(first) / len(first) / 1000, 0, first[-1] / 1000, len(first))
    assert sum(step.count for step in volume.steps) == 10


def test_steps_are_collected_once_and_what_came_since_is_added(house: House) -> None:
    def steps() -> list[TimeStep]:
        return house.read(BEGIN, BEGIN + 1e6, every=240.0).series[0].steps

    def forget() -> None:
        house.past._remembered = RememberedSteps()

    decoded: list[int] = []
    collect = house.past._collect

    async def counted(device: Any, page: Any, collector: Any) -> None:
        decoded.append(len(page))
        await collect(device, page, collector)

    house.past._collect = counted  # type: ignore[method-assign]
    house.store(10)
    first = steps()
    assert steps() == first and sum(decoded) == 10
    late, newest = house.heard(3), house.heard(10)
    house.journal.events.append([replace(late, id="late"), newest])
    house.journal.commit()
    decoded.clear()
    added = steps()
    assert sum(decoded) == 2 and sum(step.count for step in added) == 12
    forget()
    assert steps() == added
    texts = {path.name: path.read_text() for path in OURS.glob("*.json")}
    house.decoding.use(build_library(texts))
    decoded.clear()
    assert steps() == added and sum(decoded) == 12, "the decoder may be another one"


def test_the_decoder_of_now_counts_also_for_what_was_kept_before(house: House) -> None:
    house.store(3)
    house.wanted = NOTHING_WANTED
    past = house.read(BEGIN, BEGIN + 1e6)
    assert (past.uplinks, past.without_decoder, past.series) == (3, 3, [])
    house.wanted = ChosenDecoder(decoder="gone")
    past = house.read(BEGIN, BEGIN + 1e6)
    assert past.failed == 3 and past.failure is not None and past.failure.code == "no_decoder"
    house.wanted = METER
    assert len(volumes(house.read(BEGIN, BEGIN + 1e6))) == 3
    assert dict(house.decoding.by_decoder) == {}, "looking back does not count as decoding"


def test_scripts_run_in_their_threads_under_a_name_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("quickjs")
    slow = ScriptsAtOnce()
    house = House(tmp_path, slow)
    house.wanted = ChosenDecoder(decoder="script", parameters={"a": 1})
    house.store(3)
    past = house.read(BEGIN, BEGIN + 1e6)
    assert [point.value for point in past.series[0].points] == [0, 1, 2]
    assert past.decoder == label(house.decoding.decoders["script"]), "people know it by its own name"
    [(name, requests)] = slow.asked
    assert name == "script beside" and [request.parameters for request in requests] == [{"a": 1}] * 3


def test_the_newest_uplinks_are_read_whenever_they_were(house: House) -> None:
    house.store(10)
    past = house.done(house.past.newest(f"mioty:{SENSOR}", 2))
    assert [value for _, value in volumes(past)] == [0.008, 0.009]


def test_the_past_of_a_device_that_is_no_sensor(tmp_path: Path) -> None:
    house = House(tmp_path)
    times = ((None, None), (BEGIN + 5, None), (BEGIN - 10, BEGIN), (None, BEGIN + 9e9))
    house.journal.events.append(
        [
            Telegram(
                at=BEGIN + number * 60,
                id=f"t{number}",
                device=device,
                gateway="g",
                source="s",
                payload=b"\0" + number.to_bytes(4) + bytes.fromhex("006917D2"),
                device_time=device_time,
                gateway_time=gateway_time,
            )
            for number, (device_time, gateway_time) in enumerate(times)
            for device in ("f2:00/J1/3", "ble:AA:BB:CC:DD:EE:FF")
        ]
    )
    house.journal.commit()
    past = house.done(
        house.past.read("f2:00/J1/3", BEGIN - 100, BEGIN + 1000, names=frozenset({"volume"}), most=10)
    )
    [series] = past.series
    assert [(point.at - BEGIN, point.value) for point in series.points] == [
        (-10, 0.002),
        (0, 0),
        (5, 0.001),
        (180, 0.003),
    ]
    assert house.done(house.past.newest("ble:00", 2)).uplinks == 0


def test_messages_of_the_service_itself_are_read_and_not_counted(tmp_path: Path) -> None:
    house = House(tmp_path)
    tag, meter = "ble:AA:BB:CC:DD:EE:FF", b"\0" + bytes(4) + bytes.fromhex("006917D2")
    house.decoding = Decoding(Clock(), [PresenceFactory().build({})], lambda _: NOTHING_WANTED)
    house.past = PastReadings(house.journal, house.decoding, lambda _: NOTHING_WANTED, house.in_thread)
    near = {"presence": {"scanner": "roof", "rssi": -60.0}}
    said: list[tuple[str, dict[str, Any]]] = [("mqtt", {}), ("presence", near), ("presence", near)]
    house.journal.events.append(
        [
            Telegram(
                at=BEGIN + number,
                id=f"t{number}",
                device=tag,
                gateway="roof",
                source=source,
                payload=meter,
                envelope=envelope,
            )
            for number, (source, envelope) in enumerate(said)
        ]
    )
    house.journal.commit()
    past = house.done(house.past.newest(tag, 10))
    assert (past.uplinks, past.without_decoder, past.decoder) == (1, 1, None)
    assert {series.name: len(series.points) for series in past.series}["place"] == 2
