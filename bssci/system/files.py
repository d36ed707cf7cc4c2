"""Files that survive a crash: written whole or not at all, one or several together, readable by few.

STATE_DIR/replacement.new/   files that belong together, being written
STATE_DIR/replacement/       complete, with ``plan.json``: renamed into being, so all or nothing
STATE_DIR/staged/            complete, but waits for a start: :func:`take_staged` makes it the replacement
                             then each file goes to its place, and the directory away
.NAME.PID.xxxxxxxx.new       a file being written by a process, beside NAME
STATE_DIR/.scratch.PID.xxxxxxxx/  copies that a process works with, private keys among them
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

NO_RENAME = (errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM)
"""errors of a directory in which nothing can be made or renamed, though its files can be written: they are
mounted alone"""
LEFT_OVER = 60.0
"""seconds after which a scratch file that names no process belongs to nobody"""
_PLAN = "plan.json"
_STAGED = "staged"
_MOVE, _REMOVE = "move-", "remove-"
"""beginnings of the names in the plan"""
_SCRATCH = ".scratch"
_DRAWN = r"[a-z0-9_]{8}"


def write_atomically(path: Path, data: bytes, mode: int = 0o600, *, private: bool = True) -> None:
    """Replace a file's content so that a reader, or a crash, sees the old or the new one.

    Owner, group and mode stay; a new file belongs to the owner of its directory where we may give it away.
    A symbolic link stays a link: the file it points to is replaced. Where no other file can take its place,
    it is written in place, after its old content was copied to ``NAME.bak`` if that is possible.

    :param mode: of a new file.
    :param private: take away what rights others than owner and group may have had: there are secrets in it.
    :raises OSError: if it cannot be written; the old content is untouched.
    """
    target = Path(os.path.realpath(path))
    before = _status(target)
    try:
        name = _draft(target, data, mode, before, private)
    except OSError as error:
        if before is None or error.errno not in NO_RENAME:
            raise
        _write_in_place(target, data)
        return
    try:
        os.replace(name, target)
    except OSError as error:
        os.unlink(name)
        if before is None or error.errno not in NO_RENAME:
            raise
        _write_in_place(target, data)
        return
    except BaseException:
        os.unlink(name)
        raise
    sync_directory(target.parent)


def _draft(target: Path, data: bytes, mode: int, before: os.stat_result | None, private: bool) -> str:
    """Write a file beside ``target`` that may take its place.

    :raises OSError: it cannot be made, or ``target`` belongs to somebody else and can be written in place.
    """
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.name}.{os.getpid()}.", suffix=".new", dir=target.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            if before is None:
                give_to_owner(file.fileno(), target.parent)
                os.fchmod(file.fileno(), mode)
            else:
                _give(file.fileno(), before, target)
                os.fchmod(file.fileno(), before.st_mode & (0o770 if private else 0o777))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name)
        raise
    return name


def _give(descriptor: int, like: os.stat_result, target: Path) -> None:
    """Give a file the owner and the group that another one has."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.fchown(descriptor, like.st_uid, like.st_gid)
    except PermissionError:
        # Written in place it keeps its owner; if that is impossible, ours is better than none.
        if os.access(target, os.W_OK):
            raise


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Give a new file to the owner of its directory, where we are allowed to: after ``sudo bssci …``."""
    like = os.stat(directory)
    if os.geteuid() == 0 and like.st_uid != 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)


def open_lock(path: Path) -> int:
    """Open a file to be locked, and make it if need be; return its descriptor.

    :raises OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(descriptor, path.parent)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write_in_place(target: Path, data: bytes) -> None:
    """Write over a file whose directory takes no other. A crash in between leaves ``NAME.bak``."""
    with target.open("rb+") as file:
        previous = file.read()
        with suppress(OSError):
            backup = os.open(
                target.with_name(f"{target.name}.bak"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
            with os.fdopen(backup, "wb") as copy:
                copy.write(previous)
                copy.flush()
                os.fsync(copy.fileno())
        file.seek(0)
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def sync_directory(directory: Path) -> None:
    """Have the names in a directory reach the disk.

    :raises OSError: they cannot.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Make a directory and those above it unless they are there, each the property of the owner of the one
    above it where we may give it away: after ``sudo bssci …``.

    :param mode: of the directory, if it is new.
    :raises OSError: it cannot be made.
    """
    missing = []
    for directory in (path, *path.parents):
        if directory.exists():
            break
        missing.append(directory)
    for directory in reversed(missing):
        directory.mkdir(mode=mode if directory is path else 0o777, exist_ok=True)
        _give_away(directory)
    path.mkdir(exist_ok=True)  # raises if it is something else


def prepare_directory(path: Path) -> bool:
    """Make sure of a directory of our own (mode 0700 if new), and return whether it was made.

    :raises OSError: if it cannot be made, or cannot be read and written.
    """
    created = not path.exists()
    make_directory(path, 0o700)
    os.listdir(path)
    with tempfile.TemporaryFile(dir=path):
        pass
    return created


def try_to_write(path: Path) -> str | None:
    """Return why :func:`write_atomically` could not replace a file; None if it could. Changes nothing.

    A file that belongs to somebody else than its directory is named, too: whoever runs as that owner cannot
    read or replace it.
    """
    target = Path(os.path.realpath(path))
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        if not os.access(target, os.W_OK):
            return f"cannot be written ({(error.strerror or str(error)).lower()})"
    status, directory = os.stat(target), os.stat(target.parent)
    if status.st_uid not in (directory.st_uid, os.geteuid()) or (
        status.st_uid != directory.st_uid and not status.st_mode & 0o044
    ):
        return (
            f"belongs to user {status.st_uid}, its directory to user {directory.st_uid};"
            f" run `chown {directory.st_uid}:{directory.st_gid} {path}`"
        )
    return None


# copies to work with


@contextmanager
def scratch_directory(directory: Path) -> Iterator[Path]:
    """Make a directory for copies, mode 0700, that is gone at the end; after a kill see :func:`sweep`."""
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}.{os.getpid()}.", dir=directory) as name:
        yield Path(name)


def sweep(directories: Iterable[Path], names: Iterable[str] = ()) -> list[Path]:
    """Remove the drafts and scratch directories that processes have left which were killed.

    :param names: files for which drafts of earlier versions, without a process in their name, may be there.
    :return: what was removed.
    """
    of_process = re.compile(rf"\.(?:.+\.)?(\d+)\.{_DRAWN}(?:\.new)?")
    older = re.compile("|".join([rf"tmp{_DRAWN}", *(rf"\.{re.escape(name)}\.{_DRAWN}" for name in names)]))
    removed = []
    for directory in dict.fromkeys(directories):
        try:
            found = list(directory.iterdir())
        except OSError:
            continue
        for path in found:
            match = of_process.fullmatch(path.name)
            is_draft = match is not None and (path.name.endswith(".new") or path.name.startswith(_SCRATCH))
            if is_draft and match is not None:
                is_left = not _is_alive(int(match[1]))
            else:
                is_left = older.fullmatch(path.name) is not None and _age(path) > LEFT_OVER
            if is_left:
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    removed.append(path)
    return removed


def _is_alive(pid: int) -> bool:
    """Return whether another process has this number; ours was somebody else's before the start."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return pid != os.getpid()


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


# several together


def replace_together(directory: Path, files: Mapping[Path, bytes | Path | None]) -> None:
    """Replace several files, mode 0600 if new, so that whoever starts later sees all or none.

    :param files: for each place the new content, or a file on the disk of ``directory`` that moves
        there, or None for a file that goes away.

    :param directory: of our own, where the new contents wait; the same for :func:`finish_replacement`.
    :raises OSError: before anything was replaced, or after: :func:`finish_replacement` goes on then.
    """
    finish_replacement(directory)
    _prepare(directory, files, directory / "replacement")
    finish_replacement(directory)


def stage_together(directory: Path, files: Mapping[Path, bytes | Path | None]) -> None:
    """Prepare what :func:`replace_together` does, for the next start; what was staged before is forgotten.

    :raises OSError: nothing is staged.
    """
    forgotten = directory / "staged.old"
    shutil.rmtree(forgotten, ignore_errors=True)
    if (directory / _STAGED).exists():
        os.rename(directory / _STAGED, forgotten)
        shutil.rmtree(forgotten, ignore_errors=True)
    _prepare(directory, files, directory / _STAGED)


def take_staged(directory: Path) -> list[Path]:
    """Put in place what was staged, at a start, before the files are read; return what was replaced.

    :raises OSError: a file cannot be written; the next start goes on then.
    """
    staged = directory / _STAGED
    if not (staged / _PLAN).exists():
        return []
    finish_replacement(directory)
    os.rename(staged, directory / "replacement")
    sync_directory(directory)
    return finish_replacement(directory)


def _prepare(directory: Path, files: Mapping[Path, bytes | Path | None], ready: Path) -> None:
    """Write the new contents and the plan, and rename them into being."""
    draft = ready.with_name(f"{ready.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    _give_away(draft)
    plan = {}
    try:
        for number, (path, content) in enumerate(files.items()):
            if isinstance(content, bytes):
                name = str(number)
                write_atomically(draft / name, content)
            elif content is None:
                name = f"{_REMOVE}{number}"
            else:
                name = f"{_MOVE}{number}"
                os.rename(content, draft / name)
                _give_away(draft / name)
            plan[name] = str(path.absolute())
        write_atomically(draft / _PLAN, json.dumps(plan).encode())
        os.rename(draft, ready)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_directory(directory)


def finish_replacement(directory: Path) -> list[Path]:
    """Finish what an earlier run left undone, before the files are read; return what was replaced.

    :raises OSError: a file cannot be written.
    """
    ready = directory / "replacement"
    shutil.rmtree(directory / "replacement.new", ignore_errors=True)
    if not ready.exists():
        return []
    if not (ready / _PLAN).exists():
        shutil.rmtree(ready)
        return []
    plan: dict[str, str] = json.loads((ready / _PLAN).read_bytes())
    replaced = []
    for name, target in plan.items():
        path = Path(target)
        make_directory(path.parent, 0o700)
        if name.startswith(_REMOVE):
            path.unlink(missing_ok=True)
        elif name.startswith(_MOVE):
            _move(ready / name, path)
        else:
            write_atomically(path, (ready / name).read_bytes())
        replaced.append(path)
    # The plan first: without it, what is left of the directory means nothing.
    (ready / _PLAN).unlink()
    sync_directory(ready)
    shutil.rmtree(ready)
    return replaced


def _give_away(path: Path, directory: Path | None = None) -> None:
    """Give something to the owner of a directory, by default its own; see :func:`give_to_owner`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        give_to_owner(descriptor, directory or path.parent)
    finally:
        os.close(descriptor)


def _move(source: Path, target: Path) -> None:
    """Put a file in its place, unless an earlier attempt has done it."""
    if not source.exists():
        return
    _give_away(source, target.parent)
    os.replace(source, target)
    sync_directory(target.parent)
