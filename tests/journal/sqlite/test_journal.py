"""A journal as a whole: full, and with room again."""

from __future__ import annotations

import pytest

from bssci.journal import StorageError
from tests.support.journal import STATION, reception, uplink


async def test_a_full_journal_refuses_and_recovers_when_old_events_go(open_journal):
    journal = open_journal(max_bytes=400 * 1024)
    stored = 0
    with pytest.raises(StorageError):
        for _ in range(100):
            await journal.events.append([uplink(n, at=0.0, payload=b"x" * 200) for n in range(20)])
            stored += 20
    assert 0 < stored < 2000
    # A small change may still find room in a page, a batch does not.
    with pytest.raises(StorageError):
        await journal.inbox.append([reception(n) for n in range(500)], journal.sessions.mark(STATION, 1))
    assert len(await journal.events.read(0, 5000)) == stored

    await journal.events.trim(before_at=1.0, delivered_seq=journal.events.last_seq)
    await journal.inbox.append([reception(n) for n in range(500)], journal.sessions.mark(STATION, 1))
    await journal.events.append([uplink(n) for n in range(20)])
