"""Whole lines in the file that has the name, whatever becomes of disk, folder and file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bssci import extensions
from bssci.extensions import SINK
from bssci.settings.rows import SettingsError
from bssci.sinks import file as module
from bssci.sinks.file import FileSettings, FileSink, FileTrouble, LinesFile, rotated_files
from bssci.sinks.json_events import KINDS
from bssci.sinks.testing import SinkBench, SinkConformance, every_event, reception, uplink, uplinks
from tests.support.settings import INSTALLED, settings_of

LINE = b'{"kind":"x","timestamp":1000.0,"a":1}\n'
NEXT = b'{"kind":"y","timestamp":2000.0,"a":2}\n'


class FileBench(SinkBench):
    def __init__(self, folder: Path) -> None:
        self._path = folder / "out" / "events.jsonl"
        self._path.parent.mkdir()

    def make_sink(self) -> FileSink:
        return FileSink(LinesFile(FileSettings(self._path, max_bytes=5000), lambda: 1_700_000_000.0))

    def received(self) -> list[str]:
        files = [*rotated_files(self._path), self._path]
        lines = [line for each in files if each.exists() for line in each.read_text().splitlines()]
        return [event["id"] for event in map(json.loads, lines) if event["kind"] == "uplink"]

    def break_other_side(self) -> None:
        self._path.parent.rename(self._path.parent.with_name("away"))

    def mend_other_side(self) -> None:
        self._path.parent.with_name("away").rename(self._path.parent)

    def refused_event(self) -> Any:
        return uplink(77, receptions=[reception(77, profile="half a character \ud800")])


class TestFile(SinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> SinkBench:
        return FileBench(tmp_path)


class Place:
    """A file in a folder, and the time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        self.now = 1_700_000_000.0

    def open(self, **settings: Any) -> LinesFile:
        return LinesFile(FileSettings(self.path, **settings), lambda: self.now)

    def append(self, *lines: bytes, **settings: Any) -> None:
        file = self.open(**settings)
        for line in lines:
            file.append(line)
        file.close()

    def rotated(self) -> dict[str, bytes]:
        return {each.name: each.read_bytes() for each in rotated_files(self.path)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, code: int, after: int = 0) -> None:
    """Let a call of the system fail from its ``after``-th call on."""
    real: Callable[..., Any] = getattr(os, name)
    calls = [0]

    def fail(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise OSError(code, os.strerror(code))
        return real(*arguments, **options)

    monkeypatch.setattr(module.os, name, fail)


def test_a_new_file_is_for_its_owner_and_its_group_and_another_keeps_its_mode(place: Place) -> None:
    before = os.umask(0)
    try:
        place.append(LINE)
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o640
        place.path.chmod(0o600)
        place.append(LINE)
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o600
    assert place.path.read_bytes() == LINE * 2


@pytest.mark.parametrize("torn", [b"{", b'{"kind', LINE[:-1], b'{"kind":"' + b"x" * 200_000, b"\0" * 5000])
def test_a_torn_line_is_cut_off(place: Place, torn: bytes) -> None:
    for whole in (b"", LINE):
        place.path.write_bytes(whole + torn)
        place.append(NEXT)
        assert place.path.read_bytes() == whole + NEXT


@pytest.mark.parametrize("foreign", [b"root:x:0:0", LINE + b"no line break", b'{"kinds": 1}'])
def test_what_others_wrote_is_not_cut_off(place: Place, foreign: bytes) -> None:
    place.path.write_bytes(foreign)
    with pytest.raises(FileTrouble, match=r"incomplete and not ours.*FILE_PATH"):
        place.append(NEXT)
    assert place.path.read_bytes() == foreign


def test_a_huge_file_without_a_line_break_is_not_read_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100_000)
    place.path.write_bytes(b'{"kind":' * 100_000)
    with pytest.raises(FileTrouble, match="incomplete and not ours"):
        place.append(NEXT)


def test_it_is_rotated_by_size(place: Place) -> None:
    place.append(LINE, LINE, NEXT, max_bytes=len(LINE) * 2)
    assert place.path.read_bytes() == NEXT
    assert place.rotated() == {"events.20231114T221320Z-000.jsonl": LINE * 2}


def test_a_batch_that_is_larger_than_a_file_may_be_has_one_of_its_own(place: Place) -> None:
    place.append(LINE * 9, NEXT, max_bytes=10)
    assert place.path.read_bytes() == NEXT
    assert list(place.rotated().values()) == [LINE * 9]


