"""A journal without threads: the real one, whose commits happen when the test says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed

from bssci.journal import Loaded, StorageError
from bssci.journal.sqlite import database
from bssci.journal.sqlite.database import Database, load_schema
from bssci.journal.sqlite.journal import SqliteJournal
from bssci.journal.sqlite.loading import load
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


class InlineJournal(SqliteJournal):
    """Submissions wait for :meth:`commit`, which makes one group of them as the writer's thread would.

    :ivar queues: each worker, and what waits for it; the writer first.
    :ivar broken: commits and reads fail, as on a full disk.
    """

    def __init__(self, directory: Path, *, max_pending: int = 100_000) -> None:
        with patch.object(database, "_create", _copy):
            file = Database(directory, load_schema(), max_bytes=1 << 30)
        super().__init__(file, _AtOnce(), max_pending=max_pending, tail_bytes=1 << 20)
        self.broken = False
        self.queues: list[tuple[Worker, list[Submission]]] = []
        for worker in (self.core.writer, self.core.reader, self.core.history):
            self._hold(worker)
        # Nobody pulls the plug here, and disks are slow.
        self.core.writer.connection.execute("PRAGMA synchronous = OFF")

    def commit(self) -> bool:
        """Do what waits, until nothing does; whether there was anything."""
        done = False
        while any(queue for _, queue in self.queues):
            done = True
            for worker, queue in self.queues:
                group = queue.copy()
                queue.clear()
                if group and self.broken:
                    for submission in group:
                        submission.deferred.errback(StorageError("disk full"))
                elif group:
                    worker.serve(group)
        return done

    def cut(self) -> None:
        """The process ends here and now; what waits is lost."""
        for worker, queue in self.queues:
            queue.clear()
            worker.connection.close()
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
