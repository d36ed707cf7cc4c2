"""The watch over silent sensors: warns once, detaches, and takes back who is heard again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from bssci.center.silence import SLICE, STATES
from bssci.journal import StorageError
from bssci.model import SensorAutoDetached, SensorWarning
from tests.support.silence import DETACH, HOUR, INTERVAL, WARNING, Watch, make_uplink, sensor

MINUTE = 60.0


@pytest.fixture
def make_watch(tmp_path: Path) -> Iterator[Callable[..., Watch]]:
    watches: list[Watch] = []

    def make(*args: int, **options: object) -> Watch:
        watches.append(Watch(tmp_path, *args, **options))
        watches[-1].connect()
        return watches[-1]

    yield make
    for watch in watches:
        watch.stop()


@pytest.fixture
def watch(make_watch: Callable[..., Watch]) -> Watch:
    return make_watch()


def restart(watch: Watch) -> None:
    watch.settle()
    watch.kill()
    watch.open()
    watch.connect()


def warnings(watch: Watch) -> list[SensorWarning]:
    return watch.events(SensorWarning)


def auto_detached(watch: Watch) -> list[SensorAutoDetached]:
    return watch.events(SensorAutoDetached)


# a silence from its beginning to its end


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
    assert not watch.events(SensorWarning, SensorAutoDetached)


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
    watch.answers.callback(None)
    watch.settle()
    assert watch.state() == "registered"
    assert not auto_detached(watch)


def test_sensor_that_is_removed_while_it_is_being_detached_is_not_reported(watch: Watch) -> None:
    watch.held_up = Deferred()
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    watch.configure(0)
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
    assert not watch.events(SensorWarning, SensorAutoDetached)


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
    watch.journal.append_events([make_uplink(sensor(1), watch.now())])
    restart(watch)
    assert watch.attached == [sensor(1)]
    assert watch.state() == "active"


# attachments


def test_attach_by_command_begins_the_silence_anew(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING + INTERVAL)
    watch.silence.attached([sensor(1)], watch.now())
    assert watch.state() == "registered"
    restart(watch)
    watch.advance(WARNING - 2 * INTERVAL)
    assert watch.state() == "registered"
    watch.advance(3 * INTERVAL)
    assert watch.state() == "warning"
    assert len(warnings(watch)) == 2


@pytest.mark.parametrize("over_the_air", [False, True])
def test_silence_of_a_sensor_that_was_never_heard_begins_with_its_attachment(
    watch: Watch, over_the_air: bool
) -> None:
    watch.advance(WARNING)
    watch.silence.attached([sensor(1)], watch.now(), over_the_air=over_the_air)
    assert watch.state() == "registered"
    restart(watch)
    assert watch.silence.standing(sensor(1)).seconds_until_detach == pytest.approx(DETACH, abs=MINUTE)
    watch.advance(WARNING + INTERVAL)
    assert watch.state() == "warning"
    assert len(warnings(watch)) == 1
    watch.advance(DETACH - WARNING)
    assert watch.state() == "auto-detached"
    watch.hear(1)
    assert watch.state() == "active"


def test_sensor_that_was_neither_heard_nor_attached_is_left_alone(watch: Watch) -> None:
    watch.advance(2 * DETACH)
    assert watch.state() == "never seen"
    standing = watch.silence.standing(sensor(1))
    assert (standing.inactive_seconds, standing.seconds_until_detach) == (None, None)
    assert not watch.events(SensorWarning, SensorAutoDetached)


def test_sensor_that_is_detached_by_command_is_left_alone(watch: Watch) -> None:
    watch.hear(1)
    ensureDeferred(watch.attachments.detach([sensor(1)], at=watch.now()))
    watch.advance(2 * DETACH)
    assert watch.state() == "detached"
    assert not watch.detached
    watch.hear(1)
    assert not watch.attached
    assert not watch.events(SensorWarning, SensorAutoDetached)


def test_sensor_that_somebody_attached_is_not_attached_again(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    ensureDeferred(watch.attachments.attach([sensor(1)], at=watch.now()))
    watch.silence.attached([sensor(1)], watch.now())
    watch.settle()
    watch.hear(1)
    assert not watch.attached
    assert watch.state() == "active"


# configuration


def test_opted_out_sensor_is_left_alone(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(2, opted_out=[1])
    watch.hear(1, 2)
    watch.advance(DETACH + INTERVAL)
    assert (watch.state(1), watch.state(2)) == ("active", "auto-detached")
    assert watch.silence.standing(sensor(1)).seconds_until_detach is None
    assert {event.end_point_eui for event in watch.events(SensorWarning)} == {sensor(2)}


def test_switched_off_nobody_is_detached(watch: Watch) -> None:
    watch.configure_limits(enabled=False)
    watch.hear(1)
    watch.advance(2 * DETACH)
    assert watch.state() == "active"
    assert watch.silence.standing(sensor(1)).inactive_seconds == pytest.approx(2 * DETACH, abs=MINUTE)
    watch.configure_limits(enabled=True)
    assert watch.state() == "auto-detached"


def test_limits_take_effect_at_once(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(4 * HOUR)
    watch.configure_limits(warning_timeout=3 * HOUR)
    assert len(warnings(watch)) == 1
    watch.configure_limits(warning_timeout=WARNING)
    assert watch.state() == "active"
    watch.configure_limits(timeout=4 * HOUR, warning_timeout=3 * HOUR)
    assert watch.state() == "auto-detached"
    assert len(warnings(watch)) == 1


def test_check_interval_takes_effect_at_once(watch: Watch) -> None:
    watch.hear(1)
    watch.configure_limits(timeout=60.0, warning_timeout=30.0, check_interval=10.0)
    watch.clock.pump([10.0] * 4)
    watch.settle()
    assert len(warnings(watch)) == 1


def test_removed_sensor_is_forgotten(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(WARNING + INTERVAL)
    watch.configure(0)
    watch.reload()
    assert watch.state() is None
    assert watch.silence.standing(sensor(1)) is None
    watch.advance(DETACH)
    assert not watch.detached
    assert not watch.journal.load_silences()


def test_sensor_that_is_configured_anew_is_not_judged_by_its_past(watch: Watch) -> None:
    watch.hear(1)
    watch.configure(0)
    watch.reload()
    watch.advance(2 * DETACH)
    watch.kill()
    watch.configure(1)
    watch.open()
    watch.connect()
    watch.advance(2 * INTERVAL)
    assert watch.state() == "registered"
    watch.advance(DETACH + INTERVAL)
    assert watch.state() == "auto-detached"


def test_look_that_fails_does_not_end_the_watch(
    watch: Watch, expected_errors: list[Failure], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.hear(1)
    with monkeypatch.context() as patch:
        patch.setattr(watch.listening, "until", lambda at: 1 / 0)
        watch.advance(2 * INTERVAL)
    assert len(expected_errors) >= 2
    assert all(failure.check(ZeroDivisionError) for failure in expected_errors)
    expected_errors.clear()
    watch.advance(WARNING)
    assert watch.state() == "warning"


# figures


def test_counts(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(6)
    watch.hear(1)
    watch.advance(DETACH - WARNING)
    watch.hear(2)
    watch.advance(WARNING + INTERVAL)
    watch.hear(3)
    watch.silence.attached([sensor(4)], watch.now())
    ensureDeferred(watch.attachments.detach([sensor(5)], at=watch.now()))
    counts = watch.silence.counts()
    assert tuple(counts) == STATES
    assert {state: count for state, count in counts.items() if count} == {
        "auto-detached": 1,
        "warning": 1,
        "active": 1,
        "registered": 1,
        "detached": 1,
        "never seen": 1,
    }


def test_ten_thousand_sensors_are_checked_in_slices(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(10_000)
    watch.hear(*range(1, 10_001))
    watch.advance(HOUR)
    turns = 0

    def somebody_else() -> None:
        nonlocal turns
        if watch.silence.under_way:
            turns += 1
            watch.clock.callLater(0.0, somebody_else)

    watch.silence.check()
    somebody_else()
    began = time.process_time()
    watch.clock.advance(0)
    assert time.process_time() - began < 0.25  # 5 times the figure, for slow machines
    assert turns >= 10_000 / SLICE
    began = time.process_time()
    assert watch.silence.counts()["active"] == 10_000
    assert time.process_time() - began < 0.25


def test_uplinks_cost_next_to_nothing(make_watch: Callable[..., Watch]) -> None:
    watch = make_watch(2)
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    uplinks = [make_uplink(sensor(2), 0.0)] * 10_000
    began = time.process_time()
    watch.silence.heard(uplinks)
    assert time.process_time() - began < 0.015
