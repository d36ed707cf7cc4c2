"""Alarms: opened after their patience, closed after the calm, damped, kept."""

from __future__ import annotations

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center.alarms import alarms as room
from bssci.center.alarms.alarms import CALM, Alarms, Calm
from bssci.center.alarms.conditions import MAX_OF_KIND, Condition
from bssci.journal import AlarmRecord, StorageError
from bssci.model import AlarmChange
from bssci.model.commands import CommandError
from tests.support.center import TESTER, House, result_of
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

BAD = Condition("sink-failing:mqtt", "error", "mqtt cannot deliver", "/")
KINDS = {"sink-failing"}


def look(house: House, *conditions: Condition, seconds: float = 5.0) -> Alarms:
    """Look, then let time pass."""
    house.center.alarms.evaluate(KINDS, conditions)
    house.advance(seconds, step=seconds)
    return house.center.alarms


def changes(house: House) -> list[tuple[str, str]]:
    return [(each.id, each.state) for _, each in house.events if isinstance(each, AlarmChange)]


def test_patience_calm_and_what_is_told(house: House) -> None:
    patient = BAD._replace(patience=10.0)
    look(house, patient)
    alarms = look(house, patient)
    assert len(alarms) == 0
    began_at = house.now() - 10
    alarms = look(house, patient)
    [alarm] = alarms.open()
    assert (alarm.since, alarm.until, alarm.number) == (began_at, None, 1)
    over_at = house.now()
    for _ in range(6):
        look(house)
    assert len(alarms) == 1
    look(house)
    assert len(alarms) == 0 and alarms.listed()[0].until == over_at
    assert changes(house) == [(BAD.id, "open"), (BAD.id, "closed")]


@pytest.mark.parametrize("jump", [86400.0 * 365, -86400.0])
def test_a_clock_that_is_set_neither_shortens_nor_prolongs_the_patience(house: House, jump: float) -> None:
    alarms = house.center.alarms
    now = alarms._now
    patient = BAD._replace(patience=20.0, since=now() - 6)
    look(house, patient)
    alarms._now = lambda: now() + jump
    look(house, patient)
    look(house, patient)
    assert len(alarms) == 0
    assert len(look(house, patient)) == 1


def test_a_condition_that_was_over_in_between_is_given_its_patience_anew(house: House) -> None:
    patient = BAD._replace(patience=10.0)
    for _ in range(4):
        alarms = look(house, patient._replace(since=house.now() - 6))
    assert len(alarms) == 0
    assert len(look(house, patient._replace(since=house.now() - 10))) == 1


def test_an_open_alarm_whose_condition_is_over_says_until_when_it_is_watched(house: House) -> None:
    alarms = look(house, BAD)
    [alarm] = alarms.open()
    assert alarms.calm_of(alarm) is None
    over_at = house.now()
    look(house)
    assert alarms.calm_of(alarm) == Calm(over_at, over_at + CALM)
    look(house, BAD)  # back before the calm was over: the same alarm, not a return
    assert alarms.calm_of(alarm) is None
    for _ in range(8):
        look(house)
    assert [alarms.calm_of(each) for each in alarms.listed()] == [None]
    look(house, BAD)
    over_at = house.now()
    look(house)
    [alarm] = alarms.open()
    assert alarms.calm_of(alarm) == Calm(over_at, over_at + 2 * CALM)


def test_what_was_over_before_its_patience_is_none(house: House) -> None:
    patient = BAD._replace(patience=10.0)
    look(house, patient, seconds=9)
    look(house)
    look(house, patient, seconds=9)
    assert len(look(house, patient)) == 0


def test_what_is_bad_in_many_places_is_an_alarm_though_ever_more_places_follow(house: House) -> None:
    begin = house.now()
    for number in range(40):
        bad = [
            Condition(f"sink-failing:{each}", "error", f"{each} is bad", "/", begin + 5 * each, 60.0)
            for each in range(number + 1)
        ]
        look(house, *bad)
    [many] = [each for each in house.center.alarms.listed() if each.id == "sink-failing:many"]
    assert many.since - begin == 5 * MAX_OF_KIND


def test_only_kinds_that_were_looked_for_are_over(house: House) -> None:
    alarms = look(house, BAD)
    for _ in range(20):
        alarms.evaluate({"station-offline"}, [])
        house.advance(5, step=5)
    assert len(alarms) == 1


def test_what_flaps_stays_one_alarm_with_ever_fewer_changes(house: House) -> None:
    for _ in range(60):  # one minute on, one minute off: two hours
        for _ in range(12):
            look(house, BAD)
        for _ in range(12):
            look(house)
    listed = house.center.alarms.listed()
    assert len(listed) == 1 and listed[0].returns >= 1
    assert len(changes(house)) <= 2 * room.MAX_DOUBLINGS


