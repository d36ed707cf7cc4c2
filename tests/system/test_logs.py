"""Log lines as people and as programs read them."""

from __future__ import annotations

import json
import os
import stat
import sys
from datetime import datetime
from errno import ENOSPC
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from bssci.system import logs
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]


@pytest.fixture(autouse=True)
def _level_as_before():
    yield
    logs.set_level("info")
    logs._open_files.clear()


class Log:
    """A logger that writes to a file as the service's would."""

    def __init__(self, file: Path, **options: str) -> None:
        self.file = file
        chosen = {"level": "info", "form": "text", "timezone": "UTC"} | options
        observer = logs.observer(chosen["level"], chosen["form"], file, chosen["timezone"])
        self.publisher = LogPublisher(observer)
        self.logger = Logger(namespace="bssci.test", observer=self.publisher)

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines()


def test_a_line_of_text(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", timezone="Europe/Berlin")
    log.logger.info("station online {bs_eui}", bs_eui="CAFE")
    [line] = log.lines()
    time, rest = line.split(" ", 1)
    assert rest == "INFO  [bssci.test] station online CAFE"
    assert datetime.fromisoformat(time).utcoffset().total_seconds() in (3600, 7200)


def test_a_line_is_written_although_the_terminal_lacks_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, "latin-1"))
    observer = logs.observer("info", "text", None, "UTC")
    Logger(namespace="bssci.test", observer=observer).info("sensor {name}", name="Zähler €")
    assert written.getvalue().endswith(b"sensor Z\xe4hler \\u20ac\n")


