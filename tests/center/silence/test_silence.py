"""The watch over silent sensors: warns once, detaches, and takes back who is heard again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from bssci.center.silence.silence import SLICE
from bssci.journal import StorageError
from bssci.model import SensorAutoDetached, SensorWarning, parse_sensor
from tests.center.silence.watch import (
    DETACH,
    HOUR,
    INTERVAL,
    MINUTE,
    WARNING,
    Watch,
    make_uplink,
    make_watch,
    restart,
    sensor,
    warnings,
    watch,
)
from tests.support.center import sensor_entry
from tests.support.log_lines import log_lines
from tests.support.work import calls

__all__ = ["log_lines", "make_watch", "watch"]

YEAR = 365 * 24 * HOUR


def auto_detached(watch: Watch) -> list[SensorAutoDetached]:
    return watch.happened(SensorAutoDetached)


# a silence from its beginning to its end


def test_a_short_silence_is_told_to_the_second(watch: Watch) -> None:
    watch.configure_limits(timeout=60.0, warning_timeout=30.0, check_interval=10.0)
    watch.hear(1)
    for _ in range(8):
        watch.advance(10)
    (warning,), (event,) = warnings(watch), auto_detached(watch)
    silent, left = 3600 * warning.inactive_hours, 3600 * warning.hours_until_detach
    assert 29 <= silent <= 41 and silent + left == pytest.approx(60, abs=1)
    assert 59 <= 3600 * event.inactive_hours <= 71


def test_log_names_an_automatic_detach_and_the_sensor(watch: Watch, log_lines: list[str]) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    assert [line.split(",")[0] for line in log_lines if "AUTO-DETACH" in line] == [f"AUTO-DETACH {sensor(1)}"]


def test_silent_sensor_is_warned_of_once_then_detached(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING - INTERVAL)
    assert watch.state() == "active"
    assert not warnings(watch)

    watch.advance(2 * INTERVAL)
    assert watch.state() == "warning"
    (warning,) = warnings(watch)
    assert warning.end_point_eui == sensor(1)
    assert warning.inactive_hours == pytest.approx(36.5, abs=0.5)
    assert warning.hours_until_detach == pytest.approx(72.0 - warning.inactive_hours)
    assert (warning.warning_threshold_hours, warning.detach_threshold_hours) == (36.0, 72.0)

    watch.advance(DETACH - WARNING + INTERVAL)
    assert watch.state() == "auto-detached"
    assert watch.detached == [sensor(1)]
    (event,) = auto_detached(watch)
    assert event.end_point_eui == sensor(1)
    assert event.inactive_hours == pytest.approx(72.5, abs=0.5)
    assert event.threshold_hours == 72.0
    assert not watch.attachments.is_attached(sensor(1))

    watch.advance(DETACH)
    assert len(warnings(watch)) == len(auto_detached(watch)) == len(watch.detached) == 1


def test_sensor_that_is_heard_in_time_is_left_alone(watch: Watch) -> None:
    for _ in range(5):
        watch.hear(1)
        watch.advance(WARNING - INTERVAL)
    assert watch.state() == "active"
    assert not watch.happened(SensorWarning, SensorAutoDetached)


def test_next_silence_is_warned_of_again(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING + INTERVAL)
    watch.hear(1)
    assert watch.state() == "active"
    watch.advance(WARNING + INTERVAL)
    assert len(warnings(watch)) == 2


def test_auto_detached_sensor_is_attached_when_it_is_heard(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.hear(1)
    assert watch.attached == [sensor(1)]
    assert watch.attachments.is_attached(sensor(1))
    assert watch.state() == "active"
    watch.hear(1)
    assert watch.attached == [sensor(1)]


def test_sensor_that_is_heard_before_its_detach_has_begun_ends_up_attached(watch: Watch) -> None:
    watch.held_up = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    assert watch.detached == [sensor(1)]
    assert watch.state() == "auto-detach pending"
    watch.hear(1)
    watch.held_up.callback(None)
    watch.settle()
    assert watch.attached == [sensor(1)]
    assert watch.attachments.is_attached(sensor(1))
    assert not auto_detached(watch)


def test_sensor_that_is_heard_while_stations_are_told_ends_up_attached(watch: Watch) -> None:
    watch.answers = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    assert watch.state() == "auto-detach pending"
    watch.hear(1)
    assert watch.state() == "active"
    watch.answers.callback(None)
    watch.settle()
    assert watch.attached == [sensor(1)]
    assert watch.attachments.is_attached(sensor(1))
    assert watch.state() == "active"
    assert not auto_detached(watch)


def test_sensor_that_is_attached_while_it_is_being_detached_is_not_reported(watch: Watch) -> None:
    watch.answers = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.silence.attached([sensor(1)], watch.now())
    ensureDeferred(watch.attachments.attach([sensor(1)], at=watch.now()))
    watch.settle()
    watch.answers.callback(None)
    watch.settle()
    assert watch.state() == "registered"
    assert not auto_detached(watch)


def test_sensor_that_an_earlier_command_attaches_is_not_detached(watch: Watch) -> None:
    attaching: Deferred[None] = Deferred()

    async def attach() -> None:
        await attaching
        watch.silence.attached([sensor(1)], watch.now())

    watch.hear(1)
    ensureDeferred(watch.turns.run([sensor(1)], attach))
    watch.advance(DETACH + INTERVAL)
    assert watch.state() == "auto-detach pending"
    attaching.callback(None)
    watch.settle()
    assert watch.detached == [] and watch.attachments.is_attached(sensor(1))
    assert watch.state() == "registered"
    watch.advance(DETACH + INTERVAL)
    assert watch.detached == [sensor(1)] and len(auto_detached(watch)) == 1


def test_sensor_that_is_removed_while_it_is_being_detached_is_not_reported(watch: Watch) -> None:
    watch.held_up = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.configure_sensors(0)
    watch.reload()
    watch.held_up.callback(None)
    watch.settle()
    assert not auto_detached(watch)


def test_attach_that_fails_is_tried_again_at_the_next_uplink(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.attach_fails = StorageError("disk full")
    watch.hear(1)
    assert not watch.attachments.is_attached(sensor(1))
    watch.attach_fails = None
    watch.hear(1)
    assert watch.attached == [sensor(1)]


def test_sensor_that_is_being_detached_is_not_detached_twice(watch: Watch) -> None:
    watch.answers = Deferred()
    watch.hear(1)
    watch.advance(DETACH + 3 * INTERVAL)
    assert watch.detached == [sensor(1)]
    watch.answers.callback(None)
    watch.settle()
    assert len(auto_detached(watch)) == 1


def test_detach_that_fails_is_tried_again(watch: Watch, expected_errors: list[Failure]) -> None:
    watch.answers = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.answers.errback(ZeroDivisionError())
    watch.settle()
    assert expected_errors.pop().check(ZeroDivisionError)
    assert watch.state() == "auto-detach pending"
    watch.answers = None
    watch.advance(INTERVAL)
    assert watch.state() == "auto-detached"


def test_warning_that_cannot_be_stored_is_given_later(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING - INTERVAL)
    watch.journal.broken = True
    watch.advance(2 * INTERVAL)
    watch.journal.broken = False
    assert not warnings(watch)
    watch.advance(INTERVAL)
    assert len(warnings(watch)) == 1


def test_an_attachment_time_that_could_not_be_stored_is_stored_later(watch: Watch) -> None:
    watch.journal.broken = True
    watch.silence.attached([sensor(1)], watch.now())
    watch.settle()
    watch.journal.broken = False
    watch.advance(MINUTE)
    assert watch.journal.kept().silences[sensor(1)].how == "command"


# what is not held against a sensor


def test_time_without_a_station_does_not_count(watch: Watch) -> None:
    watch.hear(1)
    watch.lose()
    watch.advance(10 * DETACH)
    assert watch.state() == "active"
    assert watch.silence.standing(sensor(1)).inactive_seconds == 0.0
    watch.connect()
    watch.advance(WARNING + INTERVAL)
    assert watch.state() == "warning"


def test_time_that_the_service_was_down_does_not_count(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(HOUR)
    watch.kill()
    watch.clock.advance(10 * DETACH)
    watch.open()
    watch.advance(DETACH)
    watch.connect()
    assert watch.silence.standing(sensor(1)).inactive_seconds == pytest.approx(HOUR, abs=MINUTE)
    assert not watch.happened(SensorWarning, SensorAutoDetached)


def test_nobody_is_detached_while_no_station_is_connected(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING - INTERVAL)
    watch.lose()
    watch.configure_limits(timeout=2 * HOUR, warning_timeout=HOUR)
    assert watch.state() == "auto-detach pending"
    assert not watch.detached
    watch.connect()
    watch.advance(INTERVAL)
    assert watch.state() == "auto-detached"


# restarts


def test_restart_neither_repeats_nor_forgets_a_warning(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING + INTERVAL)
    restart(watch)
    assert watch.state() == "warning"
    watch.advance(3 * INTERVAL)
    assert len(warnings(watch)) == 1
    watch.advance(DETACH - WARNING)
    assert len(auto_detached(watch)) == 1


def test_restarts_do_not_start_the_clock_anew(watch: Watch) -> None:
    watch.hear(1)
    for _ in range(12):
        watch.advance(6 * HOUR)
        restart(watch)
    watch.advance(2 * INTERVAL)
    assert watch.state() == "auto-detached"


def test_auto_detached_sensor_comes_back_after_a_restart(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    restart(watch)
    assert watch.state() == "auto-detached"
    watch.hear(1)
    assert watch.attached == [sensor(1)]
    assert watch.state() == "active"


def test_detach_that_a_crash_cut_short_is_finished(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(HOUR)
    ensureDeferred(watch.attachments.detach([sensor(1)], reason="inactivity", at=watch.now()))
    watch.detached.clear()
    restart(watch)
    assert watch.state() == "auto-detach pending"
    watch.advance(INTERVAL)
    assert watch.detached == [sensor(1)]
    assert watch.state() == "auto-detached"
    restart(watch)
    watch.advance(2 * INTERVAL)
    assert len(auto_detached(watch)) == 1


def test_attach_that_a_crash_cut_short_is_finished(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.journal.events.append([make_uplink(sensor(1), watch.now())])
    restart(watch)
    assert watch.attached == [sensor(1)]
    assert watch.state() == "active"


# a clock that was set


@pytest.mark.parametrize("how", ["heard", "attached"])
def test_silence_that_began_before_the_clock_was_set_back_counts_from_then(watch: Watch, how: str) -> None:
    watch.ahead = YEAR
    watch.advance(INTERVAL)
    if how == "heard":
        watch.hear(1)
    else:
        watch.silence.attached([sensor(1)], watch.now())
    watch.ahead = 0.0
    watch.advance(WARNING + 2 * INTERVAL)
    assert watch.state() == "warning"
    assert len(warnings(watch)) == 1
    restart(watch)
    watch.advance(DETACH - WARNING)
    assert watch.state() == "auto-detached"
    assert len(warnings(watch)) == len(auto_detached(watch)) == 1
    assert watch.attached == []


def test_sensor_that_is_heard_after_the_clock_was_set_back_is_active(watch: Watch) -> None:
    watch.ahead = YEAR
    watch.silence.attached([sensor(1)], watch.now())
    watch.ahead = 0.0
    watch.advance(INTERVAL)
    assert watch.state() == "registered"
    watch.hear(1)
    assert watch.state() == "active"


def test_clock_that_is_set_back_neither_warns_again_nor_takes_a_silent_sensor_back(watch: Watch) -> None:
    watch.ahead = YEAR
    watch.advance(INTERVAL)
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    assert watch.state() == "auto-detached"
    watch.ahead = 0.0
    watch.advance(DETACH + INTERVAL)
    assert watch.state() == "auto-detached"
    assert len(warnings(watch)) == len(auto_detached(watch)) == 1
    watch.hear(1)
    assert watch.attached == [sensor(1)]
    assert watch.state() == "active"


# figures


def test_each_sensor_is_in_the_state_of_its_silence(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(6)
    watch.hear(1)
    watch.advance(DETACH - WARNING)
    watch.hear(2)
    watch.advance(WARNING + INTERVAL)
    watch.hear(3)
    watch.silence.attached([sensor(4)], watch.now())
    ensureDeferred(watch.attachments.detach([sensor(5)], at=watch.now()))
    watch.settle()
    assert [watch.state(number) for number in range(1, 7)] == [
        "auto-detached",
        "warning",
        "active",
        "registered",
        "detached",
        "never seen",
    ]


def test_many_sensors_are_checked_in_slices(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(2_000)
    watch.hear(*range(1, 2_001))
    watch.advance(HOUR)
    turns = 0

    def somebody_else() -> None:
        nonlocal turns
        if watch.silence.under_way:
            turns += 1
            watch.clock.callLater(0.0, somebody_else)

    watch.silence.check()
    somebody_else()
    assert calls(lambda: watch.clock.advance(0)) < 15 * 2_000  # of which 9 are needed
    assert turns >= 2_000 / SLICE
    assert {watch.state(number) for number in range(1, 2_001)} == {"active"}
    assert calls(lambda: [watch.state(number) for number in range(1, 2_001)]) < 40 * 2_000


def test_uplinks_cost_next_to_nothing(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(2)
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    uplinks = [make_uplink(sensor(2), 0.0)] * 10_000
    assert calls(lambda: watch.silence.heard(uplinks)) < 10  # for all of them


def test_each_sensor_is_warned_of_by_its_own_interval(watch: Watch) -> None:
    intervals = {1: None, 2: 4 * HOUR, 3: 8 * HOUR, 4: 20 * HOUR}
    watch.configure(
        sensor_entry(number, eui=sensor(number), **({} if interval is None else {"interval": interval}))
        for number, interval in intervals.items()
    )
    watch.reload()
    watch.hear(1, 2, 3, 4)
    watch.silence.attached([sensor(3)], watch.now())
    ensureDeferred(watch.attachments.attach([sensor(4)], at=watch.now()))
    watch.advance(2 * HOUR)
    watch.lose()
    watch.advance(100 * HOUR)  # nobody listens
    watch.connect()
    for hours, number in ((16, 2), (32, 3), (36, 1)):
        watch.advance(hours * HOUR - watch.listening.total() - MINUTE)
        assert sensor(number) not in {warning.end_point_eui for warning in warnings(watch)}
        watch.advance(INTERVAL + MINUTE)
        assert warnings(watch)[-1].end_point_eui == sensor(number)
    assert len(warnings(watch)) == 3


@pytest.mark.parametrize(
    ("interval", "warning", "detach"),
    [(None, 129_600, 259_200), (600, 2_400, 259_200), (604_800, 4 * 604_800, 8 * 604_800)],
)
def test_limits_follow_from_a_sensor_s_own_interval(
    make_house, interval: float | None, warning: float, detach: float
) -> None:
    house = make_house()
    more = {} if interval is None else {"interval": interval}
    limits = house.center.silence.limits(parse_sensor(sensor_entry(**more)))
    assert (limits.warning, limits.detach) == (warning, detach)
