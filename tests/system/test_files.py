"""Files that survive a crash."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from bssci.system import files
from bssci.system.files import (
    ROOM,
    Drafts,
    hold_room,
    in_folders,
    make_directory,
    prepare_directory,
    scratch_directory,
    sweep,
    try_to_write,
    write_atomically,
)


def test_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_the_old_content_stays_until_the_new_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(path, b"new")
    assert calls == [(False, b"old"), (True, b"new")]


def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real/file")
    write_atomically(link, b"x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "file").read_bytes() == b"x"


def test_a_directory_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert prepare_directory(path) is True
    assert prepare_directory(path) is False
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert os.listdir(path) == []


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        prepare_directory(tmp_path / "file")


def test_the_mode_stays_but_others_lose_their_rights(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o664)
    write_atomically(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    path.chmod(0o664)
    write_atomically(path, b"two", private=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_the_owner_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    given: list[tuple[int, int]] = []
    real = os.stat

    def owned_by_others(name: Any, **options: Any) -> Any:
        found = list(real(name, **options))
        if name == path:
            found[stat.ST_UID], found[stat.ST_GID] = 4711, 4712
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", owned_by_others)
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: given.append((uid, gid)))
    write_atomically(path, b"new")
    assert given == [(4711, 4712)]
    assert path.read_bytes() == b"new"


def test_somebody_elses_file_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"older")
    inode = path.stat().st_ino
    real = os.stat

    def owned_by_others(name: Any, **options: Any) -> Any:
        found = list(real(name, **options))
        if name == path:
            found[stat.ST_UID] = 4711
        return os.stat_result(found)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "stat", owned_by_others)
    monkeypatch.setattr(os, "fchown", refuse)
    write_atomically(path, b"new")
    monkeypatch.undo()
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", inode)
    assert (tmp_path / "file.bak").read_bytes() == b"older"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.bak"]


def test_a_file_that_cannot_grow_in_place_keeps_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old content")
    system_write = files._overwrite

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "busy")

    def half(file: Any, data: bytes) -> None:
        system_write(file, data[:3])
        monkeypatch.setattr(files, "_overwrite", system_write)
        raise OSError(errno.ENOSPC, "No space left on device")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(files, "_overwrite", half)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new and longer content")
    assert path.read_bytes() == b"old content"
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new and longer content")
    assert path.read_bytes() == b"old content"


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV])
def test_a_file_mounted_alone_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a longer old content")
    inode = path.stat().st_ino

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    write_atomically(path, b"new")
    assert (path.read_bytes(), path.stat().st_ino) == (b"new", inode)
    assert (tmp_path / "file.bak").read_bytes() == b"a longer old content"
    assert stat.S_IMODE((tmp_path / "file.bak").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["file", "file.bak"]


def test_a_directory_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    with pytest.raises(OSError, match="Read-only"):
        write_atomically(tmp_path / "other", b"new")


def test_a_new_file_is_the_directorys_owners_if_root_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    real = os.stat

    def owned_by_others(name: Any, **options: Any) -> Any:
        found = list(real(name, **options))
        found[stat.ST_UID], found[stat.ST_GID] = 4711, 4712
        return os.stat_result(found)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: given.append((uid, gid)))
    monkeypatch.setattr(
        files.os,
        "stat",
        lambda name, **o: owned_by_others(name, **o) if name == tmp_path else real(name, **o),
    )
    write_atomically(tmp_path / "new", b"")
    os.close(files.open_lock(tmp_path / "lock"))
    assert given == [(4711, 4712)] * 2


def test_a_draft_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
    )
    old = os.umask(0)
    try:
        write_atomically(tmp_path / "key.pem", b"secret")
        with scratch_directory(tmp_path) as scratch:
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
    finally:
        os.umask(old)
    assert modes[0] == 0o600


def dead_process() -> int:
    """A number that no process has."""
    return next(pid for pid in range(4_000_000, 5_000_000) if not Path(f"/proc/{pid}").exists())


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    dead, alive = dead_process(), os.getppid()
    gone = [f".sc.key.{dead}.abcd_fg1.new", f".env.{os.getpid()}.abcdefgh.new", ".sc.key.abcdefgh"]
    kept = [f".sc.key.{alive}.abcdefgh.new", "sc.key", ".other.abcdefgh", ".env.new", f".x.{dead}.abcdefgh"]
    for name in [*gone, *kept]:
        (tmp_path / name).write_bytes(b"secret")
    for name in (f".scratch.{dead}.abcdefgh", "tmpabcdefgh"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca_key.pem").write_bytes(b"secret")
    for name in (".sc.key.abcdefgh", ".other.abcdefgh", "tmpabcdefgh"):
        os.utime(tmp_path / name, (1, 1))
    removed = sweep([tmp_path, tmp_path / "missing"], ["sc.key"])
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
    assert len(removed) == 5


def test_what_stands_in_the_way_of_writing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert try_to_write(path) is None
    real = os.stat

    def owned_by_root(name: Any, **options: Any) -> Any:
        found = list(real(name, **options))
        found[stat.ST_UID] = 0 if name == path else 4711
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", owned_by_root)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    reason = try_to_write(path)
    assert reason is not None and "belongs to user 0, its directory to user 4711; run `chown 4711:" in reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_new_directories_belong_to_the_owner_of_the_one_above(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    make_directory(tmp_path / "a" / "b", 0o700)
    make_directory(tmp_path / "a" / "b", 0o700)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_the_files_in_folders(tmp_path: Path) -> None:
    assert in_folders(tmp_path / "none") == []
    for name in ("b/2", "b/1", "a/3", "4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "deeper").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in in_folders(tmp_path)] == ["a/3", "b/1", "b/2"]


def test_a_directory_cannot_be_made_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        make_directory(tmp_path / "file")


def test_room_is_held_until_it_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))
    with hold_room(path) as held:
        status = os.fstat(held.fileno())
        assert status.st_size == 100_000 + ROOM and status.st_blocks * 512 >= status.st_size
        assert os.listdir(tmp_path) == ["file"]
    for size, held_size in ((50_000, 100_000), (300_000, 300_000)):
        with hold_room(path, size) as held:
            assert os.fstat(held.fileno()).st_size == held_size + ROOM
    hold_room(tmp_path / "new").close()

    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        hold_room(path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_is_written_in_place_needs_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    path.write_bytes(b"x")
    hold_room(path).close()
    with pytest.raises(OSError, match="Read-only"):
        hold_room(tmp_path / "new")


def test_drafts_replace_their_files_together(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    one.chmod(0o640)
    drafts = Drafts({one: b"new", two: b"first"}, 0o644)
    assert one.read_text() == "old" and not two.exists()
    drafts.place()
    assert (one.read_text(), two.read_text()) == ("new", "first")
    assert tuple(stat.S_IMODE(path.stat().st_mode) for path in (one, two)) == (0o640, 0o644)
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


def test_drafts_that_are_discarded_or_cannot_be_written_change_nothing(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("old")
    Drafts({one: b"new", tmp_path / "two": b"first"}).discard()
    with pytest.raises(FileNotFoundError):
        Drafts({one: b"new", tmp_path / "missing" / "two": b"first"})
    assert one.read_text() == "old" and os.listdir(tmp_path) == ["one"]


def test_a_draft_of_a_file_mounted_alone_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")
    drafts = Drafts({one: b"new", two: b"first"})
    replace = os.replace

    def refuse(source: str, target: Path) -> None:
        if target == one:
            raise OSError(errno.EBUSY, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", refuse)
    drafts.place()
    assert (one.read_text(), two.read_text()) == ("new", "first")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
