from __future__ import annotations

from datetime import UTC, datetime

from bssci.sinks.postgres.rows import EventRow, EventRows, RawRow, ReadingRow

AT = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_event_can_be_stored_without_the_rows_that_are_to_blame() -> None:
    raw = RawRow(AT, "u1", "d", "g", "bssci", "{}", b"")
    good, bad = (
        ReadingRow(AT, "d", name, 1.0, None, None, "u1", "g", "meter@1", None) for name in ("good", "bad")
    )
    whole = EventRows(None, "u1", AT, raw=[raw], readings=[good, bad], stations=["g"])
    assert list(whole.rows()) == [raw, good, bad]
    kept = whole.only({id(raw), id(good)})
    assert list(kept.rows()) == [raw, good]
    assert kept.stations == ["g"]


def test_what_only_happened_is_a_row_of_its_own() -> None:
    row = EventRow(AT, "station-state", None, "g", "{}", "e1")
    assert list(EventRows(None, "e1", AT, events=[row]).rows()) == [row]
