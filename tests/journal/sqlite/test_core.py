"""What the components of a journal share: one writer, one reader, one end."""

from __future__ import annotations

import pytest

from bssci.journal import Fact, StorageError
from tests.support.journal import (
    SENSOR,
    HeldWriter,
    uplink,
)


async def test_the_reader_does_not_wait_for_the_writer(journal):
    await journal.tables.put([Fact(name="colour", value="blue")])
    with HeldWriter(journal):
        journal.tables.put([Fact(name="colour", value="red")])
        query = "SELECT value FROM setting WHERE name = 'colour'"
        assert await journal.core.read(lambda cursor: cursor.execute(query).fetchone()[0]) == "blue"


async def test_the_reader_refuses_to_write(journal):
    with pytest.raises(StorageError):
        await journal.core.read(lambda cursor: cursor.execute("DELETE FROM event"))


async def test_close_finishes_what_was_submitted(open_journal):
    journal = open_journal()
    with HeldWriter(journal):
        stored = journal.events.append([uplink(7, SENSOR)])
        closed = journal.close()
        again = journal.close()
        with pytest.raises(StorageError):
            await journal.events.append([uplink(8)])
    assert await stored == 1
    await closed
    await again
    await journal.close()
    with pytest.raises(StorageError):
        await journal.core.read(lambda cursor: None)

    reopened = open_journal()
    assert [event.packet_counter for _, event in await reopened.events.read(0, 10)] == [7]