def test_it_is_rotated_by_age(place: Place) -> None:
    file = place.open(max_age=3600)
    file.append(LINE)
    place.now += 3599
    file.append(LINE)
    place.now += 1
    file.append(NEXT)
    assert (place.path.read_bytes(), list(place.rotated().values())) == (NEXT, [LINE * 2])
    place.now += 3599
    file.append(NEXT)
    assert place.path.read_bytes() == NEXT * 2
    file.close()


def test_its_age_survives_a_restart(place: Place) -> None:
    place.now = 1500.0
    place.append(LINE, NEXT, max_age=600)  # its first line is of second 1000
    place.now = 1599.0
    place.append(NEXT, max_age=600)
    assert place.rotated() == {}
    place.now = 1600.0
    place.append(NEXT, max_age=600)
    assert (place.path.read_bytes(), list(place.rotated().values())) == (NEXT, [LINE + NEXT * 2])


def test_old_files_are_deleted_and_no_others(place: Place) -> None:
    bystander = place.path.with_name("events.20200101T000000Z-000.jsonl.gz")
    bystander.write_bytes(b"")
    for number in range(5):
        place.now += 10
        place.append(b'{"kind":%d}\n' % number, max_bytes=1, keep=2)
    assert list(place.rotated().values()) == [b'{"kind":2}\n', b'{"kind":3}\n']
    assert bystander.exists()


def test_files_of_one_second_do_not_replace_each_other(place: Place) -> None:
    place.append(*[b'{"kind":%d}\n' % number for number in range(12)], max_bytes=1)
    assert list(place.rotated().values()) == [b'{"kind":%d}\n' % number for number in range(11)]


@pytest.mark.parametrize("done", ["moved", "deleted", "replaced", "emptied"])
def test_what_others_do_to_the_file_is_noticed(place: Place, done: str) -> None:
    file = place.open()
    file.append(LINE)
    if done == "moved":
        place.path.rename(place.path.with_suffix(".1"))
    elif done == "deleted":
        place.path.unlink()
    elif done == "replaced":
        place.path.rename(place.path.with_suffix(".1"))
        place.path.touch()
    else:
        os.truncate(place.path, 0)
    file.append(NEXT)
    file.close()
    assert place.path.read_bytes() == NEXT
    if done in ("moved", "replaced"):
        assert place.path.with_suffix(".1").read_bytes() == LINE


def test_a_file_that_is_deleted_while_it_is_written_to_has_taken_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def unlink(descriptor: int) -> None:
        real(descriptor)
        place.path.unlink()

    file = place.open()
    file.append(LINE)
    with monkeypatch.context() as patch, pytest.raises(FileTrouble, match="deleted while"):
        patch.setattr(module.os, "fsync", unlink)
        file.append(NEXT)
    file.append(NEXT)
    file.close()
    assert place.path.read_bytes() == NEXT


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("open", errno.EROFS, "the file system is read-only"),
        ("open", errno.EACCES, "the service's user has no permission"),
        ("write", errno.ENOSPC, "the disk is full"),
        ("write", errno.EIO, "the disk reports an error"),
        ("fsync", errno.EDQUOT, "the disk quota is used up"),
    ],
)
def test_what_is_wrong_is_said_and_passes(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str, code: int, said: str
) -> None:
    file = place.open()
    with monkeypatch.context() as patch, pytest.raises(FileTrouble) as refused:
        refuse(patch, call, code)
        file.append(LINE)
    assert str(refused.value) == f"{place.path} cannot be written: {said}"
    file.append(NEXT)
    file.close()
    assert place.path.read_bytes() == NEXT


def test_a_missing_folder_is_not_made(place: Place) -> None:
    place.path = place.path.parent / "missing" / "events.jsonl"
    with pytest.raises(FileTrouble, match=r"there is no folder .*missing$"):
        place.append(LINE)
    assert not place.path.parent.exists()


