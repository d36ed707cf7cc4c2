"""A journal without threads: the real one, whose commits happen when the test says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed

from bssci.journal import Loaded, StorageError
from bssci.journal.sqlite import database
from bssci.journal.sqlite.damage import CountingConnection
from bssci.journal.sqlite.database import Database, create_file, load_schema
from bssci.journal.sqlite.journal import SqliteJournal
from bssci.journal.sqlite.loading import load
from bssci.journal.sqlite.worker import Submission, Worker

_schema = cache(load_schema)


@cache
def _empty_file() -> bytes:
    """Return a new journal's file, made once: that takes longer than most tests."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / database.FILE_NAME
        create_file(path, _schema())
        content = path.read_bytes()
    return content[:18] + b"\2\2" + content[20:]  # as if a write-ahead log had been switched on


def copy_empty_file(path: Path, schema: Sequence[str]) -> None:
    """Make a journal's file as :func:`bssci.journal.sqlite.database.create_file` does."""
    path.write_bytes(_empty_file())
    path.chmod(0o600)


class _Database(Database):
    """A database with one connection for all: each further one would have to read the schema first."""

    def __init__(self, directory: Path) -> None:
        self._connection: CountingConnection | None = None
        with patch.object(database, "create_file", copy_empty_file):
            super().__init__(directory, _schema(), max_bytes=1 << 30)

    def connect(self) -> CountingConnection:
        if self._connection is None:
            self._connection = super().connect()
            # Nobody pulls the plug here, and disks are slow.
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.close = lambda: None  # type: ignore[method-assign]
        return self._connection

    connect_to_read = connect

    def release(self) -> None:
        if self._connection is not None:
            sqlite3.Connection.close(self._connection)
        super().release()


class _AtOnce:
    """The part of a reactor that journal threads use."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        callable(*args)


class InlineJournal(SqliteJournal):
    """Submissions wait for :meth:`commit`, which makes one group of them as the writer's thread would.

    :ivar queues: each worker, and what waits for it; the writer first.
    :ivar broken: commits and reads fail, as on a disk that is gone.
    :ivar full: commits fail, as on a full disk.
    """

    def __init__(self, directory: Path, *, max_pending: int = 100_000) -> None:
        super().__init__(_Database(directory), _AtOnce(), max_pending=max_pending, tail_bytes=1 << 20)
        self.broken = self.full = False
        self.queues: list[tuple[Worker, list[Submission]]] = []
        for worker in (self.core.writer, self.core.reader, self.core.history):
            self._hold(worker)

    def commit(self) -> bool:
        """Do what waits, until nothing does; whether there was anything."""
        done = False
        while any(queue for _, queue in self.queues):
            done = True
            for worker, queue in self.queues:
                group = queue.copy()
                queue.clear()
                if group and (self.broken or (self.full and worker is self.core.writer)):
                    for submission in group:
                        submission.deferred.errback(StorageError("disk full"))
                elif group:
                    worker.serve(group)
        return done

    def cut(self) -> None:
        """The process ends here and now; what waits is lost."""
        for _, queue in self.queues:
            queue.clear()
        self.core.database.release()

    def close(self) -> Deferred[None]:
        self.commit()
        self.cut()
        return succeed(None)

    def kept(self) -> Loaded:
        """What :meth:`load` fires with when all is committed."""
        return load(self.core.reader.connection.cursor())

    def _hold(self, worker: Any) -> None:
        queue: list[Submission] = []
        self.queues.append((worker, queue))
        worker.submit = queue.append
