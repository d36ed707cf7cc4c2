"""Messages about alarms: gathered, bounded, tried again, never about what nobody knew."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from bssci.center.alarms.conditions import Condition
from bssci.center.alarms.notices import FIRST_RETRY, HOUR, Notice, Notices
from bssci.journal import StorageError
from tests.support.center import House
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

KINDS = {"sink-failing", "station-offline"}


def bad(number: int = 1, severity: str = "error") -> Condition:
    return Condition(f"sink-failing:{number}", severity, f"sink {number} cannot deliver", "/")


class Recorder:
    """A channel that keeps what it is given.

    :ivar away: fails.
    :ivar refused: recipients that it does not take, in words.
    :ivar answer: fires when messages were taken.
    """

    name = "tester"
    needs = "TESTER"

    def __init__(self) -> None:
        self.sent: list[tuple[list[str], list[str]]] = []
        self.open: list[int] = []
        self.away = False
        self.refused = ""
        self.used = True
        self.answer: Deferred[str] = succeed("")

    def is_set(self) -> bool:
        return self.used

    def send(self, notice: Notice) -> Deferred[str]:
        if self.away:
            return fail(StorageError("no answer"))
        self.sent.append(([each.id for each in notice.begun], [each.id for each in notice.over]))
        self.open.append(notice.open)
        return self.answer if not self.answer.called else succeed(self.refused)


@pytest.fixture
def channel() -> Recorder:
    return Recorder()


@pytest.fixture
def begin(channel: Recorder) -> Callable[[House], Notices]:
    def make(house: House) -> Notices:
        configuration = house.configuration
        notices = Notices(
            house.clock, house.center.alarms, [channel], lambda: configuration.current, house.center.eui
        )
        notices.start()
        return notices

    return make


def look(house: House, *conditions: Condition, times: int = 1) -> None:
    for _ in range(times):
        house.center.alarms.evaluate(KINDS, conditions)
        house.advance(5, step=5)


def test_what_comes_within_half_a_minute_is_one_message(house: House, channel: Recorder, begin) -> None:
    begin(house)
    look(house, bad(1))
    look(house, bad(1), bad(2), times=5)
    assert channel.sent == [(["sink-failing:1", "sink-failing:2"], [])] and channel.open == [2]
    look(house, times=20)
    assert channel.sent[1:] == [([], ["sink-failing:1", "sink-failing:2"])] and channel.open[1:] == [0]


def test_what_was_over_before_it_was_told_is_no_news(make_house, channel: Recorder, begin) -> None:
    house = make_house(**{"alarm-group-time": "120"})
    begin(house)
    look(house, bad())
    look(house, times=40)
    assert channel.sent == []


def test_a_storm_of_alarms_makes_few_messages_and_each_is_told_once(
    make_house, channel: Recorder, begin
) -> None:
    house = make_house(**{"alarm-max-per-hour": "3"})
    begin(house)
    for number in range(40):  # a new alarm a minute
        look(house, *(bad(each) for each in range(number + 1)), times=12)
    assert len(channel.sent) == 3
    house.advance(HOUR, step=30)
    assert len(channel.sent) == 4
    told = [each for begun, _ in channel.sent for each in begun]
    assert len(told) == len(set(told))


def test_a_channel_that_is_away_gets_all_of_it_later(house: House, channel: Recorder, begin) -> None:
    notices = begin(house)
    channel.away = True
    look(house, bad(1), times=8)
    assert notices.states() == [("tester", "TESTER", "no answer")]
    channel.away = False
    look(house, bad(1), bad(2))
    house.advance(FIRST_RETRY, step=5)
    assert channel.sent == [(["sink-failing:1", "sink-failing:2"], [])]
    assert notices.states() == [("tester", "TESTER", "")]


def test_what_waits_for_a_retry_is_sent_at_once_when_settings_have_changed(
    house: House, channel: Recorder, begin
) -> None:
    notices = begin(house)
    notices.try_again()
    channel.away = True
    look(house, bad(1), times=120)
    channel.away = False
    notices.try_again()
    look(house, bad(1))
    assert channel.sent == [(["sink-failing:1"], [])] and notices.states()[0].trouble == ""


def test_recipients_that_are_refused_are_trouble_and_the_others_get_it_once(
    house: House, channel: Recorder, begin
) -> None:
    notices = begin(house)
    channel.refused = "kim: 550"
    look(house, bad(1), times=8)
    house.advance(FIRST_RETRY * 2, step=5)
    assert channel.sent == [(["sink-failing:1"], [])]
    assert notices.states() == [("tester", "TESTER", "kim: 550")]
    notices.try_again()
    assert notices.states() == [("tester", "TESTER", "")], "the recipients may be others now"


def test_what_was_not_told_before_a_crash_is_told_after_it_and_nothing_twice(
    house: House, channel: Recorder, begin
) -> None:
    begin(house)
    look(house, bad(1), times=8)
    channel.away = True
    look(house, bad(1), bad(2), times=8)
    house.crash()
    channel.away = False
    begin(house)
    look(house, bad(1), bad(2), times=8)
    assert channel.sent == [(["sink-failing:1"], []), (["sink-failing:2"], [])]


def test_without_anybody_to_tell_nothing_is_told_later(house: House, channel: Recorder, begin) -> None:
    channel.used = False
    begin(house)
    look(house, bad(1), times=8)
    channel.used = True
    look(house, bad(1), times=8)
    assert channel.sent == []


def test_only_errors_are_told_if_that_is_wanted(make_house, channel: Recorder, begin) -> None:
    house = make_house(**{"alarm-least": "error"})
    begin(house)
    look(house, bad(1, "warning"), bad(2), times=8)
    assert channel.sent == [(["sink-failing:2"], [])]


@pytest.mark.parametrize("least", ["warning", "error"])
def test_a_warning_that_becomes_an_error_is_told_and_its_end_too(
    make_house, channel: Recorder, begin, least: str
) -> None:
    house = make_house(**{"alarm-least": least})
    begin(house)
    look(house, bad(1, "warning"), times=8)
    look(house, bad(1), times=8)
    assert channel.sent[-1] == (["sink-failing:1"], [])
    assert len(channel.sent) == (2 if least == "warning" else 1)
    look(house, bad(1, "warning"), times=8)
    look(house, times=20)
    assert channel.sent[-1] == ([], ["sink-failing:1"])


def test_an_error_that_falls_to_a_warning_before_it_is_told_is_told_whole_or_not_at_all(
    make_house, channel: Recorder, begin
) -> None:
    house = make_house(**{"alarm-least": "error", "alarm-group-time": "120"})
    begin(house)
    look(house, bad(1))
    look(house, bad(1, "warning"), times=30)
    look(house, times=40)
    assert channel.sent == []


@pytest.mark.parametrize("crashes", [False, True])
def test_the_end_of_a_warning_is_told_also_if_it_was_an_error_meanwhile(
    house: House, channel: Recorder, begin, crashes: bool
) -> None:
    notices = begin(house)
    look(house, bad(1, "warning"), times=8)
    channel.away = True
    look(house, bad(1), times=8)
    if crashes:
        notices.stop()
        house.crash()
        begin(house)
    look(house, times=20)
    channel.away = False
    house.advance(FIRST_RETRY * 8, step=5)
    assert channel.sent == [(["sink-failing:1"], []), ([], ["sink-failing:1"])]


def test_an_error_is_told_once_however_often_it_falls_to_a_warning(
    house: House, channel: Recorder, begin
) -> None:
    begin(house)
    for _ in range(5):
        look(house, bad(1), times=8)
        look(house, bad(1, "warning"), times=8)
    assert channel.sent == [(["sink-failing:1"], [])]


def test_an_error_that_falls_to_a_warning_while_it_is_being_sent_is_told_once(
    house: House, slow: Recorder, begin
) -> None:
    begin(house)
    look(house, bad(), times=8)
    look(house, bad(1, "warning"))
    slow.answer.callback("")
    look(house, bad(1, "warning"), times=20)
    assert slow.sent == [(["sink-failing:1"], [])]


def test_the_end_of_what_was_not_told_is_not_told(make_house, channel: Recorder, begin) -> None:
    house = make_house(**{"alarm-least": "error"})
    begin(house)
    look(house, bad(1, "warning"), times=8)
    channel.used = False
    look(house, bad(1, "warning"), bad(2), times=8)
    channel.used = True
    look(house, times=20)
    assert channel.sent == []


def test_what_nobody_heard_of_is_told_when_it_comes_back(house: House, channel: Recorder, begin) -> None:
    channel.used = False
    begin(house)
    look(house, bad(), times=8)
    channel.used = True
    look(house, times=12)
    look(house, bad(), times=12)
    assert channel.sent == [(["sink-failing:1"], [])]


@pytest.fixture
def slow(channel: Recorder) -> Recorder:
    """Take messages, and say so only when told to."""
    channel.answer = Deferred()
    return channel


def test_an_alarm_that_is_over_while_its_beginning_is_being_sent_is_told_to_be_over(
    house: House, slow: Recorder, begin
) -> None:
    begin(house)
    look(house, bad(), times=8)
    look(house, times=8)
    assert slow.sent == [(["sink-failing:1"], [])]
    slow.answer.callback("")
    look(house, times=8)
    assert slow.sent[1:] == [([], ["sink-failing:1"])]


def test_a_warning_that_becomes_an_error_while_it_is_being_sent_is_told_again(
    house: House, slow: Recorder, begin
) -> None:
    begin(house)
    look(house, bad(1, "warning"), times=8)
    look(house, bad())
    slow.answer.callback("")
    look(house, bad(), times=8)
    assert slow.sent == [(["sink-failing:1"], [])] * 2


def test_of_one_that_came_and_went_while_the_message_failed_nothing_is_told(
    house: House, slow: Recorder, begin
) -> None:
    begin(house)
    look(house, bad(), times=8)
    look(house, times=8)
    slow.answer.errback(StorageError("no answer"))
    look(house, times=20)
    assert slow.sent == [(["sink-failing:1"], [])]


def test_one_that_came_back_before_its_end_was_told_goes_on(house: House, channel: Recorder, begin) -> None:
    begin(house)
    look(house, bad(), times=8)
    channel.away = True
    look(house, times=12)
    look(house, bad(), times=2)
    channel.away = False
    look(house, bad(), times=40)
    assert channel.sent == [(["sink-failing:1"], [])]
    look(house, times=40)
    assert channel.sent[1:] == [([], ["sink-failing:1"])]


def test_one_that_comes_back_while_its_end_is_being_sent_is_told_again_and_its_end_too(
    house: House, slow: Recorder, begin
) -> None:
    begin(house)
    slow.answer.callback("")
    look(house, bad(), times=8)
    slow.answer = Deferred()
    look(house, times=20)
    look(house, bad(), times=2)
    assert slow.sent[1:] == [([], ["sink-failing:1"])]
    slow.answer.callback("")
    look(house, bad(), times=8)
    assert slow.sent[2:] == [(["sink-failing:1"], [])]
    look(house, times=40)
    assert slow.sent[3:] == [([], ["sink-failing:1"])]


def test_nothing_is_tried_after_the_stop_and_all_of_it_after_the_next_start(
    house: House, channel: Recorder, begin, log_lines: list[str]
) -> None:
    notices = begin(house)
    hanging: Deferred[None] = Deferred()
    channel.send = lambda notice: hanging
    look(house, bad(1), times=8)
    notices.stop()
    assert not [line for line in log_lines if line.startswith("alarm message not sent")], "it did not fail"
    before = len(house.clock.getDelayedCalls())
    house.advance(FIRST_RETRY, step=5)
    assert len(house.clock.getDelayedCalls()) <= before
    house.crash()
    del channel.send
    begin(house)
    look(house, bad(1), times=8)
    assert channel.sent == [(["sink-failing:1"], [])]