def test_a_full_disk_leaves_no_part_of_a_batch(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.append(LINE)
    real, room = os.write, [20]

    def write(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "full")
        written = real(descriptor, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patch, pytest.raises(FileTrouble):
        patch.setattr(module.os, "write", write)
        place.append(NEXT * 3)
    assert place.path.read_bytes() == LINE


def test_what_is_no_file_is_refused(place: Place) -> None:
    os.mkfifo(place.path)
    with pytest.raises(FileTrouble, match="not a regular file"):
        place.append(LINE)
    place.path.unlink()
    place.path.mkdir()
    with pytest.raises(FileTrouble, match="it is a folder"):
        place.append(LINE)


def test_two_who_write_do_not_cut_off_each_others_lines(place: Place) -> None:
    place.path.touch()
    with place.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FileTrouble, match="another process is writing"):
            place.append(LINE)
    place.append(LINE)
    assert place.path.read_bytes() == LINE


@pytest.mark.parametrize("sync", [True, False])
def test_a_batch_is_forced_to_the_disk_if_that_is_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    forced: list[int] = []
    monkeypatch.setattr(module.os, "fsync", lambda descriptor: forced.append(os.fstat(descriptor).st_size))
    place.append(LINE, sync=sync)
    assert (len(LINE) in forced) is sync


async def test_only_the_kinds_that_are_asked_for(place: Place) -> None:
    sink = FileSink(place.open(), frozenset({"uplink", "sensor-warning"}))
    await sink.deliver(every_event())
    await sink.deliver([event for event in every_event() if not hasattr(event, "receptions")][:2])
    await sink.stop()
    kinds = [json.loads(line)["kind"] for line in place.path.read_text().splitlines()]
    assert kinds == ["uplink"] * 3 + ["sensor-warning"]


async def test_a_line_holds_what_the_event_says(place: Place) -> None:
    sink = FileSink(place.open())
    await sink.deliver([uplink(7)])
    await sink.stop()
    line = json.loads(place.path.read_text())
    assert (line["kind"], line["id"], line["cnt"], line["data"]) == ("uplink", "uplink-7", 7, [1, 255])


def build(**texts: str) -> Any:
    return extensions.build(SINK, INSTALLED.sinks["file"], settings_of(environ=texts), None)


def test_it_is_found_and_built(tmp_path: Path) -> None:
    assert isinstance(build(), FileSink)
    assert isinstance(build(FILE_PATH=str(tmp_path / "x.log"), FILE_EVENTS=", ".join(KINDS)), FileSink)


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("FILE_MAX_SIZE", "-1", "a whole number from 0"),
        ("FILE_MAX_AGE", "a day", "a number from 0"),
        ("FILE_KEEP", "x", "a whole number from 0"),
        ("FILE_SYNC", "maybe", "true or false"),
        ("FILE_EVENTS", "uplink,uplonk", "of uplink, sensor-status"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}=.*{allowed}"):
        build(**{name: text})


WRITER = """
import sys, time
from pathlib import Path
from bssci.sinks.file import FileSettings, LinesFile
from bssci.sinks.json_events import encode_batch
from bssci.sinks.testing_events import uplink

file = LinesFile(FileSettings(Path(sys.argv[1]), max_bytes=200_000), time.time)
number = 0
while True:
    batch = [uplink(counter, payload=bytes(200)) for counter in range(number, number + 50)]
    file.append(b"".join(each.json + b"\\n" for each in encode_batch(batch, frozenset()).events))
    number += 50
    print(number, flush=True)
"""


@pytest.mark.parts
def test_what_was_taken_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    taken = 0
    while taken < 2000:
        taken = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    taken = max([taken, *map(int, process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    with path.open("ab") as file:
        file.write(b'{"kind":"upli')  # as the crash would have left it
    LinesFile(FileSettings(path), lambda: 0.0).append(
        b"".join(json.dumps({"kind": "uplink", "id": each.id}).encode() + b"\n" for each in uplinks(1))
    )
    ids = [
        json.loads(line)["id"]
        for each in [*rotated_files(path), path]
        for line in each.read_text().splitlines()
    ]
    assert list(dict.fromkeys(ids))[:taken] == [f"uplink-{number}" for number in range(taken)]
    assert ids[-1] == "uplink-1"


def test_a_trial_says_whether_the_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(path: Path) -> tuple[str, str]:
        chosen = settings_of(environ={"FILE_PATH": str(path)})
        [found] = extensions.check(SINK, INSTALLED.sinks["file"], chosen)
        return found

    file = tmp_path / "events.jsonl"
    assert tried(file) == ("ok", f"file: {file} can be written")
    assert not file.exists()
    away = tmp_path / "away" / "events.jsonl"
    assert tried(away) == ("error", f"file: there is no folder {away.parent}: make it, or change FILE_PATH")
    assert tried(tmp_path) == ("error", f"file: {tmp_path} is not a file; change FILE_PATH")
    monkeypatch.setattr(module.os, "access", lambda path, mode: path != tmp_path)
    assert tried(file) == ("error", f"file: {file}: this user may not write it, or its folder")
