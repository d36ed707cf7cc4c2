"""The journal: everything that must outlive a crash, in one SQLite file."""

from __future__ import annotations

from pathlib import Path

from bssci.journal.errors import JournalError, StorageError
from bssci.journal.sqlite.administration import Administration
from bssci.journal.sqlite.attachments import Attachments
from bssci.journal.sqlite.database import Database, load_schema
from bssci.journal.sqlite.downlinks import Downlinks
from bssci.journal.sqlite.events import Events
from bssci.journal.sqlite.history import History
from bssci.journal.sqlite.listening import Listening
from bssci.journal.sqlite.paths import Paths
from bssci.journal.sqlite.sessions import Sessions
from bssci.journal.sqlite.silences import Silences
from bssci.journal.sqlite.tables import Facts
from bssci.journal.sqlite.unknown import UnknownSensors
from bssci.journal.sqlite.worker import Reactor

MAX_BYTES = 16 * 1024**3
MAX_PENDING = 100_000
TAIL_BYTES = 8 * 1024**2


class Journal(
    Downlinks,
    Events,
    Sessions,
    Facts,
    Attachments,
    Paths,
    Listening,
    Silences,
    UnknownSensors,
    Administration,
    History,
):
    """What the service promised, knows and has yet to deliver.

    For the reactor's thread alone. Every Deferred of a change fires after the commit that holds it, with
    fsync, or fails with :class:`StorageError`. Changes take effect in the order in which they are submitted.
    """

    @classmethod
    def open(
        cls,
        directory: Path,
        reactor: Reactor,
        *,
        max_bytes: int = MAX_BYTES,
        max_pending: int = MAX_PENDING,
        tail_bytes: int = TAIL_BYTES,
    ) -> Journal:
        """Open the journal in a directory, or create it there. Blocks: for the start.

        :param max_bytes: how large the file may grow; then changes fail until old events are trimmed.
        :param max_pending: how many receptions may wait for the disk.
        :param tail_bytes: how much of the newest events stays in memory, as encoded.
        :raises JournalError: if the directory is in use or cannot be used, or the file is damaged, not
            ours or of a newer version; it stays as it is.
        """
        database = Database(directory, load_schema(), max_bytes=max_bytes)
        try:
            journal = cls(database, reactor, max_pending, tail_bytes)
        except StorageError as error:
            database.release()
            raise JournalError(
                f"{database.path}: {error}: restore it from a backup or set STATE_DIR"
            ) from error
        journal._start()
        return journal
