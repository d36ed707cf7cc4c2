"""A journal without threads: the real one, whose commits happen when the test says so."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed

from bssci.journal import Journal, StorageError
from bssci.journal.sqlite import database
from bssci.journal.sqlite.database import Database, load_schema
from bssci.journal.sqlite.worker import Submission, Worker

T = TypeVar("T")


_create = database._create


@cache
def _empty_file(schema: tuple[str, ...]) -> bytes:
    """A new journal's, made once: that takes longer than most tests."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / database.FILE_NAME
        _create(file, schema)
        return file.read_bytes()


def _copy(path: Path, schema: Sequence[str]) -> None:
    path.write_bytes(_empty_file(tuple(schema)))


class _AtOnce:
    """The part of a reactor that journal threads use."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        callable(*args)


class InlineJournal(Journal):
    """Submissions wait for :meth:`commit`, which makes one group of them as the writer's thread would.

    :ivar broken: commits and reads fail, as on a full disk.
    """

    def __init__(self, directory: Path, *, max_pending: int = 100_000) -> None:
        with patch.object(database, "_create", _copy):
            file = Database(directory, load_schema(), max_bytes=1 << 30)
        super().__init__(file, _AtOnce(), max_pending, 1 << 20)
        self.broken = False
        self._queues: list[tuple[Worker, list[Submission]]] = []
        for worker in (self._writer, self._reader):
            self._hold(worker)
        # Nobody pulls the plug here, and disks are slow.
        self._writer._connection.execute("PRAGMA synchronous = OFF")

    def commit(self) -> bool:
        """Do what waits, until nothing does; whether there was anything."""
        done = False
        while any(queue for _, queue in self._queues):
            done = True
            for worker, queue in self._queues:
                group = queue.copy()
                queue.clear()
                if group and self.broken:
                    for submission in group:
                        submission.deferred.errback(StorageError("disk full"))
                elif group:
                    worker._serve(group)
        return done

    def cut(self) -> None:
        """The process ends here and now; what waits is lost."""
        for worker, queue in self._queues:
            queue.clear()
            worker._connection.close()
        self._database.release()

    def close(self) -> Deferred[None]:
        self.commit()
        self.cut()
        return succeed(None)

    def _read_now(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        """By the reader's connection: one more for each query takes longer than the query."""
        return query(self._reader._connection.cursor())

    def _hold(self, worker: Any) -> None:
        queue: list[Submission] = []
        self._queues.append((worker, queue))
        worker.submit = queue.append
