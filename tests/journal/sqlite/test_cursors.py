"""How far each sink has come, over a restart."""

from __future__ import annotations

from tests.support.journal import HeldWriter


async def test_cursors_are_where_they_were_moved_last(open_journal):
    journal = open_journal()
    with HeldWriter(journal):
        journal.cursors.move("mqtt", 10)
        journal.cursors.move("log", 7)
        moved = journal.cursors.move("mqtt", 4)
    await moved
    await journal.close()
    assert (await open_journal().load()).cursors == {"mqtt": 4, "log": 7}
