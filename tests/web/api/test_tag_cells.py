"""Tags in one cell: as people write them, and back without damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bssci.web.api.tag_cells import COMMA, TagCells

BOTH = (TagCells(splits_words=True), TagCells(splits_words=False))


@given(st.lists(st.text('ab ,;[]"'), max_size=4))
def test_what_is_written_is_read_back(tags: list[str]) -> None:
    for cells in BOTH:
        assert cells.read(cells.write(tags)) == tags


def test_words_are_tags_only_where_they_are_said_to_be() -> None:
    assert [cells.read("ground floor") for cells in BOTH] == [["ground", "floor"], ["ground floor"]]
    assert [cells.write(["ground floor"]) for cells in BOTH] == ["ground floor;", "ground floor"]


@pytest.mark.parametrize("cells", BOTH)
def test_a_comma_that_may_divide_tags_is_refused(cells: TagCells) -> None:
    for text in ("roof,cellar", "cellar, left"):
        with pytest.raises(ValueError, match=COMMA):
            cells.read(text)
    assert (
        cells.read("cellar, left;roof") == cells.read('["cellar, left", "roof"]') == ["cellar, left", "roof"]
    )
    assert cells.write(["cellar, left"]) == "cellar, left;"
