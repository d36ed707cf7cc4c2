"""What was heard is on disk before whoever brought it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from bssci.center.uplinks.deduplication import Deduplication
from bssci.center.uplinks.ingest import Ingest
from bssci.journal import StorageError
from bssci.model import EUI, Telegram
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.journal import SENSOR, reception


class Desk:
    def __init__(self, directory: Path) -> None:
        self.journal = InlineJournal(directory / "data")
        counters: dict[EUI, int] = {}
        self.windows = Deduplication(
            Clock(), self.journal.events, delay=2.0, sensors={SENSOR}, counters=counters, now=lambda: 0.0
        )
        self.ingest = Ingest(self.journal, self.windows)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.journal.cut()


def test_receptions_are_kept_before_a_window_sees_them(desk: Desk) -> None:
    taken = desk.ingest.receptions([reception(1)])
    assert not taken.called and desk.windows.open_windows == 0
    desk.journal.commit()
    assert taken.called and desk.windows.open_windows == 1


def test_what_cannot_be_stored_is_not_taken(desk: Desk) -> None:
    desk.journal.broken = True
    taken = desk.ingest.receptions([reception(1)])
    desk.journal.commit()
    with pytest.raises(StorageError):
        result_of(taken)
    assert desk.windows.open_windows == 0


def test_a_fault_of_ours_after_that_is_no_refusal(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, expected_errors: list[object]
) -> None:
    monkeypatch.setattr(desk.windows, "add", lambda receptions, position: 1 / 0)
    taken = desk.ingest.receptions([reception(1)])
    desk.journal.commit()
    assert result_of(taken) is None and len(expected_errors) == 1
    expected_errors.clear()


def test_telegrams_are_events_at_once(desk: Desk) -> None:
    telegram = Telegram(at=1.0, id="1", device="ble:1", gateway="roof", source="mqtt", payload=b"x")
    taken = desk.ingest.telegrams([telegram])
    assert not taken.called
    desk.journal.commit()
    assert result_of(taken) == 1
    reading = desk.journal.events.read(0, 10)
    desk.journal.commit()
    assert result_of(reading) == [(1, telegram)]
