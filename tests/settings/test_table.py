"""Settings: every way in, every way to be wrong."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bssci.settings import env_file as env_files
from bssci.settings.catalogue import shown
from bssci.settings.rows import MASK, SettingsError
from bssci.settings.table import Settings
from tests.support.settings import CATALOGUE, settings_with

SETTINGS = CATALOGUE.rows
ROOT = Path(__file__).parents[2]
NO_FILE = Path("/nonexistent/.env")


def load(options=None, environ=None, env_file=NO_FILE) -> Settings:
    return CATALOGUE.load(options or {}, environ or {}, env_file)[0]


def refusal(options=None, environ=None, env_file=NO_FILE) -> str:
    with pytest.raises(SettingsError) as caught:
        load(options, environ, env_file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_defaults_are_those_of_the_contract() -> None:
    chosen = load()
    assert chosen.listen_port == (16018,)
    assert chosen.cert_file == Path("certs/service_center_cert.pem")
    assert chosen.sc_eui is None
    assert chosen.sinks == ("mqtt", "log")
    assert chosen.deduplication_delay == 2.0
    assert chosen.auto_detach_enabled is True
    assert chosen.value("MQTT_CA_FILE") is None
    assert (chosen.web_host, chosen.web_port) == ("127.0.0.1", 5000)
    assert chosen == settings_with()


def test_the_command_line_wins_over_environment_over_env_file_over_default(env_file: Path) -> None:
    env_file.write_text("LISTEN_PORT=1\nMQTT_PORT=1\nWEB_PORT=1\n")
    environ = {"LISTEN_PORT": "2", "MQTT_PORT": "2"}
    options = {"listen-port": "3", "mqtt-port": None, "version": 1}
    chosen, origins, warnings, _ = CATALOGUE.load(options, environ, env_file)
    assert (chosen.listen_port, chosen.value("MQTT_PORT"), chosen.web_port) == ((3,), 2, 1)
    assert [origins[name] for name in ("LISTEN_PORT", "MQTT_PORT", "WEB_PORT", "TIMEZONE")] == [
        "command line",
        "environment",
        ".env",
        "default",
    ]
    assert origins.keys() == SETTINGS.keys()
    assert warnings == []


def test_empty_text_stands_for_the_default() -> None:
    chosen, origins, _, _ = CATALOGUE.load({}, {"LISTEN_PORT": "", "MQTT_BROKER": " "}, NO_FILE)
    assert (chosen.listen_port, chosen.value("MQTT_BROKER")) == ((16018,), "localhost")
    assert origins["LISTEN_PORT"] == "environment"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("LISTEN_PORT", "16018, 16017", (16018, 16017)),
        ("STATION_IDENTITY", "Strict", "strict"),
        ("SC_EUI", "70-b3-d5-67-70-11-15-05", "70B3D56770111505"),
        ("BASE_TOPIC", "site/mioty/", "site/mioty"),
        ("MQTT_TLS", "YES", True),
        ("AUTO_DETACH_ENABLED", "off", False),
        ("DEDUPLICATION_DELAY", "0.5", 0.5),
        ("WEB_PORT", "0", 0),
        ("TIMEZONE", "Europe/Berlin", "Europe/Berlin"),
        ("LISTEN_HOST", "::", "::"),
        ("MQTT_CA_FILE", "ca.pem", Path("ca.pem")),
        ("SINKS", "log", ("log",)),
        ("MQTT_USERNAME", " kept as it is ", " kept as it is "),
    ],
)
def test_a_setting_s_text_becomes_its_value(name: str, text: str, value: object) -> None:
    assert load(environ={name: text}).value(name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LISTEN_PORT", "0"),
        ("LISTEN_PORT", "65536"),
        ("LISTEN_PORT", "16018,16018"),
        ("LISTEN_PORT", "16018,"),
        ("WEB_PORT", "-1"),
        ("STATION_IDENTITY", "strictly"),
        ("SC_EUI", "70B3D567701115"),
        ("DEDUPLICATION_DELAY", "nan"),
        ("DEDUPLICATION_DELAY", "inf"),
        ("DEDUPLICATION_DELAY", "2s"),
        ("RETENTION_DAYS", "1.5"),
        ("AUTO_DETACH_ENABLED", "maybe"),
        ("SINKS", "mqtt,mqtt"),
        ("BASE_TOPIC", "mioty/#"),
        ("BASE_TOPIC", "/"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../etc"),
        ("MQTT_BROKER", "two words"),
        ("MQTT_CLIENT_ID", "a\nb"),
        ("MQTT_QOS", "3"),
    ],
)
def test_a_bad_value_names_setting_value_origin_and_what_is_allowed(name: str, text: str) -> None:
    message = refusal(environ={name: text})
    assert message == f"{name}={text!r} (environment): must be {SETTINGS[name].parser.allowed}"


def test_a_bad_value_of_a_file_names_the_file(env_file: Path) -> None:
    env_file.write_text("MQTT_PORT=many\n")
    assert refusal(env_file=env_file) == (
        f"MQTT_PORT='many' ({env_file}): must be a whole number from 1 to 65535"
    )


def test_a_secret_is_masked() -> None:
    assert "hunter2" not in refusal(environ={"MQTT_PASSWORD": "hunter2\x00"})
    assert "hunter2" not in refusal(environ={"MQTT_PASSWORD": "hunter2"})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"AUTO_DETACH_TIMEOUT": "100", "AUTO_DETACH_WARNING_TIMEOUT": "100"},
            "AUTO_DETACH_WARNING_TIMEOUT='100.0' (environment): must be below AUTO_DETACH_TIMEOUT=100",
        ),
        ({"MQTT_CERT_FILE": "a"}, "MQTT_CERT_FILE='a' (environment): needs MQTT_KEY_FILE too"),
        ({"MQTT_KEY_FILE": "a"}, "MQTT_KEY_FILE='a' (environment): needs MQTT_CERT_FILE too"),
        ({"MQTT_PASSWORD": "a"}, "MQTT_PASSWORD=******** (environment): needs MQTT_USERNAME too"),
        ({"WEB_PORT": "16018"}, "WEB_PORT='16018' (environment): is one of LISTEN_PORT too"),
        (
            {"MQTT_BROKER": "embedded", "MQTT_PORT": "5000"},
            "MQTT_PORT='5000' (environment): is WEB_PORT too",
        ),
        (
            {"MQTT_BROKER": "embedded", "MQTT_TLS": "true"},
            "MQTT_BROKER='embedded' (environment): the embedded broker needs MQTT_TLS=false and "
            "MQTT_TRANSPORT=tcp",
        ),
    ],
)
def test_values_that_do_not_go_together(environ: dict[str, str], message: str) -> None:
    assert refusal(environ=environ) == message


def test_tls_files_without_tls_are_warned_about() -> None:
    _, _, warnings, _ = CATALOGUE.load({}, {"MQTT_CA_FILE": "ca.pem"}, NO_FILE)
    assert warnings == ["MQTT_CA_FILE and MQTT_CERT_FILE have no effect: MQTT_TLS is false"]


def test_unknown_and_repeated_names_in_the_env_file_are_warned_about(env_file: Path) -> None:
    env_file.write_text("# comment\n\nLISTEN_PROT=1\nMQTT_PORT=1\nexport MQTT_PORT=2\n")
    chosen, _, warnings, _ = CATALOGUE.load({}, {"LISTEN_PROT": "1"}, env_file)
    assert chosen.value("MQTT_PORT") == 2
    assert warnings == [
        f"{env_file} line 3: LISTEN_PROT is not a setting; LISTEN_PORT is",
        f"{env_file} line 5: MQTT_PORT is repeated, the last one counts",
    ]


def test_all_wrong_values_are_named(env_file: Path) -> None:
    env_file.write_text("LOG_LEVEL=loud\nMQTT_PORT=0\n")
    with pytest.raises(SettingsError) as refused:
        CATALOGUE.load({}, {"TIMEZONE": "Nowhere"}, env_file)
    assert [line.split("=")[0] for line in refused.value.lines] == ["LOG_LEVEL", "TIMEZONE", "MQTT_PORT"]
    assert str(refused.value) == refused.value.lines[0]


def test_the_template_says_what_is_allowed() -> None:
    template = CATALOGUE.env_template()
    assert "# Allowed: debug or info or warn or error\n#LOG_LEVEL=info\n" in template
    assert "# Allowed: text or json; takes effect at the next start\n#LOG_FORMAT=text\n" in template


def test_a_secret_may_come_from_a_file(tmp_path: Path, env_file: Path) -> None:
    (tmp_path / "password").write_text("Pa55word\n")
    env_file.write_text(f"MQTT_USERNAME=me\nMQTT_PASSWORD_FILE={tmp_path / 'password'}\n")
    loaded = CATALOGUE.load({}, {}, env_file)
    assert loaded.settings.value("MQTT_PASSWORD") == "Pa55word"
    assert (loaded.origins["MQTT_PASSWORD"], loaded.warnings) == ("file", [])
    assert loaded.files == (tmp_path / "password",)


def test_a_secret_and_its_file_do_not_go_together() -> None:
    environ = {"MQTT_USERNAME": "me", "MQTT_PASSWORD": "a", "MQTT_PASSWORD_FILE": "b"}
    said = refusal(environ=environ)
    assert said == "MQTT_PASSWORD and MQTT_PASSWORD_FILE (environment): only one of them is allowed"


def test_a_file_with_a_secret_that_is_not_there_is_named() -> None:
    said = refusal(environ={"MQTT_PASSWORD_FILE": "/nonexistent/secret"})
    assert said == "MQTT_PASSWORD_FILE: the file that it names cannot be read: No such file or directory"


FILES = [row.file_name for row in SETTINGS.values() if row.file_name is not None]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "given", ["hunter2", "postgresql://u:hunter2@db/x", f"https://u:hunter2@h/{'x' * 300}"]
)
def test_a_secret_in_place_of_the_path_of_its_file_is_not_shown(name: str, given: str) -> None:
    try:
        settings = load(environ={name: given})
    except SettingsError as error:
        assert str(error).startswith(f"{name}: the file that it names cannot be read")
        assert "hunter2" not in " ".join(error.lines)
    else:
        # Its group reads the file, later.
        assert shown(SETTINGS[name], settings.value(name)) == MASK


PLACES = ("BROKER", "SERVERS", "HOST", "URL")


@pytest.mark.parametrize("name", [name for name, row in SETTINGS.items() if name.endswith(PLACES)])
@pytest.mark.parametrize("given", ["https://u:hunter2@h:1/x", "u:hunter2@h:1", "u:hunter2@h"])
def test_no_setting_with_an_address_shows_user_and_password(name: str, given: str) -> None:
    row = SETTINGS[name]
    try:
        value = row.parse(given, ".env")
    except SettingsError as error:
        assert "hunter2" not in str(error)
    else:
        assert shown(row, value) == MASK


def test_a_file_with_a_wrong_secret_is_named_by_its_setting(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("hunter2")
    said = refusal(environ={"ALARM_WEBHOOK_URL_FILE": str(tmp_path / "url")})
    assert said.startswith(f"ALARM_WEBHOOK_URL={MASK} (ALARM_WEBHOOK_URL_FILE): must be a URL")


def test_a_short_time_to_detach_warns_at_its_half() -> None:
    chosen = load(environ={"AUTO_DETACH_TIMEOUT": "3600"})
    assert chosen.auto_detach_warning_timeout == 1800.0


def test_the_level_warning_is_known() -> None:
    assert load(environ={"LOG_LEVEL": "WARNING"}).log_level == "warn"


@pytest.mark.parametrize("line", ["MQTT_PORT", "MQTT_PASSWORD='open", "=1"])
def test_a_line_that_is_no_assignment_is_refused(env_file: Path, line: str) -> None:
    env_file.write_text(f"WEB_PORT=0\n\n{line}\n")
    assert refusal(env_file=env_file) == f"{env_file} line 3: only NAME=value or # comment is allowed"


def test_an_env_file_that_cannot_be_read_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"MQTT_USERNAME=\xff\n")
    assert refusal(env_file=env_file) == f"{env_file} line 1: is not UTF-8: save the file as UTF-8"
    env_file.unlink()
    env_file.mkdir()
    assert refusal(env_file=env_file) == f"{env_file}: cannot be read: Is a directory"


def test_values_of_the_env_file_are_taken_literally(env_file: Path) -> None:
    env_file.write_text("MQTT_USERNAME=me\nMQTT_PASSWORD='a$HOME ${X} #1'\n")
    assert load(env_file=env_file).value("MQTT_PASSWORD") == "a$HOME ${X} #1"


def test_updating_keeps_other_lines_and_comments(env_file: Path) -> None:
    env_file.write_text("# mine\n\nexport MQTT_PORT = 1 # old\nOTHER=x\n\n#LISTEN_PORT=2\nWEB_PORT=3")
    env_file.write_bytes(env_files.updated(env_file, {"MQTT_PORT": "1884", "BASE_TOPIC": "site"}))
    assert env_file.read_text() == (
        "# mine\n\nexport MQTT_PORT=1884 # old\nOTHER=x\n\n#LISTEN_PORT=2\nWEB_PORT=3\nBASE_TOPIC=site\n"
    )


@pytest.mark.parametrize("value", ["it's", "a\\b", "back\\", "'", "a # b", " x ", "$HOME", '"q"', "ü", "a=b"])
def test_an_updated_value_reads_back(env_file: Path, value: str) -> None:
    env_file.write_bytes(env_files.updated(env_file, {"MQTT_PASSWORD": value, "MQTT_USERNAME": "after"}))
    chosen = load(env_file=env_file)
    assert (chosen.value("MQTT_PASSWORD"), chosen.value("MQTT_USERNAME")) == (value, "after")


def test_a_wrong_text_is_refused() -> None:
    with pytest.raises(SettingsError, match="MQTT_PORT='x' \\(new value\\)"):
        CATALOGUE.check_texts({"WEB_PORT": "1", "MQTT_PORT": "x"})
    with pytest.raises(SettingsError, match="NONSENSE is not a setting"):
        CATALOGUE.check_texts({"NONSENSE": "1"})


def test_what_changes_while_running_is_what_the_contract_says() -> None:
    names = (
        "STATUS_INTERVAL", "DEDUPLICATION_DELAY", "AUTO_DETACH_", "LOG_LEVEL", "RETENTION_DAYS", "MQTT_",
        "SOURCE_", "ALARM_",
    )  # fmt: skip
    assert CATALOGUE.live() == {name for name in SETTINGS if name.startswith(names)}


def test_passwords_are_secret() -> None:
    secret = {name for name, setting in SETTINGS.items() if setting.secret}
    assert secret >= {name for name in SETTINGS if name.endswith(("PASSWORD", "SECRET", "DSN"))}


def test_settings_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().web_port = 1  # type: ignore[misc]


def test_every_setting_is_an_option() -> None:
    rows = list(CATALOGUE.option_parameters())
    names = [name for name, _, _, _ in rows]
    assert set(names) >= {row.option for row in SETTINGS.values()} | {"mqtt-password-file"}
    assert len(names) == len(set(names))
    assert ("mqtt-qos", None, None, "MQTT quality of service [default: 1]") in rows


def test_the_documentation_is_up_to_date() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == CATALOGUE.documentation(), "run `make docs`"


def test_of_a_file_that_is_read_again_only_another_path_needs_a_restart() -> None:
    names = ("CERT_FILE", "SENSOR_CONFIG_FILE", "DECODER_DIR", "WEB_KEY_FILE", "POSTGRES_DSN_FILE")
    for name in names:
        row = CATALOGUE.rows[name]
        assert row.reread and not row.live
        assert row.taking_effect == "another path needs a restart, another content does not"
        assert "read again when" in row.description or "read at each" in row.description
    assert CATALOGUE.rows["STATE_DIR"].taking_effect == "needs a restart"
    assert CATALOGUE.rows["LOG_LEVEL"].taking_effect == "while running"
    assert "#SENSOR_CONFIG_FILE=" in CATALOGUE.env_template()
    assert "another path takes effect at the next start" in CATALOGUE.env_template()


def test_the_template_changes_nothing_and_shows_every_default(env_file: Path) -> None:
    env_file.write_text(CATALOGUE.env_template())
    assert CATALOGUE.load({}, {}, env_file)[0] == settings_with()
    env_file.write_text(
        "".join(
            line[1:]
            for line in CATALOGUE.env_template().splitlines(True)
            if line.startswith("#") and line[1] != " "
        )
    )
    assert dotenv_values(env_file, interpolate=False).keys() == SETTINGS.keys()
    assert CATALOGUE.load({}, {}, env_file)[0] == settings_with()


def test_the_environment_of_the_tests_sets_nothing() -> None:
    assert not SETTINGS.keys() & os.environ.keys()
