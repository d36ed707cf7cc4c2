from __future__ import annotations

from pathlib import Path

from bssci.center.own_eui import own_eui
from tests.support.inline_journal import InlineJournal


def test_it_is_drawn_once_and_locally_administered(tmp_path: Path) -> None:
    journal = InlineJournal(tmp_path)
    drawn = own_eui(journal, journal.kept())
    journal.commit()
    assert int(drawn[:2], 16) & 0x03 == 0x02
    assert own_eui(journal, journal.kept()) == drawn
    journal.close()
