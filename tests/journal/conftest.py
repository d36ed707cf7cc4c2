"""Journals in a temporary directory, closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_twisted
from twisted.internet import reactor

from bssci.journal import open_journal as open_in
from bssci.journal.sqlite import database
from bssci.journal.sqlite.journal import SqliteJournal
from tests.support.inline_journal import copy_empty_file


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Callable[..., SqliteJournal]]:
    """Open the test's journal. To open it again, close it first."""
    opened = []

    def open_it(**options: int) -> SqliteJournal:
        with patch.object(database, "create_file", copy_empty_file):
            journal = open_in(tmp_path / "data", reactor, **options)
        opened.append(journal)
        return journal

    yield open_it
    for journal in opened:
        pytest_twisted.blockon(journal.close())


@pytest.fixture
def journal(open_journal: Callable[..., SqliteJournal]) -> SqliteJournal:
    return open_journal()
