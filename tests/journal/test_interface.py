"""The journal in an SQLite file keeps the contract."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor

from bssci.journal import Journal, open_journal
from tests.journal.contract import Contract


class TestSqlite(Contract):
    def open(self, directory: Path) -> Journal:
        return open_journal(directory, reactor)
