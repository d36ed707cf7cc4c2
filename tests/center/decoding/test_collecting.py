from __future__ import annotations

import pytest
from msgspec.structs import replace

from bssci.center.decoding import collecting as module
from bssci.center.decoding.collecting import MAX_NAMES, ChartValue, Collector, Past, Series, TimeStep, time_of
from bssci.model import Decoded, DecodeFailure, Reading
from tests.support.journal import uplink

NONE = frozenset[str]()


def read(value: float | bool | str, name: str = "t", unit: str | None = "°C", **more: str) -> Decoded:
    return Decoded(decoder="d@1", readings=(Reading(name, value, unit, **more),))


def series(past: Past) -> Series:
    (only,) = past.series
    return only


def test_values_come_oldest_first_and_only_the_newest_of_many() -> None:
    collector = Collector(0, 100, None, NONE, 3)
    for at in (50, 40, 30, 20):
        assert not collector.is_full
        collector.add(at, read(at / 10))
        if at == 30:
            assert collector.is_full
            break
    collector.add(20, read(2.0))
    past = collector.result()
    assert series(past).points == [ChartValue(30, 3.0), ChartValue(40, 4.0), ChartValue(50, 5.0)]
    assert series(past).unit == "°C" and series(past).steps == []
    assert (past.decoder, past.uplinks, past.failed, past.complete) == ("d@1", 4, 0, True)


def test_steps_have_least_most_and_mean_and_begin_at_multiples() -> None:
    collector = Collector(0, 1000, 60.0, NONE, 10)
    for at, value in ((185, 1.0), (130, 9.0), (125, 3.0), (121, 6.0)):
        collector.add(at, read(value))
    assert series(collector.result()).steps == [
        TimeStep(120, 6.0, 3.0, 9.0, 3),
        TimeStep(180, 1.0, 1.0, 1.0, 1),
    ]
    assert not collector.is_full


def test_yes_and_no_are_shares_of_a_step_and_texts_are_told_where_they_change() -> None:
    collector = Collector(0, 1000, 100.0, NONE, 10)
    for at, value in ((90, True), (80, False), (70, False), (60, True)):
        collector.add(at, read(value, "leak", None))
    for at, text in ((90, "ok"), (80, "ok"), (70, "burst"), (60, "ok")):
        collector.add(at, read(text, "alarm", None))
    leak, alarm = collector.result().series
    assert leak.steps == [TimeStep(0, 0.5, False, True, 4)]
    assert (
        alarm.points == [ChartValue(60, "ok"), ChartValue(70, "burst"), ChartValue(80, "ok")]
        and alarm.steps == []
    )


def test_formats_that_alternate_and_values_that_are_a_number_or_a_text_lose_nothing() -> None:
    collector = Collector(0, 1000, 100.0, NONE, 10)
    values: list[tuple[float, float | str, str]] = [
        (90, 4.0, "t"),
        (80, 1.0, "u"),
        (70, "off", "t"),
        (60, 2.0, "t"),
        (150, 5.0, "u"),
        (50, "off", "t"),
        (40, 3.0, "u"),
    ]
    for at, value, name in values:
        collector.add(at, read(value, name, None))
    t, u = collector.result().series
    assert t.steps == [TimeStep(0, 3.0, 2.0, 4.0, 2)] and t.points == [ChartValue(50, "off")]
    assert u.steps == [TimeStep(0, 2.0, 1.0, 3.0, 2), TimeStep(100, 5.0, 5.0, 5.0, 1)]


def test_many_uplinks_in_one_step_are_all_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 3)
    collector = Collector(0, 1000, 1000.0, NONE, 10)
    for at in range(10, 0, -1):
        collector.add(at, read(float(at)))
    assert series(collector.result()).steps == [TimeStep(0, 5.5, 1.0, 10.0, 10)]