def test_it_survives_a_crash_and_goes_on(house: House) -> None:
    look(house, BAD)
    house.crash()
    [alarm] = house.center.alarms.open()
    assert alarm.text == BAD.text
    for _ in range(int(CALM // 5) + 2):
        look(house)
    assert len(house.center.alarms) == 0
    house.crash()
    assert [each.until is not None for each in house.center.alarms.listed()] == [True]


def test_it_is_acknowledged_by_a_command_that_is_audited(house: House) -> None:
    look(house, BAD)
    acknowledging = ensureDeferred(house.commands.acknowledge_alarm(BAD.id, TESTER))
    house.settle()
    assert result_of(acknowledging).acknowledged_by == TESTER.name
    house.crash()
    [alarm] = house.center.alarms.open()
    assert alarm.acknowledged_by == TESTER.name
    with pytest.raises(CommandError) as unknown:
        house.do(house.center.alarms.acknowledge("nothing", "kim"))
    assert unknown.value.code == "unknown_alarm"


def test_worse_is_told_and_other_words_are_not(house: House) -> None:
    look(house, BAD._replace(severity="warning"))
    look(house, BAD._replace(severity="warning", text="mqtt cannot deliver: why"))
    look(house, BAD)
    assert changes(house) == [(BAD.id, "open"), (BAD.id, "open")]


def test_a_full_disk_keeps_no_alarm_from_being_one(house: House) -> None:
    house.journal.broken = True
    alarms = look(house, BAD)
    assert len(alarms) == 1
    house.journal.broken = False
    house.do(alarms.acknowledge(BAD.id, "kim"))
    assert [each.acknowledged_by for each in house.happened(AlarmChange)] == [None, "kim"]
    assert [each.acknowledged_by for each in house.journal.kept().alarms.values()] == ["kim"]


def test_a_full_disk_is_told_once_a_minute(house: House, log_lines: list[str]) -> None:
    house.journal.broken = True
    for number in range(5):
        look(house, BAD._replace(id=f"sink-failing:{number}"))
    assert len([line for line in log_lines if line.startswith("alarms not stored")]) == 1


def test_only_so_many_are_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_KEPT", 3)
    monkeypatch.setattr(room, "CALM", 0.0)
    for number in range(6):
        look(house, BAD._replace(id=f"sink-failing:{number}"))
    look(house)
    assert len(house.center.alarms.listed()) == len(house.journal.kept().alarms) == 3


def test_an_acknowledgement_that_cannot_be_stored_is_none(house: House) -> None:
    alarms = look(house, BAD)
    told: list[AlarmRecord] = []
    alarms.watch(told.append)
    house.journal.broken = True
    with pytest.raises(StorageError):
        house.do(alarms.acknowledge(BAD.id, "kim"))
    house.journal.broken = False
    look(house, BAD._replace(text="mqtt cannot deliver: why"))
    assert [each.acknowledged_by for each in alarms.open()] == [None] and told == []
    look(house, BAD._replace(severity="warning"))
    house.crash()
    assert [each.acknowledged_by for each in house.center.alarms.open()] == [None]


def test_an_acknowledgement_is_in_force_once_it_is_on_disk_and_other_changes_stay(house: House) -> None:
    alarms = look(house, BAD)
    told: list[tuple[str, str | None]] = []
    alarms.watch(lambda alarm: told.append((alarm.severity, alarm.acknowledged_by)))
    acknowledging = [ensureDeferred(alarms.acknowledge(BAD.id, who)) for who in ("kim", "ann")]
    alarms.evaluate(KINDS, [BAD._replace(severity="warning", text="only slow")])
    alarms.told(1, begin_told=1, end_told=0)
    assert told == [("warning", None)]
    house.settle()
    assert [result_of(each).acknowledged_by for each in acknowledging] == ["kim", "kim"]
    assert told == [("warning", None), ("warning", "kim")]
    house.crash()
    [alarm] = house.center.alarms.open()
    assert (alarm.text, alarm.severity, alarm.begin_told) == ("only slow", "warning", 1)
    assert alarm.acknowledged_by == "kim"


def test_an_acknowledgement_of_an_alarm_that_comes_back_meanwhile_is_of_the_earlier_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CALM", 0.0)
    alarms = look(house, BAD)
    acknowledging = ensureDeferred(alarms.acknowledge(BAD.id, "kim"))
    alarms.evaluate(KINDS, [])
    alarms.evaluate(KINDS, [BAD])
    house.settle()
    assert result_of(acknowledging).returns == 0
    house.crash()
    [alarm] = house.center.alarms.open()
    assert (alarm.returns, alarm.acknowledged_by) == (1, None)


def test_an_alarm_that_is_forgotten_while_it_is_acknowledged_stays_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CALM", 0.0)
    monkeypatch.setattr(room, "MAX_KEPT", 0)
    alarms = look(house, BAD)
    acknowledging = ensureDeferred(alarms.acknowledge(BAD.id, "kim"))
    alarms.evaluate(KINDS, [])
    house.settle()
    assert result_of(acknowledging).acknowledged_by == "kim"
    assert alarms.listed() == [] and not house.journal.kept().alarms


def test_the_text_is_one_line_whatever_others_call_themselves(house: House) -> None:
    alarms = look(house, BAD._replace(text="roof\n- The journal is full\x1b[31m"))
    assert [each.text for each in alarms.open()] == [
        "roof - The journal is full\N{REPLACEMENT CHARACTER}[31m"
    ]
