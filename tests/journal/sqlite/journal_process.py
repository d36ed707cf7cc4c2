"""A process that stores and says what was acknowledged, until it is killed.

Usage: ``python -m tests.journal.sqlite.journal_process DIRECTORY``. Prints a line "position seq" each time
that a reception and its event are on disk.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from bssci.journal import Journal, open_journal
from tests.support.journal import reception, uplink


async def store(journal: Journal) -> None:
    while True:
        counter = journal.events.last_seq + 1
        position, seq = await gatherResults(
            [
                journal.inbox.append([reception(counter)]),
                journal.events.append([uplink(counter)]),
            ]
        )
        os.write(1, f"{position} {seq}\n".encode())


if __name__ == "__main__":
    Deferred.fromCoroutine(store(open_journal(Path(sys.argv[1]), reactor)))
    reactor.run()
