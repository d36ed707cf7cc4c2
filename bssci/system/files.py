"""Crash-safe files: written completely or not at all, with restrictive modes.

.NAME.PID.xxxxxxxx.new       a file that a process is writing, beside NAME
STATE_DIR/.scratch.PID.xxxxxxxx/  working copies of a process, which may include private keys
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

NO_RENAME = (errno.EBUSY, errno.EXDEV, errno.EROFS, errno.EACCES, errno.EPERM)
"""errors of a directory in which nothing can be created or renamed although files can be written, such as a
file mounted by itself into a container"""
ROOM = 64 * 1024
"""bytes by which a file may grow when it is replaced, and what others may take of its disk meanwhile"""
LEFT_OVER = 60.0
"""seconds after which a scratch file without a process id in its name counts as left over"""
_SCRATCH = ".scratch"
_DRAWN = r"[a-z0-9_]{8}"


def write_atomically(path: Path, data: bytes, mode: int = 0o600, *, private: bool = True) -> None:
    """Replace a file's content so that readers, also after a crash, see either the old or the new one.

    Owner, group and mode are kept; a new file gets the owner of its directory if the process may change
    owners. A symbolic link stays a link: the file that it points to is replaced. Where renaming is
    impossible, the file is overwritten in place, after copying the old content to ``NAME.bak`` if possible.

    :param mode: of a new file.
    :param private: remove the rights of everyone but owner and group, as for a file with secrets.
    :raises OSError: it cannot be written; the old content is kept, or restored if that is possible.
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


def hold_room(path: Path, size: int = 0) -> IO[bytes]:
    """Reserve the disk space needed to replace a file; closing the result frees it.

    A caller that has to record a change before making it thus knows that a full disk will not prevent it.

    :param size: bytes of the new content, where it may exceed the present one by more than ``ROOM``.
    :raises OSError: there is not enough space.
    """
    target = Path(os.path.realpath(path))
    before = _status(target)
    try:
        file = tempfile.TemporaryFile(dir=target.parent)  # noqa: SIM115
    except OSError as error:
        if before is None or error.errno not in NO_RENAME:
            raise
        return io.BytesIO()  # it is written in place
    try:
        present = 0 if before is None else before.st_size
        os.posix_fallocate(file.fileno(), 0, max(present, size) + ROOM)
    except BaseException:
        file.close()
        raise
    return file


def _draft(target: Path, data: bytes, mode: int, before: os.stat_result | None, private: bool) -> str:
    """Write a file beside ``target`` that can replace it; return its path.

    :raises OSError: it cannot be created, or it cannot get the owner of ``target``, which can be overwritten
        in place.
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
    """Give a file the owner and the group of another one, whose status is ``like``."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) == (like.st_uid, like.st_gid):
        return
    try:
        os.fchown(descriptor, like.st_uid, like.st_gid)
    except PermissionError:
        # Overwritten in place, the file keeps its owner; where that is impossible, accept a new owner.
        if os.access(target, os.W_OK):
            raise


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Give a new file to the owner of its directory if we are root, as under ``sudo bssci …``."""
    like = os.stat(directory)
    if os.geteuid() == 0 and like.st_uid != 0:
        os.fchown(descriptor, like.st_uid, like.st_gid)


def open_lock(path: Path) -> int:
    """Open a lock file, creating it if necessary; return its descriptor.

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
    """Overwrite a file whose directory accepts no other. After a crash, ``NAME.bak`` has the old content."""
    with target.open("rb+", buffering=0) as file:
        previous = file.read()
        with suppress(OSError):
            backup = os.open(
                target.with_name(f"{target.name}.bak"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
            with os.fdopen(backup, "wb") as copy:
                copy.write(previous)
                copy.flush()
                os.fsync(copy.fileno())
        try:
            # Reserved before anything is overwritten: a full disk must not leave a mixture.
            os.posix_fallocate(file.fileno(), 0, max(len(data), 1))
            _overwrite(file, data)
        except OSError:
            with suppress(OSError):
                _overwrite(file, previous)
            raise


def _overwrite(file: io.FileIO, data: bytes) -> None:
    file.seek(0)
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]
    file.truncate(len(data))
    os.fsync(file.fileno())


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def sync_directory(directory: Path) -> None:
    """Flush the entries of a directory to disk, so that renames in it survive a crash.

    :raises OSError: that failed.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o777) -> None:
    """Create a directory and its missing parents, each owned by the owner of its parent if we are root.

    :param mode: of the directory, if it is new; its parents get the default.
    :raises OSError: it cannot be created, or is not a directory.
    """
    missing = []
    for directory in (path, *path.parents):
        if directory.exists():
            break
        missing.append(directory)
    for directory in reversed(missing):
        directory.mkdir(mode=mode if directory is path else 0o777, exist_ok=True)
        give_away(directory)
    path.mkdir(exist_ok=True)  # raises if it is not a directory


def prepare_directory(path: Path) -> bool:
    """Make sure that a directory exists (mode 0700 if new) and is usable; return whether it was created.

    :raises OSError: it cannot be created, or cannot be read and written.
    """
    created = not path.exists()
    make_directory(path, 0o700)
    os.listdir(path)
    with tempfile.TemporaryFile(dir=path):
        pass
    return created


def try_to_write(path: Path) -> str | None:
    """Return the reason why :func:`write_atomically` could not replace an existing file; None if it could.

    Changes nothing. A file whose owner differs from that of its directory is reported too, since a service
    that runs as the directory's owner could not read or replace it.

    :raises OSError: the file does not exist.
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


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors that name no file, as those of a full disk, name this one.

    :raises OSError: with its ``filename`` set.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


# copies to work with


@contextmanager
def scratch_directory(directory: Path) -> Iterator[Path]:
    """Create a directory for working copies, mode 0700, and remove it at the end.

    If the process is killed before, :func:`sweep` removes it later.
    """
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}.{os.getpid()}.", dir=directory) as name:
        yield Path(name)


