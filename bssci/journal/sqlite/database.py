"""The journal's file: checked, locked, created or upgraded before anything is written to it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from shutil import disk_usage
from threading import Event, Timer

from twisted.logger import Logger

from bssci.journal.errors import DirectoryInUse, JournalError, JournalGoneError
from bssci.journal.sqlite.damage import CountingConnection, remove_last_numbers
from bssci.model.counts import many

CHECK_SECONDS = 5.0
"""s that the check for damage may take"""
FILE_NAME = "journal.sqlite"
LOCK_NAME = "lock"
APPLICATION_ID = 0x4D494F54
"""SQLite application id that marks the file as ours: "MIOT" """
PAGE_SIZE = 4096

_log = Logger()

_MAGIC = b"SQLite format 3\0"
_LOG_MAGIC = b"\x37\x7f\x06"
"""first bytes of a write-ahead log; the fourth is 82 or 83 and gives the byte order of its checksums"""
_HEADER_SIZE = 100
_APPLICATION_ID_OFFSET = 68
_CHECKPOINT_PAGES = 4000
_ROOM_ON_DISK = 1024 * 1024
"""free bytes below which it is the disk that is full: one commit of many uplinks takes about as much"""
_LOG_SIZE = 4 * _CHECKPOINT_PAGES * PAGE_SIZE
"""bytes to which a longer write-ahead log is truncated"""
_ANOTHER_DIRECTORY = "or set STATE_DIR to another directory"
_MAX_FOUND = 100
"""lines of damage that a check reports"""
_HARMLESS = re.compile(r"ok$|(NULL|NUMERIC|TEXT|non-\w+) value in |CHECK constraint failed in ")
"""lines of a check about a file that can be used, even if single entries cannot be read"""


def load_schema() -> list[str]:
    """Return the SQL scripts of all schema versions, in order; script N upgrades schema N-1 to N."""
    folder = resources.files("bssci.journal.sqlite") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text(encoding="utf-8") for name in names]


class Database:
    """An open journal file, of which this process is the only user.

    Not thread-safe. Each connection that it returns may be used in one thread, not necessarily this one.
    """

    def __init__(
        self, directory: Path, schema: Sequence[str], *, max_bytes: int, check_seconds: float = CHECK_SECONDS
    ) -> None:
        """Open the journal, creating what is missing: the directory with mode 0700, files with 0600.

        :param schema: scripts of :func:`load_schema`.
        :param max_bytes: maximum size of the file; beyond it writes fail.
        :param check_seconds: how long the check for damage may delay the start. A file that is too large for
            that is used after an incomplete check.
        :raises JournalError: it cannot be used; the file is left as it was.
        """
        self.path = directory / FILE_NAME
        self._names = str(self.path), f"{self.path}-wal", f"{self.path}-shm"
        self._log_descriptor: int | None = None
        self.max_bytes = max_bytes
        self._max_pages = max(1, max_bytes // PAGE_SIZE)
        with _explained(self.path):
            _refuse_orphaned_log(self.path)
        _make_directory(directory)
        self._lock = hold_directory(directory)
        try:
            with _explained(self.path):
                if not self.path.exists() or self.path.stat().st_size == 0:
                    create_file(self.path, schema)
                else:
                    _check(self.path, len(schema), check_seconds)
                with closing(self.connect()) as connection:
                    _upgrade(connection, schema)
                    remove_last_numbers(connection)
                self._file = self.path.stat()
                self._log: os.stat_result | None = None
                self._index: os.stat_result | None = None
                self._index_harmed: str | None = None
        except BaseException:
            self.release()
            raise

    def connect(self) -> CountingConnection:
        """Return a new connection for writing, without implicit transactions, on which COMMIT means fsync."""
        connection = self._connect()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            # Zeroing freed pages is costly; deleted rows are protected by the mode of the file.
            "secure_delete = OFF",
            "cache_size = -16384",
            f"wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"journal_size_limit = {_LOG_SIZE}",
            f"max_page_count = {self._max_pages}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def connect_to_read(self) -> CountingConnection:
        """Return a new connection that refuses to write."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self) -> CountingConnection:
        return sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=CountingConnection,
        )

    def check_files(self) -> None:
        """Check that the files are still the ones that were opened, since writes to any others are lost.

        Takes some microseconds, and is called before and after each commit.

        :raises JournalGoneError: they were removed, replaced or truncated.
        """
        try:
            file = os.stat(self._names[0])
            log = os.stat(self._names[1])
        except OSError as error:
            raise JournalGoneError(f"{error.filename}: {error.strerror}: the journal is gone") from error
        if (file.st_ino, file.st_dev) != (self._file.st_ino, self._file.st_dev):
            raise JournalGoneError(f"{self.path}: the journal was replaced by another file")
        known = self._log or log
        if log.st_ino != known.st_ino:
            raise JournalGoneError(f"{self.path}-wal: the file was replaced by another one")
        # A checkpoint truncates the log, but not below this size; the file itself never shrinks.
        if file.st_size < self._file.st_size or log.st_size < min(known.st_size, _LOG_SIZE):
            raise JournalGoneError(f"{self.path}: the journal's files were truncated")
        if log.st_size and not self._has_log_header():
            raise JournalGoneError(f"{self.path}-wal: the file was emptied")
        self.check_index()
        self._file, self._log = file, log

    def check_index(self) -> None:
        """Check that the index of the write-ahead log is still the file that was opened.

        Called in every thread before SQLite accesses it. SQLite maps this file into memory: if it was
        truncated, the next access ends the process (SIGBUS), and if it was replaced, other processes do not
        see our locks. Once it was damaged, this process therefore does not call SQLite again; the next start
        creates a new index from the log.

        :raises JournalGoneError: it was removed, replaced or truncated, now or earlier.
        """
        if self._index_harmed is None:
            try:
                index = os.stat(self._names[2])
            except OSError as error:
                # Where it is put back as it was, nothing has happened.
                raise JournalGoneError(f"{self._names[2]}: was removed: restart the service") from error
            known = self._index or index
            if index.st_ino != known.st_ino:
                self._index_harmed = "was replaced by another file"
            elif index.st_size < known.st_size:
                self._index_harmed = "was cut"
            else:
                self._index = index
        if self._index_harmed is not None:
            raise JournalGoneError(f"{self._names[2]}: {self._index_harmed}: restart the service")

    def close(self, connection: CountingConnection) -> None:
        """Close a connection, unless that would make SQLite access a damaged index."""
        try:
            self.check_index()
        except JournalGoneError:
            # Never closed, not even at the end of the process: as after kill -9, the log is complete.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            return
        connection.close()

    def _has_log_header(self) -> bool:
        """Return whether the log has its header: once emptied and written to again, it has a hole there."""
        if self._log_descriptor is None:
            self._log_descriptor = os.open(self._names[1], os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(self._log_descriptor, 3, 0) == _LOG_MAGIC

    def size(self) -> int:
        """Return the bytes of the file; the newest pages may be in the write-ahead log only."""
        return _size(self._names[0])

    def log_size(self) -> int:
        """Return the bytes of the write-ahead log, which ``max_bytes`` does not bound."""
        return _size(self._names[1])

    def why_full(self) -> str:
        """Return why there is no room: SQLite has one error for a full disk and for ``max_bytes``."""
        try:
            has_room = disk_usage(self.path.parent).free >= _ROOM_ON_DISK
        except OSError:
            has_room = False  # the directory is gone, too
        if not has_room:
            return f"the disk of {self.path.parent} is full"
        size = self.max_bytes // (1024 * 1024)
        return f"JOURNAL_MAX_SIZE={size} (MB) is reached, and all events are yet to be taken by a sink"

    def release(self) -> None:
        """Release the lock on the directory; close all connections first."""
        os.close(self._lock)
        if self._log_descriptor is not None:
            os.close(self._log_descriptor)
            self._log_descriptor = None


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"{path}: {error.strerror or error}: make it accessible to this user, {_ANOTHER_DIRECTORY}"
        ) from error
    except sqlite3.Error as error:
        raise JournalError(
            f"{path}: cannot be used: {error}: make room on its disk, {_ANOTHER_DIRECTORY}"
        ) from error


