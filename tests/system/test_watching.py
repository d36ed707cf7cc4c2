"""Files that somebody changes."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock

from bssci.system.watching import FileWatch, stamps_of


def test_a_change_is_told_once_it_is_at_rest(tmp_path: Path) -> None:
    clock, told = Clock(), []
    path = tmp_path / "endpoints.json"
    path.write_text("[]")
    watch = FileWatch(clock, lambda: [path], lambda: told.append(path.read_text()), 5.0)
    watch.start()
    clock.pump([5.0] * 3)
    assert told == []
    for text in ("[1", "[1, 2", "[1, 2]"):
        path.write_text(text)
        clock.advance(5.0)
    assert told == []
    clock.advance(5.0)
    assert told == ["[1, 2]"]
    clock.pump([5.0] * 3)
    assert told == ["[1, 2]"]
    watch.stop()
    path.write_text("[]")
    clock.pump([5.0] * 3)
    assert len(told) == 1


def test_a_change_before_the_start_counts(tmp_path: Path) -> None:
    clock, told = Clock(), []
    path = tmp_path / ".env"
    watch = FileWatch(clock, lambda: [path], lambda: told.append(1), 5.0)
    path.write_text("LOG_LEVEL=debug")
    watch.start()
    clock.pump([5.0] * 2)
    assert told == [1]
    path.unlink()
    clock.pump([5.0] * 2)
    assert told == [1, 1]


def test_another_file_is_a_change(tmp_path: Path) -> None:
    clock, told = Clock(), []
    paths = [tmp_path / "a"]
    FileWatch(clock, lambda: paths, lambda: told.append(1), 5.0).start()
    paths.append(tmp_path / "b")
    clock.pump([5.0] * 3)
    assert told == [1]
    paths[1].write_text("secret")
    clock.pump([5.0] * 3)
    assert told == [1, 1]


def test_a_file_that_becomes_readable_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text("[1]")
    status, before = path.stat(), stamps_of([path])
    while path.stat().st_ctime_ns == status.st_ctime_ns:  # the clock of a file system has ticks
        path.chmod(0o640)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert stamps_of([path]) != before


def test_a_file_that_keeps_size_and_time_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "cert.pem"
    path.write_text("[1]")
    status, before = path.stat(), stamps_of([path])
    while path.stat().st_ctime_ns == status.st_ctime_ns:
        path.write_text("[2]")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stamps_of([path]) != before