def test_only_what_is_asked_for_is_collected() -> None:
    collector = Collector(10, 20, None, frozenset({"t"}), 10)
    assert [at for at in (9.9, 10, 19.9, 20) if collector.covers(at)] == [10, 19.9]
    collector.add(15, read(1.0))
    collector.add(15, read(1.0, "other"))
    collector.add(15, read(1.0, device="ble:1"))
    assert [(each.name, len(each.points)) for each in collector.result().series] == [("t", 1)]


def test_failures_are_counted_and_the_newest_is_told() -> None:
    collector = Collector(0, 100, None, NONE, 10)
    collector.add(50, Decoded(decoder="d@2", failure=DecodeFailure("too_short", "new")))
    collector.add(40, Decoded(decoder="d@2", failure=DecodeFailure("too_long", "old")))
    collector.add(30, None)
    past = collector.result()
    assert (past.decoder, past.uplinks, past.failed, past.without_decoder) == ("d@2", 3, 2, 1)
    assert past.failure == DecodeFailure("too_short", "new") and past.failed_at == 50
    assert past.series == []


def test_a_script_that_invents_names_makes_no_endless_list() -> None:
    collector = Collector(0, 1000, None, NONE, 10)
    for at in range(MAX_NAMES + 5):
        collector.add(at, read(1.0, f"n{at}"))
    assert len(collector.result().series) == MAX_NAMES


@pytest.mark.parametrize(
    ("late", "believed"), [(0, True), (86400, True), (31 * 86400, False), (-200, True), (-400, False)]
)
def test_the_time_of_the_base_station_counts_if_it_is_to_be_believed(late: float, believed: bool) -> None:
    received_at = 1_700_000_000.0
    best = replace(uplink().receptions[0], received_at=received_at, rx_time=int((received_at - late) * 1e9))
    assert time_of(best) == (received_at - late if believed else received_at)


def test_uplinks_of_one_step_may_have_other_names_and_other_devices() -> None:
    collector = Collector(0, 1000, 100.0, NONE, 10)
    collector.add_readings(90, "d@1", [Reading("t", 1.0), Reading("h", 10)])
    collector.add_readings(80, "d@1", [Reading("h", 20), Reading("t", 3.0)])
    collector.add_readings(70, "d@1", [Reading("t", 50.0, device="ble:other"), Reading("h", 30)])
    collector.add_readings(60, "d@1", [])
    past = collector.result()
    assert {each.name: each.steps for each in past.series} == {
        "t": [TimeStep(0, 2.0, 1.0, 3.0, 2)],
        "h": [TimeStep(0, 20.0, 10, 30, 3)],
    }
    assert past.uplinks == 4 and past.decoder == "d@1"


@pytest.mark.parametrize(("values", "least", "most"), [((True, 5), 1, 5), ((0, False, 7), 0, 7)])
def test_a_step_of_numbers_and_of_yes_and_no_is_one_of_numbers(
    values: tuple[float, ...], least: float, most: float
) -> None:
    collector = Collector(0, 1000, 60.0, NONE, 10)
    for value in values:
        collector.add(30, read(value))
    (step,) = series(collector.result()).steps
    assert (type(step.least), type(step.most)) == (int, int)
    assert (step.least, step.most) == (least, most)


def test_the_mean_of_numbers_whose_sum_is_infinite_lies_between_them() -> None:
    collector = Collector(0, 1000, 60.0, NONE, 10)
    for value in (1.7e308, 1.7e308, -1.7e308, 1.7e308):
        collector.add(30, read(value))
        collector.add(31, read(value))
    (step,) = series(collector.result()).steps
    assert (step.mean, step.least, step.most) == (0.0, -1.7e308, 1.7e308)


@pytest.mark.parametrize("every", [None, 1e6])
def test_a_name_that_comes_rarely_does_not_keep_all_values_of_the_others(every: float | None) -> None:
    collector = Collector(0, 1e6, every, NONE, 3)
    collector.add(9000, read("rare", "rare"))
    for at in range(5000, 0, -1):
        collector.add(at, read(f"text {at}"))
    assert not collector.is_full
    assert [each.points[-1].value for each in collector.result().series] == ["rare", "text 5000"]
    assert len(collector._named["t"].points) < 200 and collector.size < 200
