"""What people change under the watch over silent sensors: attachments, settings, sensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.python.failure import Failure

from bssci.model import SensorAutoDetached, SensorWarning
from tests.center.silence.watch import (
    DETACH,
    HOUR,
    INTERVAL,
    MINUTE,
    WARNING,
    Watch,
    make_watch,
    restart,
    sensor,
    warnings,
    watch,
)

__all__ = ["make_watch", "watch"]


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
    assert not watch.happened(SensorWarning, SensorAutoDetached)


def test_sensor_that_is_detached_by_command_is_left_alone(watch: Watch) -> None:
    watch.hear(1)
    ensureDeferred(watch.attachments.detach([sensor(1)], at=watch.now()))
    watch.advance(2 * DETACH)
    assert watch.state() == "detached"
    assert not watch.detached
    watch.hear(1)
    assert not watch.attached
    assert not watch.happened(SensorWarning, SensorAutoDetached)


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
    assert {event.end_point_eui for event in watch.happened(SensorWarning)} == {sensor(2)}


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
    watch.configure_sensors(0)
    watch.reload()
    assert watch.state() is None
    assert watch.silence.standing(sensor(1)) is None
    watch.advance(DETACH)
    assert not watch.detached
    assert not watch.journal.kept().silences


def test_sensor_that_was_detached_for_its_silence_is_forgotten_when_it_is_removed(watch: Watch) -> None:
    watch.hear(1)
    watch.advance(DETACH + INTERVAL)
    assert watch.silence._gone == {sensor(1)}
    watch.configure_sensors(0)
    watch.reload()
    watch.advance(INTERVAL)
    assert not watch.silence._gone


def test_sensor_that_is_configured_anew_is_not_judged_by_its_past(watch: Watch) -> None:
    watch.hear(1)
    watch.configure_sensors(0)
    watch.reload()
    watch.advance(2 * DETACH)
    watch.kill()
    watch.configure_sensors(1)
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
