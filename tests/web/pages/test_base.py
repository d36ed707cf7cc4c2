from __future__ import annotations

import pytest

from bssci.web.pages.base import chart, paging, timeline, within


@pytest.mark.parametrize(
    ("page", "total", "pages", "first", "last"),
    [(1, 0, 1, 0, 0), (1, 50, 1, 1, 50), (2, 51, 2, 51, 51), (9, 51, 2, 51, 51)],
)
def test_a_page_says_which_of_how_many_it_shows(
    page: int, total: int, pages: int, first: int, last: int
) -> None:
    shown = paging(page, 50, total)
    assert (shown["pages"], shown["first"], shown["last"]) == (pages, first, last)


@pytest.mark.parametrize(
    ("page", "total", "shown"), [(1, 0, 1), (3, 0, 1), (2, 50, 1), (2, 51, 2), (3, 51, 2), (1, 51, 1)]
)
def test_beyond_the_end_of_a_list_its_last_page_is_shown(page: int, total: int, shown: int) -> None:
    assert within(page, 50, total) == shown


def test_an_entry_of_a_timeline_names_the_station() -> None:
    event = {
        "kind": "station-state",
        "timestamp": 5.0,
        "state": "online",
        "base_station_eui": "CAFE000000000001",
        "title": "Came online",
    }
    (entry,) = timeline([event], {"CAFE000000000001": "roof"})
    assert (entry["at"], entry["title"], entry["text"]) == (5.0, "Came online", "roof")
    (entry,) = timeline([event], {})
    assert entry["text"] == "CAFE000000000001"


def test_one_curve_is_an_area_and_several_are_lines() -> None:
    span = {"start": 0.0, "end": 60.0}
    assert chart("a", "A", "", span, {"x": []})["kind"] == "area"
    assert chart("a", "A", "", span, {"x": [], "y": []})["kind"] == "line"
