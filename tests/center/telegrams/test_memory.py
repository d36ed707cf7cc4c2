"""Ids are known as long as they are among the newest, in this run and in the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bssci.center.telegrams.memory import TelegramMemory
from tests.support.inline_journal import InlineJournal


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InlineJournal]:
    journal = InlineJournal(tmp_path / "data")
    yield journal
    journal.cut()


def store(journal: InlineJournal, memory: TelegramMemory, *ids: str) -> None:
    journal.events.append([], beside=[memory.add(ids)])
    journal.commit()


def test_the_newest_are_known(journal: InlineJournal) -> None:
    memory = TelegramMemory(journal, {}, size=3)
    store(journal, memory, "a", "b", "c", "d")
    assert [each for each in "abcd" if each in memory] == ["b", "c", "d"]
    assert len(memory) == 3


def test_a_restart_forgets_nothing_and_goes_on_in_order(journal: InlineJournal) -> None:
    store(journal, TelegramMemory(journal, {}, size=3), "a", "b", "c", "d")
    memory = TelegramMemory(journal, journal.kept().telegram_keys, size=3)
    assert [each for each in "abcd" if each in memory] == ["b", "c", "d"]
    store(journal, memory, "e")
    later = TelegramMemory(journal, journal.kept().telegram_keys, size=3)
    assert [each for each in "abcde" if each in later] == ["c", "d", "e"]


def test_what_could_not_be_stored_is_forgotten(journal: InlineJournal) -> None:
    memory = TelegramMemory(journal, {}, size=3)
    memory.add(["a", "b"])
    memory.forget(["a", "x"])
    assert "a" not in memory and "b" in memory


def test_a_ring_that_became_smaller_keeps_the_newest(journal: InlineJournal) -> None:
    store(journal, TelegramMemory(journal, {}, size=5), *"abcde")
    memory = TelegramMemory(journal, journal.kept().telegram_keys, size=2)
    assert [each for each in "abcde" if each in memory] == ["d", "e"]
