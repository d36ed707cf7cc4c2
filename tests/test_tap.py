"""The options of ``twistd bssci``."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from twisted.python import usage

from bssci import extensions, tap
from bssci.system import memory
from tests.support.settings import CATALOGUE


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(*arguments: str) -> tap.Options:
    options = tap.Options()
    options.parseOptions(arguments)
    return options


def test_every_setting_is_an_option() -> None:
    options = parsed("--listen-port", "1,2", "--mqtt-qos", "0")
    assert options.configuration.current.listen_port == (1, 2)
    assert options.configuration.current.value("MQTT_QOS") == 0
    assert options.configuration.origins["LISTEN_PORT"] == "command line"
    assert {row[0] for row in tap.Options.optParameters} >= {row.option for row in CATALOGUE.rows.values()}


def test_a_wrong_value_is_one_line_with_name_and_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MQTT_QOS=7\n")
    with pytest.raises(SystemExit, match=r"MQTT_QOS='7' \(.*\.env\)") as refused:
        parsed()
    assert "\n" not in str(refused.value)


def test_an_unknown_name_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NONSENSE=1\n")
    [warning] = parsed().configuration.warnings
    assert "NONSENSE" in warning


def test_a_start_with_the_files_of_a_backup_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(tap.start_warnings(parsed()))
    monkeypatch.setattr(tap, "take_restored", lambda directory: True)
    [warning] = tap.start_warnings(parsed())
    assert "backup" in warning


def test_a_start_names_plugins_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {("sink", "half"): "sink half is incomplete: it lacks build()"}
    monkeypatch.setattr(tap, "INSTALLED", replace(tap.INSTALLED, refused=refused))
    monkeypatch.setattr(extensions, "faulty_modules", lambda: ["bssci.plugins.torn cannot be loaded"])
    assert list(tap.start_warnings(parsed())) == [
        "sink half is incomplete: it lacks build(); not used",
        "bssci.plugins.torn cannot be loaded; not used",
    ]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("bssci ")


class Twistd(usage.Options):
    """What twistd's own options are to ours."""

    optFlags = [["nodaemon", "n", ""], ["syslog", None, ""]]
    optParameters = [
        ["logger", None, None, ""],
        ["logfile", "l", None, ""],
        ["rundir", "d", ".", ""],
        ["chroot", None, None, ""],
    ]
    subCommands = [["bssci", None, tap.Options, ""]]


@pytest.mark.parametrize(
    ("arguments", "ours"), [([], True), (["--logfile", "x"], False), (["--syslog"], False)]
)
def test_twistd_s_own_log_options_come_first(arguments: list[str], ours: bool) -> None:
    twistd = Twistd()
    twistd.parseOptions([*arguments, "-n", "bssci"])
    assert (twistd["logger"] == "bssci.tap.log_observer") is ours


def test_the_log_that_twistd_writes_is_for_its_owner_only(tmp_path: Path) -> None:
    Twistd().parseOptions(["--logfile", "new", "-n", "bssci"])
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "old").touch(0o640)
    Twistd().parseOptions(["--logfile", "old", "-n", "bssci"])
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


def test_settings_are_read_in_the_directory_that_twistd_runs_in(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / ".env").write_text("LISTEN_PORT=4711\n")
    twistd = Twistd()
    twistd.parseOptions(["--rundir", "site", "--logfile", "log", "-n", "bssci"])
    options = twistd.subOptions
    assert options.configuration.current.listen_port == (4711,)
    assert (Path.cwd(), twistd["rundir"]) == (tmp_path / "site", ".")
    assert twistd["logfile"] == str(tmp_path / "log")
    with pytest.raises(SystemExit, match=r"--rundir=absent: No such file"):
        Twistd().parseOptions(["--rundir", "absent", "-n", "bssci"])


def test_a_directory_below_another_root_is_left_to_twistd(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    twistd = Twistd()
    twistd.parseOptions(["--chroot", "/x", "--rundir", "site", "-n", "bssci"])
    assert (Path.cwd(), twistd["rundir"]) == (tmp_path, "site")


def test_a_daemon_logs_to_a_file(tmp_path: Path) -> None:
    Twistd().parseOptions(["bssci"])
    tap.log_observer()
    assert (tmp_path / "twistd.log").exists()


def test_a_log_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Twistd().parseOptions(["-n", "bssci", "--log-file", "file/log"])
    with pytest.raises(SystemExit, match="LOG_FILE=.*file/log"):
        tap.log_observer()


def test_no_garbage_is_looked_for_until_the_service_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    from twisted.plugins import bssci_plugin

    called = Mock()
    for module in (bssci_plugin, memory):
        monkeypatch.setattr(module, "gc", called)
    monkeypatch.setattr(bssci_plugin, "kept_signals", Mock())
    monkeypatch.setattr(sys, "setswitchinterval", Mock())
    assert bssci_plugin.bssci.options is tap.Options
    assert [name for name, *_ in called.method_calls] == ["disable"]
    memory.collect_rarely()
    assert "enable" in [name for name, *_ in called.method_calls]
