from __future__ import annotations

import pytest

from bssci.settings import parsers
from bssci.settings.rows import MASK, Setting, SettingsError, option_of, without_user_info


def row(**changes: object) -> Setting:
    return Setting(
        **{"name": "WEB_PORT", "default": "5000", "parser": parsers.integer(0, 65535), "description": "port"}
        | changes
    )


def test_a_setting_has_a_name_for_each_place() -> None:
    setting = row(unit="s", secret=True)
    assert (setting.attribute, setting.option, setting.file_name) == ("web_port", "web-port", "WEB_PORT_FILE")
    assert setting.explained == "port (s)"
    assert row().file_name is None
    assert option_of("AUTO_DETACH_ENABLED") == "auto-detach-enabled"


@pytest.mark.parametrize(("text", "value"), [("80", 80), ("", 5000), ("  ", 5000)])
def test_an_empty_text_stands_for_the_default(text: str, value: int) -> None:
    assert row().parse(text, "environment") == value


def test_an_error_names_setting_value_origin_and_what_is_allowed() -> None:
    with pytest.raises(SettingsError) as caught:
        row().parse("-1", "environment")
    assert str(caught.value) == "WEB_PORT='-1' (environment): must be a whole number from 0 to 65535"


def test_what_is_allowed_is_said_by_the_parser_or_by_its_error() -> None:
    def parse(text: str) -> str:
        raise ValueError("allowed is a URL: https://host/path")

    assert row().fault("-1") == "must be a whole number from 0 to 65535"
    assert row(parser=parsers.Parser(parse, "")).fault("x") == "allowed is a URL: https://host/path"
    assert (row().fault("80"), row().fault("")) == (None, None)


def test_an_error_and_the_hint_of_a_value_that_may_be_empty_read_as_one_sentence() -> None:
    path = row(name="LOG_FILE", default="", parser=parsers.optional_path)
    with pytest.raises(SettingsError) as caught:
        path.parse("a\nb", "environment")
    assert str(caught.value) == f"LOG_FILE={MASK} (environment): must be a path; may be empty"
    assert path.fault("a\nb") == "must be a path; may be empty"


@pytest.mark.parametrize(
    "held", ["-----BEGIN PRIVATE KEY-----\nMIIE", r"-----BEGIN EC PRIVATE KEY-----\nMHcC"]
)
def test_what_a_file_holds_in_place_of_its_path_is_refused_and_not_shown(held: str) -> None:
    with pytest.raises(SettingsError) as caught:
        row(name="KEY_FILE", parser=parsers.path).parse(held, "environment")
    assert str(caught.value) == f"KEY_FILE={MASK} (environment): must be a path"


def test_the_path_of_a_secret_is_one_and_has_no_file_of_its_own() -> None:
    path = row(name="POSTGRES_DSN_FILE", default="", parser=parsers.optional_path, secret=True)
    assert path.file_name is None


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@sc.example/", "https://hunter2@h", "http://u:hun/ter2@h/x"]
)
def test_a_setting_that_viewers_see_takes_no_user_and_password(url: str) -> None:
    seen = row(name="WEB_URL", default="", parser=parsers.url)
    with pytest.raises(SettingsError) as caught:
        seen.parse(url, ".env")
    assert "ter2" not in str(caught.value) and "viewers see this setting" in str(caught.value)
    assert seen.fault(url) == "must have no user and password in it, because viewers see this setting"
    assert row(name="HOOK_URL", default="", parser=parsers.url, secret=True).fault(url) is None


def test_a_text_in_which_user_and_password_seem_to_begin_anew_is_looked_through_once() -> None:
    assert row(parser=parsers.boolean, default="true").fault("://" * 1_000_000) == "must be true or false"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mqtt://u:hunter2@broker:1883", f"{MASK}@broker:1883"),
        ("u:h@h@broker", f"{MASK}@broker"),
        ("ops@sc.example", "ops@sc.example"),
        ("broker:1883", "broker:1883"),
        ("", ""),
    ],
)
def test_user_and_password_are_masked_in_an_address(text: str, shown: str) -> None:
    assert without_user_info(text) == shown
    with pytest.raises(SettingsError) as caught:
        row(name="MQTT_BROKER", parser=parsers.boolean, default="true").parse(text or "x", ".env")
    assert repr(shown or "x") in str(caught.value)


def test_an_error_does_not_show_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        row(secret=True).parse("hunter2", ".env")
    assert "hunter2" not in str(caught.value)
    assert MASK in str(caught.value)
