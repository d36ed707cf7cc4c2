"""The sink ``file``: events as lines of JSON, in a file that is rotated by size and age.

A batch is one append, and counts as taken when it is on disk. A crash in the middle leaves an incomplete
last line: it is cut off before the next append, and the batch comes again. The file may be moved or deleted
at any time: it is looked up by its name before each batch.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.settings import parsers
from bssci.sinks.interfaces import ISink, ISinkFactory, SinkSetting
from bssci.sinks.json_events import EVENT_KINDS, EncodedBatch, encode_batch
from bssci.sinks.set_aside import SetAside

MODE = 0o640
"""mode of a new file: the service's user may write, its group may read, as log collectors need to"""
LINE_START = b'{"kind":'
"""first bytes of each line that the sink writes"""
LONGEST_LINE = 64_000_000
"""bytes; a longer piece without a line break is not a line of ours"""
_TIME = re.compile(rb'\{"kind":"[^"]*","timestamp":(\d+(?:\.\d+)?),')
_CHUNK = 65536
_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "the service's user has no permission",
    errno.EPERM: "the service's user has no permission",
    errno.EISDIR: "it is a folder",
    errno.ENXIO: "it is not a regular file",
    errno.ENOENT: "it was moved away in the meantime",
    errno.EIO: "the disk reports an error",
    errno.ESTALE: "it was deleted while it was written to",
    errno.EWOULDBLOCK: "another process is writing to it",
}


class FileTrouble(Exception):
    """The file cannot be written now: one line that says which file and why."""


@dataclass(frozen=True)
class FileSettings:
    """Path, size and number of the files.

    :ivar max_bytes: size at which the file is rotated; 0: never for its size.
    :ivar max_age: s after which the file is rotated; 0: never for its age.
    :ivar keep: rotated files that are kept; 0: all.
    :ivar sync: force each batch to the disk before it counts as taken.
    """

    path: Path
    max_bytes: int = 0
    max_age: float = 0.0
    keep: int = 0
    sync: bool = True


class LinesFile:
    """The file. All methods block, so they are called in a thread, one after the other.

    :param now: Unix seconds.
    """

    def __init__(self, settings: FileSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._descriptor: int | None = None
        self._begun = 0.0
        """Unix seconds when the first line of the file was written"""

    def append(self, lines: bytes) -> None:
        """Append whole lines, all or none of them.

        :raises FileTrouble: they are not written.
        """
        try:
            self._append(lines)
        except OSError as error:
            self.close()
            raise FileTrouble(self._words(error)) from error

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, lines: bytes) -> None:
        descriptor = self._open()
        if self._is_full(os.fstat(descriptor).st_size, len(lines)):
            self._rotate()
            descriptor = self._open()
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            size = self._cut_torn_line(descriptor)
            try:
                _write(descriptor, lines)
                if self._settings.sync:
                    os.fsync(descriptor)
                if os.fstat(descriptor).st_nlink == 0:
                    raise OSError(errno.ESTALE, "deleted")
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _open(self) -> int:
        """Open the file that has the name now: the earlier one may have been moved or deleted."""
        path = self._settings.path
        if self._descriptor is not None:
            try:
                there = os.stat(path)
            except FileNotFoundError:
                there = None
            if there is not None and os.path.samestat(there, os.fstat(self._descriptor)):
                return self._descriptor
            self.close()
        is_new = not path.exists()
        # Not blocking: a named pipe without a reader would block the thread forever.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, MODE)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.ENXIO, "not a regular file")
        self._descriptor = descriptor
        self._begun = self._now() if is_new else self._first_time(descriptor)
        if is_new and self._settings.sync:
            _sync_folder(path.parent)
        return descriptor

    def _first_time(self, descriptor: int) -> float:
        """Return the Unix seconds of an existing file's first line; now, if that cannot be read."""
        said = _TIME.match(os.pread(descriptor, 200, 0))
        return min(self._now(), float(said[1])) if said else self._now()

    def _is_full(self, size: int, more: int) -> bool:
        settings = self._settings
        too_large = bool(settings.max_bytes) and size + more > settings.max_bytes
        too_old = bool(settings.max_age) and self._now() - self._begun >= settings.max_age
        return size > 0 and (too_large or too_old)

    def _rotate(self) -> None:
        """Rename the file after the present time, and delete the oldest rotated files beyond FILE_KEEP."""
        self.close()
        path = self._settings.path
        begin = f"{path.stem}.{datetime.fromtimestamp(self._now(), UTC):%Y%m%dT%H%M%SZ}"
        number = 0
        while (target := path.with_name(f"{begin}-{number:03d}{path.suffix}")).exists():
            number += 1
        path.rename(target)
        if self._settings.sync:
            _sync_folder(path.parent)
        rotated = rotated_files(path)
        for old in rotated[: -self._settings.keep] if self._settings.keep else ():
            old.unlink(missing_ok=True)

    def _cut_torn_line(self, descriptor: int) -> int:
        """Cut off what follows the last line break, and return the size that is left.

        :raises FileTrouble: it is not the beginning of a line of ours, so it is not ours to cut.
        """
        size = os.fstat(descriptor).st_size
        torn = _last_line(descriptor, size)
        if torn is None or (torn.strip(b"\0") and not torn.startswith(LINE_START[: len(torn)])):
            raise FileTrouble(
                f"{self._settings.path} is not written to: its last line is incomplete and not ours;"
                " move the file away, or set FILE_PATH"
            )
        if torn:
            os.ftruncate(descriptor, size - len(torn))
        return size - len(torn)

    def _words(self, error: OSError) -> str:
        path = self._settings.path
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
            reason = f"there is no folder {path.parent}"
        else:
            reason = _WORDS.get(error.errno or 0, error.strerror or type(error).__name__)
        return f"{path} cannot be written: {reason}"