def test_lists_are_told_as_people_write_them(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    lists = {"sinks": ["mqtt", "log"], "ports": {2, 1}, "sources": ()}
    log.logger.info("sinks {sinks} ports {ports} sources {sources}", **lists)
    assert log.lines()[0].endswith("sinks mqtt, log ports 1, 2 sources none")


def test_what_others_say_cannot_look_like_a_line_of_ours(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("refused {message}", message="no\n2026-01-01T00:00:00.000+00:00 INFO  [x] all is well")
    assert [line[:4] for line in log.lines()][1:] == ["    "]


def test_what_others_say_does_not_command_a_terminal(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("renamed {name}", name="a\x1b[31mb\rc\x9b2J\u202ed\x00\ud800 Grüße\t€")
    log.logger.info("next")
    first, second = log.file.read_text("utf-8").split("\n")[:2]
    assert first.endswith(r"renamed a\x1b[31mb\rc\x9b2J\u202ed\x00\ud800 Grüße" + "\t€")
    assert second.endswith("next")


def test_json_lines_can_be_parsed(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", form="json")
    log.logger.info("uplink {ep_eui} {snr}", ep_eui="CAFE", snr=1.5, path=tmp_path, line="a\nb")
    try:
        raise RuntimeError("bug")
    except RuntimeError:
        log.logger.failure("broken {part}", Failure(), part="x")
    first, second = map(json.loads, log.lines())
    assert first | {"time": ""} == {
        "time": "",
        "level": "info",
        "logger": "bssci.test",
        "text": "uplink CAFE 1.5",
        "ep_eui": "CAFE",
        "snr": 1.5,
        "path": str(tmp_path),
        "line": "a\nb",
    }
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert second["level"] == "critical"
    assert "RuntimeError: bug" in second["text"]


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    def refuse(number: str) -> None:
        raise AssertionError(f"{number} is no JSON")

    log = Log(tmp_path / "log", form="json")
    log.logger.info("snr {snr} {low} {high}", snr=float("nan"), low=float("-inf"), high=float("inf"), ok=1.5)
    line = json.loads(log.lines()[0], parse_constant=refuse)
    assert [line[name] for name in ("snr", "low", "high", "ok")] == [None, None, None, 1.5]
    assert line["text"] == "snr nan -inf inf"


def test_the_level_changes_while_running(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", level="warn")
    log.logger.info("one")
    logs.set_level("debug")
    assert logs.is_enabled("debug")
    log.logger.debug("two")
    logs.set_level("error")
    assert not logs.is_enabled("warn")
    log.logger.warn("three")
    log.logger.error("four")
    assert [line.rsplit(" ", 1)[1] for line in log.lines()] == ["two", "four"]


@pytest.mark.parametrize("namespace", ["log_legacy", "twisted.web.client._HTTP11ClientFactory"])
def test_twisted_s_chatter_is_left_out_and_its_errors_are_not(tmp_path: Path, namespace: str) -> None:
    log = Log(tmp_path / "log")
    log.publisher({"log_namespace": namespace, "log_level": LogLevel.info, "log_time": 0.0})
    log.publisher({"log_namespace": namespace, "log_level": LogLevel.critical, "log_time": 0.0})
    assert len(log.lines()) == 1


def test_the_file_is_rotated_and_a_bounded_number_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOG_FILE_BYTES", 1000)
    monkeypatch.setattr(logs, "LOG_FILES", 3)
    log = Log(tmp_path / "log")
    for _ in range(200):
        log.logger.info("x" * 100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.3"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Log(Path("/proc/missing/log"))


class FullDisk:
    """Takes the place of a log file's descriptor on a full disk."""

    closed = False

    def write(self, data: bytes) -> int:
        raise OSError(ENOSPC, "No space left on device")


def test_a_full_disk_is_told_elsewhere_and_after_it(tmp_path: Path, log_lines: list[str]) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("one")
    [file] = logs._open_files
    written, file._file = file._file, FullDisk()
    for _ in range(3):
        log.logger.info("lost")
    assert "No space left" in logs.trouble()
    assert [line for line in log_lines if "log file not written" in line] == [
        f"log file not written {log.file} No space left on device"
    ], "once, and without a traceback for each line"
    written.write(b"half a li")
    file._file = written
    log.logger.info("two")
    assert logs.trouble() == "" and log_lines[-1] == f"log file written again {log.file}, lines missing: 3"
    assert [line.rpartition(" ")[2] for line in log.lines()] == ["one", "li", "two"]


def test_a_disk_that_has_room_again_is_noticed_without_a_line(tmp_path: Path, log_lines: list[str]) -> None:
    log = Log(tmp_path / "log")
    [file] = logs._open_files
    written, file._file = file._file, FullDisk()
    log.logger.info("lost")
    file._file = written
    assert logs.trouble() == "" and "lines missing: 1" in log_lines[-1]


def test_a_rotation_that_fails_in_the_middle_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("one")
    [file] = logs._open_files
    with monkeypatch.context() as disk:
        file.size = logs.LOG_FILE_BYTES
        disk.setattr(os, "open", lambda *arguments: FullDisk().write(b""))
        log.logger.info("lost")
        assert logs.trouble()
    log.logger.info("two")
    assert "two" in log.lines()[-1] and "one" in (tmp_path / "log.1").read_text()


def test_a_log_file_is_its_owners_only_and_its_directory_is_made(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "bssci.log"
    old = os.umask(0)
    try:
        Log(path).logger.info("one")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_log_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("one")
    os.rename(log.file, tmp_path / "moved")
    log.logger.info("two")
    logs.reopen()
    log.logger.info("three")
    assert [line.rsplit(" ", 1)[1] for line in log.lines()] == ["three"]
    assert (tmp_path / "moved").read_text().count("\n") == 2


def test_a_log_that_cannot_be_opened_anew_goes_on(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = Log(tmp_path / "logs" / "log")
    os.rename(tmp_path / "logs", tmp_path / "moved")
    logs.reopen()
    log.logger.info("two")
    assert "two" in (tmp_path / "moved" / "log").read_text()


def test_rotation_by_hand_keeps_what_there_was(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.logger.info("one")
    logs.rotate()
    log.logger.info("two")
    assert ["one" in (tmp_path / "log.1").read_text(), "two" in log.lines()[0]] == [True, True]
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    os.rename(log.file, tmp_path / "moved")
    logs.rotate()
    log.logger.info("three")
    assert "three" in log.lines()[0]
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1", "moved"]
