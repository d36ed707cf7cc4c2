"""Journals in a temporary directory, closed when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor

from bssci.journal import Journal


@pytest.fixture
def open_journal(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Open the test's journal. To open it again, close it first."""
    opened = []

    def open_it(**options: int) -> Journal:
        journal = Journal.open(tmp_path / "data", reactor, **options)
        opened.append(journal)
        return journal

    yield open_it
    for journal in opened:
        pytest_twisted.blockon(journal.close())


@pytest.fixture
def journal(open_journal: Callable[..., Journal]) -> Journal:
    return open_journal()