def rotated_files(path: Path) -> list[Path]:
    """Return the files that ``path`` was rotated to, oldest first."""
    name = re.compile(rf"{re.escape(path.stem)}\.\d{{8}}T\d{{6}}Z-\d{{3,}}{re.escape(path.suffix)}")
    return sorted(each for each in path.parent.iterdir() if name.fullmatch(each.name))


def _last_line(descriptor: int, size: int) -> bytes | None:
    """Return the bytes after the last line break of a file; None if they are longer than any line of ours."""
    chunks: list[bytes] = []
    end = size
    while end > 0 and size - end < LONGEST_LINE:
        begin = max(0, end - _CHUNK)
        _, line_break, after = os.pread(descriptor, end - begin, begin).rpartition(b"\n")
        chunks.append(after)
        if line_break:
            break
        end = begin
    else:
        if end > 0:
            return None
    return b"".join(reversed(chunks))


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@implementer(ISink)
class FileSink:
    """Appends in a thread, because a disk may be slow.

    :param kinds: kinds of events that are written; empty: all.
    """

    replayable = True

    def __init__(self, file: LinesFile, kinds: frozenset[str] = frozenset()) -> None:
        self._file = file
        self._kinds = kinds
        self._writing = DeferredLock()
        self.set_aside = SetAside("file")
        self.trouble = ""
        """reason why the last batch was not written; empty if it was"""

    def start(self) -> None:
        """Do nothing: each delivery checks the file."""

    def deliver(self, batch: Sequence[Any]) -> Deferred[None]:
        return self._writing.run(lambda: ensureDeferred(self._deliver(batch)))

    async def _deliver(self, batch: Sequence[Any]) -> None:
        try:
            encoded = await deferToThread(self._write, batch)
        except FileTrouble as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
        encoded.set_aside(self.set_aside)

    def _write(self, batch: Sequence[Any]) -> EncodedBatch:
        encoded = encode_batch(batch, self._kinds)
        if encoded.events:
            self._file.append(b"".join(each.json + b"\n" for each in encoded.events))
        return encoded

    def stop(self) -> Deferred[None]:
        """Wait for the batch that is being written, then close the file."""
        return self._writing.run(deferToThread, self._file.close)


@implementer(IPlugin, ISinkFactory)
class FileSinkFactory:
    """Builds the sink ``file``."""

    name = "file"
    description = "appends uplinks and events to a file, one line of JSON each"
    settings = (
        SinkSetting("FILE_PATH", "events.jsonl", "file that lines of JSON are appended to", parsers.path),
        SinkSetting(
            "FILE_MAX_SIZE",
            "100",
            "MB at which a new file is begun; 0: no limit",
            parsers.integer(0, 1 << 20),
        ),
        SinkSetting(
            "FILE_MAX_AGE",
            "24",
            "hours after which a new file is begun; 0: no limit",
            parsers.number(0, 1e6),
        ),
        SinkSetting("FILE_KEEP", "30", "old files that are kept; 0: all", parsers.integer(0, 1_000_000)),
        SinkSetting("FILE_SYNC", "true", "wait until the disk has written each batch", parsers.boolean),
        SinkSetting("FILE_EVENTS", "", "kinds of events, separated by commas; empty: all", EVENT_KINDS),
    )

    def build(self, settings: Mapping[str, Any], center: Any) -> FileSink:
        file = FileSettings(
            path=Path(os.path.abspath(settings["FILE_PATH"])),
            max_bytes=settings["FILE_MAX_SIZE"] * 1_000_000,
            max_age=settings["FILE_MAX_AGE"] * 3600,
            keep=settings["FILE_KEEP"],
            sync=settings["FILE_SYNC"],
        )
        return FileSink(LinesFile(file, time.time), settings["FILE_EVENTS"])

    def check(self, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield a line for ``bssci check``: whether the file can be written, and rotated."""
        path = Path(os.path.abspath(settings["FILE_PATH"]))
        if not path.parent.is_dir():
            yield "error", f"file: there is no folder {path.parent}: make it, or change FILE_PATH"
        elif path.exists() and not path.is_file():
            yield "error", f"file: {path} is not a file; change FILE_PATH"
        elif not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
            yield "error", f"file: {path}: this user may not write it, or its folder"
        else:
            yield "ok", f"file: {path} can be written"
