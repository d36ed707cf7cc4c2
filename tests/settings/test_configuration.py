"""Settings that change while the service runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred, maybeDeferred

from bssci.model.commands import CommandError
from bssci.settings.configuration import Configuration, setting_text
from bssci.settings.rows import MASK
from bssci.settings.table import Settings
from tests.support.center import result_of
from tests.support.settings import CATALOGUE, TRIALS

Make = Callable[..., Configuration]


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text("# ours\nSTATUS_INTERVAL=100\n\nMQTT_USERNAME=me\nMQTT_PASSWORD=secret\n")
    return path


@pytest.fixture
def make(env_file: Path) -> Make:
    def make(options: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> Configuration:
        return Configuration(CATALOGUE, options or {}, environ or {}, env_file, maybeDeferred, TRIALS)

    return make


def test_a_change_is_written_told_and_in_force(make: Make, env_file: Path) -> None:
    configuration = make()
    told: list[Settings] = []
    end = configuration.watch(["STATUS_INTERVAL"], told.append)
    configuration.watch(["LOG_LEVEL"], lambda settings: pytest.fail("it did not change"))
    assert result_of(configuration.change({"STATUS_INTERVAL": "60"})) == {"STATUS_INTERVAL"}
    assert configuration.current.status_interval == 60
    assert configuration.at_start.status_interval == 100
    assert [settings.status_interval for settings in told] == [60]
    assert env_file.read_text() == "# ours\nSTATUS_INTERVAL=60\n\nMQTT_USERNAME=me\nMQTT_PASSWORD=secret\n"
    assert env_file.stat().st_mode & 0o777 == 0o640
    assert result_of(configuration.change({"STATUS_INTERVAL": "60"})) == frozenset()
    end()
    result_of(configuration.change({"STATUS_INTERVAL": "61"}))
    assert len(told) == 1


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"STATUS_INTERVAL": "-1"}, "invalid", "STATUS_INTERVAL"),
        ({"DEDUPLICATION_DELAY": "1", "STATUS_INTERVAL": "x"}, "invalid", "STATUS_INTERVAL"),
        (
            {"AUTO_DETACH_TIMEOUT": "5", "AUTO_DETACH_WARNING_TIMEOUT": "6"},
            "invalid",
            "AUTO_DETACH_WARNING_TIMEOUT",
        ),
        ({"NOTHING": "1"}, "invalid", "NOTHING"),
        ({"LOG_LEVEL": "debug"}, "conflict", "LOG_LEVEL"),
        ({"MQTT_PORT": "1"}, "conflict", "MQTT_PORT"),
    ],
)
def test_what_cannot_be_changes_nothing(
    make: Make, env_file: Path, values: dict[str, str], code: str, field: str
) -> None:
    configuration = make({"log-level": "info"}, {"MQTT_PORT": "1884"})
    configuration.watch(["DEDUPLICATION_DELAY"], lambda settings: pytest.fail("nothing changed"))
    before = env_file.read_text()
    with pytest.raises(CommandError) as raised:
        result_of(configuration.change(values))
    assert (raised.value.code, raised.value.field) == (code, field)
    assert env_file.read_text() == before
    assert [path.name for path in env_file.parent.iterdir()] == [".env"]


def test_a_file_that_cannot_be_written(make: Make, monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    configuration = make()
    monkeypatch.setattr("bssci.settings.configuration.write_atomically", refuse)
    with pytest.raises(CommandError, match="No space left") as raised:
        result_of(configuration.change({"STATUS_INTERVAL": "60"}))
    assert raised.value.code == "unavailable"
    assert configuration.current.status_interval == 100


def test_a_change_needs_no_other_file(env_file: Path) -> None:
    # A copy of it could be read by others for a moment, and a file mounted alone has no place beside it.
    seen: list[list[str]] = []

    def look(settings: Settings, names: Collection[str]) -> None:
        seen.append([path.name for path in env_file.parent.iterdir()])

    configuration = Configuration(CATALOGUE, {}, {}, env_file, maybeDeferred, [look])
    result_of(configuration.change({"STATUS_INTERVAL": "60"}))
    assert seen == [[".env"]]


def test_the_file_keeps_its_rights_but_those_of_everybody(make: Make, env_file: Path) -> None:
    configuration = make()
    for before, after in ((0o644, 0o640), (0o600, 0o600)):
        env_file.chmod(before)
        result_of(configuration.change({"STATUS_INTERVAL": str(before)}))
        assert env_file.stat().st_mode & 0o777 == after


def test_a_watcher_that_fails_keeps_nobody_else_from_hearing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = make()
    failures: list[str] = []
    monkeypatch.setattr(configuration, "log", _Log(failures))
    told: list[Settings] = []
    configuration.watch(["STATUS_INTERVAL"], lambda settings: 1 / 0)
    configuration.watch(["STATUS_INTERVAL"], told.append)
    result_of(configuration.change({"STATUS_INTERVAL": "60"}))
    assert len(told) == len(failures) == 1


class _Log:
    def __init__(self, failures: list[str]) -> None:
        self._failures = failures

    def info(self, text: str, **_: object) -> None:
        """Nobody reads it."""

    def failure(self, text: str, **_: object) -> None:
        self._failures.append(text)


def test_what_would_be_is_only_looked_at(make: Make, env_file: Path) -> None:
    configuration, before = make(), env_file.read_text()
    checked = result_of(ensureDeferred(configuration.check({"STATUS_INTERVAL": "60"})))
    assert checked.status_interval == 60
    assert configuration.current.status_interval == 100
    assert env_file.read_text() == before


def test_what_the_service_could_not_start_with_is_refused(make: Make, env_file: Path) -> None:
    configuration, before = make(), env_file.read_text()
    values = {"STATUS_INTERVAL": "60", "MQTT_CA_FILE": "absent.pem"}
    for attempt in (configuration.check, configuration.change):
        with pytest.raises(CommandError, match="does not exist") as raised:
            result_of(ensureDeferred(attempt(values)))
        assert (raised.value.code, raised.value.field) == ("invalid", "MQTT_CA_FILE")
    assert result_of(ensureDeferred(configuration.draft(values))).value("MQTT_CA_FILE") == Path("absent.pem")
    assert configuration.current.status_interval == 100
    assert env_file.read_text() == before


@pytest.mark.parametrize("name", ["STATE_DIR", "SENSOR_CONFIG_FILE", "LOG_FILE"])
def test_a_place_that_cannot_be_used_is_refused(make: Make, env_file: Path, name: str) -> None:
    configuration, before = make(), env_file.read_text()
    for attempt in (configuration.check, configuration.change):
        with pytest.raises(CommandError) as raised:
            result_of(ensureDeferred(attempt({"STATUS_INTERVAL": "60", name: "/proc/x"})))
        assert (raised.value.code, raised.value.field) == ("invalid", name)
    assert env_file.read_text() == before


def test_a_state_directory_with_another_file_in_the_journals_place(make: Make, tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("no journal")
    with pytest.raises(CommandError, match="is not a journal") as raised:
        result_of(ensureDeferred(make().check({"STATUS_INTERVAL": "60", "STATE_DIR": str(tmp_path)})))
    assert (raised.value.code, raised.value.field) == ("invalid", "STATE_DIR")


def test_ports_that_the_service_itself_has_are_not_tried(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    monkeypatch.setattr("bssci.settings.trial.cannot_listen", lambda host, port: tried.append(port))
    configuration = make({"listen-host": "127.0.0.1"})
    result_of(configuration.change({"LISTEN_PORT": "16018,16019", "WEB_PORT": "5001"}))
    assert tried == [16019, 5001]
    result_of(configuration.change({"MQTT_BROKER": "embedded", "LISTEN_PORT": "16018,16019"}))
    assert tried == [16019, 5001, 16019, 1883]
    result_of(configuration.change({"MQTT_BROKER": "embedded", "WEB_PORT": "5000"}))
    assert tried == [16019, 5001, 16019, 1883]


def test_a_sink_that_is_not_installed_is_refused(make: Make) -> None:
    configuration = make()
    with pytest.raises(CommandError, match="no sink 'paper'") as raised:
        result_of(configuration.change({"STATUS_INTERVAL": "60", "SINKS": "paper"}))
    assert raised.value.field == "SINKS"
    assert result_of(configuration.change({"STATUS_INTERVAL": "60"})) == {"STATUS_INTERVAL"}


def test_secrets_are_masked(make: Make) -> None:
    shown = make().shown(["MQTT_PASSWORD", "SINKS", "STATE_DIR", "STATUS_INTERVAL"])
    assert shown == {
        "MQTT_PASSWORD": MASK,
        "SINKS": ["mqtt", "log"],
        "STATE_DIR": "data",
        "STATUS_INTERVAL": 100,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (0.5, "0.5"),
        ("x", "x"),
        ([1, "a"], "1,a"),
        (None, ""),
    ],
)
def test_values_of_json_as_text(value: object, text: str) -> None:
    assert setting_text("X", value) == text


@pytest.mark.parametrize("value", [{}, [[]], [None]])
def test_values_that_no_setting_has(value: object) -> None:
    with pytest.raises(CommandError) as raised:
        setting_text("X", value)
    assert raised.value.field == "X"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STATUS_INTERVAL", [1]),
        ("STATUS_INTERVAL", []),
        ("STATUS_INTERVAL", True),
        ("MQTT_TLS", 1),
        ("MQTT_TLS", [True]),
        ("MQTT_USERNAME", ["me"]),
        ("MQTT_USERNAME", False),
        ("SINKS", True),
        ("SINKS", ["mqtt,log"]),
        ("SINKS", [True]),
        ("SOURCE_MQTT_RULES", []),
    ],
)
def test_a_value_of_another_type_than_its_setting_has(make: Make, name: str, value: object) -> None:
    configuration = make()
    with pytest.raises(CommandError, match=f"{name} must be .") as raised:
        configuration.texts({name: value})
    assert (raised.value.code, raised.value.field) == ("invalid", name)
    allowed = configuration.catalogue.rows[name].parser.allowed
    assert allowed in raised.value.message


def test_values_of_the_type_that_their_settings_have(make: Make) -> None:
    values = {
        "STATUS_INTERVAL": 60,
        "MQTT_TLS": False,
        "LISTEN_PORT": [16018, "16017"],
        "SINKS": ["log"],
        "MQTT_VERSION": 5,
        "MQTT_PORT": None,
        "LISTEN": ["tcp:16018", "tcp:16017:interface=10.0.0.5"],
    }
    texts = make().texts(values)
    assert texts == {
        "STATUS_INTERVAL": "60",
        "MQTT_TLS": "false",
        "LISTEN_PORT": "16018,16017",
        "SINKS": "log",
        "MQTT_VERSION": "5",
        "MQTT_PORT": "",
        "LISTEN": "tcp:16018,tcp:16017:interface=10.0.0.5",
    }
    rows = make().catalogue.rows
    assert rows["LISTEN"].parse(texts["LISTEN"], "") == ("tcp:16018", "tcp:16017:interface=10.0.0.5")


def test_every_value_that_is_shown_is_json_and_can_be_set_again(make: Make) -> None:
    rules = [{"topic": "weather/{device}", "values": {"t": {"path": "a.b", "unit": "°C"}}}]
    values = {"SOURCE_MQTT_RULES": json.dumps(rules), "LISTEN": "tcp:1; tcp:2", "FILE_EVENTS": "uplink"}
    configuration = make()
    wanted = result_of(ensureDeferred(configuration.draft(values)))
    shown = json.loads(json.dumps(configuration.shown(list(values), wanted)))
    again = result_of(ensureDeferred(configuration.draft(configuration.texts(shown))))
    assert json.loads(shown["SOURCE_MQTT_RULES"]) == rules
    assert {name: again.value(name) for name in values} == {name: wanted.value(name) for name in values}


def test_a_file_that_cannot_be_used_is_trouble_until_it_can(make: Make, env_file: Path) -> None:
    configuration, good = make(), env_file.read_text()
    env_file.write_text("STATUS_INTERVAL=often\n")
    with pytest.raises(CommandError):
        result_of(configuration.reload())
    assert "STATUS_INTERVAL" in configuration.trouble
    env_file.write_text(good)
    assert result_of(configuration.reload()) == frozenset() and configuration.trouble == ""


def test_a_change_that_mends_the_file_ends_the_trouble_with_it(make: Make, env_file: Path) -> None:
    configuration = make()
    env_file.write_text(env_file.read_text().replace("100", "often"))
    with pytest.raises(CommandError):
        result_of(configuration.reload())
    assert result_of(configuration.change({"STATUS_INTERVAL": "60"})) == {"STATUS_INTERVAL"}
    assert configuration.trouble == "" and "STATUS_INTERVAL=60\n" in env_file.read_text()


def test_a_secret_in_a_file_of_its_own_is_read_again(make: Make, env_file: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one")
    second.write_text("three")
    env_file.write_text(f"MQTT_USERNAME=me\nMQTT_PASSWORD_FILE={first}\n")
    configuration = make()
    assert configuration.files() == (env_file, first)
    first.write_text("two")
    assert result_of(configuration.reload()) == {"MQTT_PASSWORD"}
    assert configuration.current.value("MQTT_PASSWORD") == "two"
    env_file.write_text(f"MQTT_USERNAME=me\nMQTT_PASSWORD_FILE={second}\n")
    assert result_of(configuration.reload()) == {"MQTT_PASSWORD"}
    assert configuration.files() == (env_file, second)


def test_of_two_files_the_one_that_takes_precedence_is_watched(
    make: Make, env_file: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("one")
    second.write_text("two")
    env_file.write_text(f"MQTT_USERNAME=me\nMQTT_PASSWORD_FILE={first}\n")
    configuration = make(environ={"MQTT_PASSWORD_FILE": str(second)})
    assert configuration.current.value("MQTT_PASSWORD") == "two"
    assert configuration.files() == (env_file, second)
