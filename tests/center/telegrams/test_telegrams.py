"""A telegram is kept once, however often and in whatever moment it is delivered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from bssci.center.telegrams.telegrams import Telegrams
from bssci.center.uplinks.deduplication import Deduplication
from bssci.center.uplinks.ingest import Ingest
from bssci.journal import StorageError
from bssci.model import Telegram
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.telegrams import telegram


class Desk:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open()

    def open(self) -> None:
        self.heard: list[Telegram] = []
        self.journal = InlineJournal(self.directory / "data")
        windows = Deduplication(
            Clock(), self.journal.events, delay=2.0, sensors={}, counters={}, now=lambda: 0.0
        )
        ingest = Ingest(self.journal, windows)
        self.telegrams = Telegrams(self.journal, self.journal.kept(), ingest, self._hear)

    def _hear(self, telegrams: Sequence[Telegram]) -> None:
        self.heard += telegrams

    def crash(self) -> None:
        self.journal.cut()
        self.open()

    def kept(self) -> list[str]:
        reading = self.journal.events.read(0, 100)
        self.journal.commit()
        return [event.id for _, event in result_of(reading)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.cut()


def test_nothing_is_promised_before_it_is_on_disk(desk: Desk) -> None:
    new, done = desk.telegrams.take("mqtt", [telegram(1), telegram(2), telegram(1)], {})
    assert [each.id for each in new] == ["telegram-1", "telegram-2"]
    assert not done.called and not desk.heard
    desk.journal.commit()
    assert result_of(done) == 2 and [each.id for each in desk.heard] == ["telegram-1", "telegram-2"]


def test_a_second_delivery_waits_for_the_first_and_is_not_kept(desk: Desk) -> None:
    desk.telegrams.take("mqtt", [telegram(1)], {})
    new, done = desk.telegrams.take("kafka", [telegram(1), telegram(2)], {})
    assert [each.id for each in new] == ["telegram-2"] and not done.called
    desk.journal.commit()
    result_of(done)
    assert result_of(desk.telegrams.take("mqtt", [telegram(1)], {})[1]) == 0
    assert desk.kept() == ["telegram-1", "telegram-2"]


def test_a_second_delivery_fails_with_the_first(desk: Desk) -> None:
    desk.journal.broken = True
    first = desk.telegrams.take("mqtt", [telegram(1)], {})[1]
    second = desk.telegrams.take("mqtt", [telegram(1)], {})[1]
    desk.journal.commit()
    for each in (first, second):
        with pytest.raises(StorageError):
            result_of(each)
    desk.journal.broken = False
    assert not desk.telegrams.knows("telegram-1")
    desk.telegrams.take("mqtt", [telegram(1)], {})
    desk.journal.commit()
    assert desk.kept() == ["telegram-1"]


def test_a_second_delivery_with_more_fails_as_one(desk: Desk) -> None:
    desk.journal.broken = True
    first = desk.telegrams.take("mqtt", [telegram(1)], {})[1]
    second = desk.telegrams.take("mqtt", [telegram(1), telegram(2)], {})[1]
    desk.journal.commit()
    for each in (first, second):
        with pytest.raises(StorageError):
            result_of(each)


def test_it_is_known_after_a_crash(desk: Desk) -> None:
    desk.telegrams.take("mqtt", [telegram(1)], {})
    desk.journal.commit()
    desk.telegrams.take("mqtt", [telegram(2)], {})
    desk.crash()
    new, _ = desk.telegrams.take("mqtt", [telegram(1), telegram(2)], {})
    desk.journal.commit()
    assert [each.id for each in new] == ["telegram-2"]
    assert desk.kept() == ["telegram-1", "telegram-2"]


def test_positions_are_stored_with_what_they_stand_for(desk: Desk) -> None:
    desk.telegrams.take("kafka", [telegram(1)], {"raw/0": 7})
    assert desk.telegrams.cursors("kafka") == {}
    desk.journal.commit()
    desk.telegrams.take("kafka", [telegram(1)], {"raw/0": 8, "raw/1": 3})
    desk.journal.commit()
    desk.crash()
    assert desk.telegrams.cursors("kafka") == {"raw/0": 8, "raw/1": 3}
    assert desk.telegrams.cursors("kaf") == {}


def test_a_fault_of_whoever_listens_is_no_refusal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, expected_errors: list[object]
) -> None:
    monkeypatch.setattr(desk.telegrams, "_heard", lambda telegrams: 1 / 0)
    done = desk.telegrams.take("mqtt", [telegram(1)], {})[1]
    desk.journal.commit()
    assert result_of(done) == 1 and len(expected_errors) == 1
    expected_errors.clear()