def sweep(
    directories: Iterable[Path], names: Iterable[str] = (), keep: Callable[[Path], bool] = lambda path: False
) -> list[Path]:
    """Remove the drafts and scratch directories that killed processes left behind.

    :param names: names of files that may have drafts by earlier versions, without a process id in the name.
    :param keep: returns whether a path whose name is one of a scratch directory is none.
    :return: the paths that were removed.
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
            if is_left and not keep(path):
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    removed.append(path)
    return removed


def _is_alive(pid: int) -> bool:
    """Return whether another process has this id; files with our own id are those of an earlier process."""
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


# several, beside what else is stored


class Drafts:
    """New contents of files, on disk beside the files that they are to replace. Blocks.

    Callers that have to store something else, too, do so between this and :meth:`place`: if that fails, they
    discard the drafts, and nothing has changed.

    :param files: new content by path; links are replaced.
    :param mode: of new files.
    :raises OSError: one cannot be written; there are no drafts then.
    """

    def __init__(self, files: Mapping[Path, bytes], mode: int = 0o600) -> None:
        self._files = dict(files)
        self._names: dict[Path, str] = {}
        try:
            for path, data in self._files.items():
                self._names[path] = _draft(path, data, mode, _status(path), private=False)
        except BaseException:
            self.discard()
            raise

    def place(self) -> None:
        """Replace the files, needing no further space.

        :raises OSError: the directory is at fault; files before the one at fault were replaced.
        """
        try:
            for path in list(self._names):
                try:
                    os.replace(self._names[path], path)
                    del self._names[path]
                except OSError as error:
                    if error.errno not in NO_RENAME:
                        raise
                    _write_in_place(path, self._files[path])
            for directory in {path.parent for path in self._files}:
                sync_directory(directory)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the drafts that have not replaced a file."""
        while self._names:
            with suppress(OSError):
                os.unlink(self._names.popitem()[1])


def give_away(path: Path, directory: Path | None = None) -> None:
    """Give a path to the owner of ``directory``, by default its parent; see :func:`give_to_owner`."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        give_to_owner(descriptor, directory or path.parent)
    finally:
        os.close(descriptor)


def in_folders(directory: Path) -> list[Path]:
    """Return the files in the folders of a directory, sorted; none if there is no such directory.

    :raises OSError: one of the folders cannot be listed; ``Path.glob`` passes over it.
    """
    if not directory.is_dir():
        return []
    folders = [each for each in sorted(directory.iterdir()) if each.is_dir()]
    return [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
