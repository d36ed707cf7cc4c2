"""The one door: settings in force, health, and what is asked of every part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center.access import Access
from bssci.center.alarms.conditions import Condition
from bssci.model.commands import CommandError
from bssci.system import logs
from bssci.system.line_limit import LINES
from tests.support.center import TESTER, House, Line, result_of
from tests.support.journal import online
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


def change(house: House, **values: Any) -> frozenset[str]:
    changing = ensureDeferred(house.commands.settings.change_remotely(values, TESTER))
    house.settle()
    changed: frozenset[str] = result_of(changing)
    return changed


def test_settings_reach_their_parts_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[str] = []
    monkeypatch.setattr(logs, "set_level", levels.append)
    wanted = {
        "STATUS_INTERVAL": 60,
        "DEDUPLICATION_DELAY": 0.5,
        "RETENTION_DAYS": 7,
        "LOG_LEVEL": "debug",
        "AUTO_DETACH_TIMEOUT": 1000,
        "AUTO_DETACH_WARNING_TIMEOUT": 500,
    }
    assert change(house, **wanted) == set(wanted)
    center = house.center
    assert (center.registry.status_interval, center.deduplication.delay) == (60, 0.5)
    assert (center.retention.days, levels) == (7, ["debug"])
    assert (center.silence._timeout, center.silence._warning_timeout) == (1000, 500)
    house.crash()
    assert house.settings.status_interval == 60


def test_the_time_since_the_start_follows_no_clock_that_is_set(house: House) -> None:
    house.clock.advance(7)
    house._began -= 1e9
    center = house.center
    assert center.uptime() == 7
    access = Access(center, TESTER)
    assert center.started_at == access.started_at == pytest.approx(house.now() - 7)


def test_a_status_is_asked_for_in_the_new_interval(house: House) -> None:
    line = Line(house)
    line.connect()
    line.answer_everything()
    change(house, STATUS_INTERVAL=5)
    house.advance(301)
    line.answer_everything()
    line.sent.clear()
    house.advance(4)
    assert not line.sent
    house.advance(2)
    assert line.sent


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"MQTT_PASSWORD": "x"}, "not_allowed"),
        ({"MQTT_USERNAME": "x"}, "not_allowed"),
        ({"ALARM_MAIL_USERNAME": "x"}, "not_allowed"),
        ({"ALARM_MAIL_PASSWORD": "x"}, "not_allowed"),
        ({"ALARM_WEBHOOK_URL": "http://192.0.2.1/"}, "not_allowed"),
        ({"ALARM_WEBHOOK_SECRET": "x"}, "not_allowed"),
        ({"LISTEN_PORT": 1}, "invalid"),
        ({"STATUS_INTERVAL": 1, "STATE_DIR": "x"}, "invalid"),
        ({"STATUS_INTERVAL": {}}, "invalid"),
    ],
)
def test_what_must_not_change(house: House, values: dict[str, Any], code: str) -> None:
    with pytest.raises(CommandError) as raised:
        change(house, **values)
    assert raised.value.code == code
    assert house.center.registry.status_interval == 300
    offered = house.commands.settings.changeable()
    rows = house.center.configuration.catalogue.rows
    assert not {"MQTT_USERNAME", "ALARM_MAIL_USERNAME", "STATE_DIR"} & offered.keys()
    assert not [name for name in offered if rows[name].secret]


def test_health_tells_who_is_there_and_what_fails(house: House) -> None:
    center = house.center
    alarms = {"error": 0, "warning": 0}
    expected = {"status": "ok", "timestamp": house.now(), "base_stations": 0, "alarms": alarms, "queue": {}}
    assert center.health() == expected
    center.alarms.evaluate({"sink-failing"}, [Condition("sink-failing:x", "error", "x cannot deliver", "/")])
    assert center.health()["alarms"] == {"error": 1, "warning": 0}
    Line(house).connect()
    sink = {"failing": False, "warning": "", "queued": 3}
    center.deliveries.statistics = lambda: {"mqtt": sink}
    assert (center.health()["status"], center.health()["base_stations"]) == ("ok", 1)
    for trouble in ({"failing": True}, {"warning": "it held up the whole service once"}):
        center.deliveries.statistics = lambda trouble=trouble: {"mqtt": sink | trouble}
        assert center.health()["status"] == "degraded"


def test_its_eui_stays_the_same(house: House) -> None:
    eui = house.center.eui
    house.crash()
    assert house.center.eui == eui
    assert int(eui[:2], 16) & 3 == 2


@pytest.mark.parametrize(
    ("secret", "receiver"), [("MQTT_PASSWORD", "MQTT_BROKER"), ("ALARM_MAIL_PASSWORD", "ALARM_MAIL_HOST")]
)
def test_who_gets_a_password_is_not_changed_from_afar(
    make_house: Callable[..., House], secret: str, receiver: str
) -> None:
    options = {
        "mqtt-username": "u",
        "mqtt-password": "secret",
        "alarm-mail-host": "mail.example",
        "alarm-mail-to": "a@example",
        "alarm-mail-username": "u",
        "alarm-mail-password": "secret",
        "alarm-webhook-url": "http://192.0.2.1/",
    }
    house = make_house(0, **options)
    before = house.center.configuration.current.value(receiver)
    with pytest.raises(CommandError, match=f"decides to whom {secret} is sent") as refused:
        result_of(ensureDeferred(house.commands.settings.change_remotely({receiver: "elsewhere"}, TESTER)))
    assert (refused.value.code, refused.value.field) == ("not_allowed", receiver)
    assert house.center.configuration.current.value(receiver) == before


def test_events_that_are_lost_to_a_full_disk_do_not_fill_the_log(house: House, log_lines: list[str]) -> None:
    house.journal.broken = True
    for _ in range(2 * LINES):
        house.center.report(online())
    house.settle()
    house.journal.broken = False
    assert log_lines == ["event lost StationState disk full"] * LINES
