"""The reading of a replay: the span, and pieces of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import ensureDeferred

from bssci.sinks import replay_reading as module
from bssci.sinks.replay_reading import SpanReader, last_before
from tests.support.inline_journal import InlineJournal
from tests.support.journal import uplink

BEGAN = 1_700_000_000.0


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[InlineJournal]:
    """A journal with ten uplinks, one a minute."""
    journal = InlineJournal(tmp_path)
    journal.events.append([replace(uplink(number), at=BEGAN + 60 * number) for number in range(10)])
    journal.commit()
    yield journal
    journal.cut()


def done(journal: InlineJournal, question: Any) -> Any:
    found: list[Any] = []
    ensureDeferred(question).addCallback(found.append)
    while not found:
        assert journal.commit()
    return found[0]


@pytest.mark.parametrize(
    ("at", "number"), [(-1.0, 0), (0.0, 0), (1.0, 1), (60.0, 1), (61.0, 2), (9999.0, 10)]
)
def test_the_span_begins_behind_what_is_older(journal: InlineJournal, at: float, number: int) -> None:
    assert done(journal, last_before(journal, BEGAN + at)) == number


def test_pieces_follow_each_other_whatever_their_size(
    journal: InlineJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ", 4)
    reader = SpanReader(journal, 1, 9, lambda event: event.packet_counter != 5)
    pieces = []
    for count in (1, 2, 50, 50, 50, 50):
        events, seq = done(journal, reader.take(count))
        pieces.append(([event.packet_counter for event in events], seq))
    assert pieces == [([1], 2), ([2, 3], 4), ([4], 5), ([6, 7, 8], 9), ([], 9), ([], 9)]