def _make_directory(directory: Path) -> None:
    with _explained(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def hold_directory(directory: Path) -> int:
    """Lock a directory for this process; return the descriptor that holds the lock.

    :raises DirectoryInUse: another process has it.
    :raises JournalError: the lock file cannot be opened.
    """
    path = directory / LOCK_NAME
    with _explained(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise DirectoryInUse(
            f"{directory}: used by another bssci (pid {owner}): stop it or set STATE_DIR"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def holder(directory: Path) -> int | None:
    """Return the process that holds a directory, or held it last; None if that is not known."""
    try:
        return int((directory / LOCK_NAME).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _refuse_orphaned_log(path: Path) -> None:
    """Refuse a write-ahead log without its database: it holds commits that a new database would destroy."""
    log = path.with_name(path.name + "-wal")
    is_empty = not path.exists() or path.stat().st_size == 0
    if is_empty and log.exists() and log.stat().st_size > 0:
        raise JournalError(
            f"{path}: is missing or empty, but its write-ahead log {log.name} is there: "
            f"restore the file beside it, or move the log away, {_ANOTHER_DIRECTORY}"
        )


def create_file(path: Path, schema: Sequence[str]) -> None:
    """Create an empty journal under another name and rename it, so that it is complete or does not exist."""
    draft = path.with_name(path.name + ".new")
    for leftover in (draft, draft.with_name(draft.name + "-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _upgrade(connection, schema)
    draft.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def check_journal(directory: Path) -> None:
    """Check that the journal in a directory, if there is one, could be opened; changes nothing.

    :raises JournalError: it could not.
    """
    path = directory / FILE_NAME
    with _explained(path):
        _refuse_orphaned_log(path)
        if path.exists() and path.stat().st_size > 0:
            _check(path, len(load_schema()), CHECK_SECONDS)


def _check(path: Path, newest: int, seconds: float) -> None:
    """Refuse a file that is not a journal, too new or damaged; changes nothing."""
    with path.open("rb") as file:
        header = file.read(_HEADER_SIZE)
    application_id = int.from_bytes(header[_APPLICATION_ID_OFFSET : _APPLICATION_ID_OFFSET + 4], "big")
    if not header.startswith(_MAGIC):
        raise JournalError(
            f"{path}: is not a journal, nor any SQLite file: move it away, {_ANOTHER_DIRECTORY}"
        )
    if application_id != APPLICATION_ID:
        raise JournalError(
            f"{path}: is another program's file (SQLite application id {application_id:#x}): "
            f"move it away, {_ANOTHER_DIRECTORY}"
        )
    with read_only(path) as connection:
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            damage = _damage(connection, seconds)
        except sqlite3.DatabaseError as error:
            version, damage = 0, str(error)
        except UnicodeDecodeError as error:
            # SQLite's message quotes names that are damaged, too.
            version, damage = 0, error.object.decode("utf-8", "replace")
    if damage:
        raise JournalError(f"{path}: is damaged ({damage}): restore it from a backup, {_ANOTHER_DIRECTORY}")
    if version > newest:
        raise JournalError(
            f"{path}: has schema {version}, newer than this version's {newest}: "
            f"install the bssci that wrote it, {_ANOTHER_DIRECTORY}"
        )


@contextmanager
def read_only(path: Path) -> Iterator[CountingConnection]:
    """Open a connection that leaves the database and the files beside it as they are."""
    log = path.with_name(path.name + "-wal")
    index = path.with_name(path.name + "-shm")
    # After a crash the newest commits are in the log only, and reading it needs an index file.
    crashed = log.exists() and log.stat().st_size > 0
    index_existed = index.exists()
    uri = path.absolute().as_uri() + ("?mode=ro" if crashed else "?mode=ro&immutable=1")
    try:
        with closing(
            sqlite3.connect(uri, uri=True, isolation_level=None, factory=CountingConnection)
        ) as connection:
            yield connection
    finally:
        if crashed and not index_existed:
            index.unlink(missing_ok=True)


def _damage(connection: sqlite3.Connection, seconds: float) -> str | None:
    """Return the first damage of the file and how many more; None if none was found within ``seconds``.

    Entries that are damaged, but can be reached, are passed over when they are read.
    """
    out_of_time = Event()

    def stop() -> None:
        out_of_time.set()
        connection.interrupt()

    timer = Timer(seconds, stop)
    timer.start()
    try:
        found = [text for (text,) in connection.execute(f"PRAGMA quick_check({_MAX_FOUND})").fetchall()]
    except sqlite3.OperationalError:
        if out_of_time.is_set():
            return None
        raise
    finally:
        timer.cancel()
        timer.join()
    # A check that was interrupted has missed pages, and may report that as damage.
    if out_of_time.is_set():
        return None
    faults = [line.strip() for text in found if not _HARMLESS.match(text) for line in text.splitlines()]
    first, *more = [line for line in faults if not line.startswith("*** ")] or [None]
    return f"{first}, and {many(len(more), 'more fault')}" if more else first


def _upgrade(connection: sqlite3.Connection, schema: Sequence[str]) -> None:
    """Run the scripts of all schemas newer than the file's, each in a transaction of its own.

    A script may read the whole file: minutes for 10 GB on a slow disk.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if 0 < version < len(schema):
        _log.info(
            "journal upgraded from schema {old} to {new}, which may take minutes if it is large",
            old=version,
            new=len(schema),
        )
    for number in range(version + 1, len(schema) + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{schema[number - 1]}\n;PRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
