from __future__ import annotations

from pathlib import Path

import pytest

from bssci.settings import env_file
from bssci.settings.rows import SettingsError

KNOWN = ("SINKS", "MQTT_PASSWORD")


def test_settings_are_read_and_what_is_none_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nSINKS=log\nSINK=mqtt\n\nSINKS='mqtt,log'\nmqtt_password=x\n")
    values, warnings = env_file.read(path, KNOWN)
    assert values == {"SINKS": "mqtt,log"}
    assert warnings == [
        f"{path} line 3: SINK is not a setting; SINKS is",
        f"{path} line 5: SINKS is repeated, the last one counts",
        f"{path} line 6: mqtt_password is not a setting; MQTT_PASSWORD is",
    ]


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert env_file.read(tmp_path / ".env", KNOWN) == ({}, [])


def test_what_is_set_stands_where_it_stood_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# ours\nOTHER=1\nSINKS=log # only this\n")
    path.write_bytes(env_file.updated(path, {"SINKS": "mqtt", "MQTT_PASSWORD": "it's\\ #1"}))
    assert path.read_text() == "# ours\nOTHER=1\nSINKS=mqtt # only this\nMQTT_PASSWORD='it\\'s\\\\ #1'\n"
    assert env_file.read(path, KNOWN)[0] == {"SINKS": "mqtt", "MQTT_PASSWORD": "it's\\ #1"}


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("SINKS=log # a'b\n", "mqtt", "SINKS=mqtt # a'b\n"),
        ("SINKS=log # ours\n", "", "SINKS='' # ours\n"),
        ("SINKS= # ours\n", "mqtt", "SINKS=mqtt # ours\n"),
        ("SINKS=\n# ours\n", "mqtt", "SINKS=mqtt\n# ours\n"),
        ("SINKS='a = # b' # ours\n", "x y", "SINKS='x y' # ours\n"),
        ('SINKS="a\\" # b"\n', "mqtt", "SINKS=mqtt\n"),
        ("SINKS=a#b\n", "mqtt", "SINKS=mqtt\n"),
        ("\nSINKS=#b\n", "mqtt", "\nSINKS=mqtt\n"),
        ("SINKS='a\nb'\n", "mqtt", "SINKS=mqtt\n"),
        ("SINKS='a'#b\n", "mqtt", "SINKS=mqtt\n"),
        ("\n\nexport SINKS=log\t# ours", "mqtt", "\n\nexport SINKS=mqtt\t# ours\n"),
    ],
)
def test_what_stands_around_an_assignment_is_kept(
    tmp_path: Path, before: str, value: str, after: str
) -> None:
    path = tmp_path / ".env"
    path.write_text(before)
    path.write_bytes(env_file.updated(path, {"SINKS": value}))
    assert path.read_text() == after
    assert env_file.read(path, KNOWN)[0] == {"SINKS": value}


def test_values_that_end_in_a_backslash_do_not_reach_into_others(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    values = {"SINKS": "a\\", "MQTT_PASSWORD": "b c\\"}
    path.write_bytes(env_file.updated(path, values))
    assert env_file.read(path, KNOWN)[0] == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SINKS=log\nnonsense here\n", "line 2: only NAME=value"),
        (b"# ours\n\nSINKS=\xff", "line 3: is not UTF-8"),
        (b"SIN\xe4=log", "line 1: is not UTF-8"),
        ("SINKS=log\n".encode("utf-16"), "line 1: is not UTF-8"),
    ],
)
def test_a_file_that_is_wrong_is_named_and_not_written(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        env_file.updated(path, {"SINKS": "mqtt"})
    assert path.read_bytes() == content


def test_comments_may_be_in_any_encoding_and_are_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"# Z\xe4hler\nSINKS=log # f\xfcr\nMQTT_PASSWORD='\xc3\xbc'\n# S\xfcd\n")
    assert env_file.read(path, KNOWN) == ({"SINKS": "log", "MQTT_PASSWORD": "ü"}, [])
    path.write_bytes(env_file.updated(path, {"MQTT_PASSWORD": "x"}))
    assert path.read_bytes() == b"# Z\xe4hler\nSINKS=log # f\xfcr\nMQTT_PASSWORD=x\n# S\xfcd\n"
