from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from bssci.model import EUI
from bssci.model.entry_error import EntryError
from bssci.web.api.entry_files import MAX_ERRORS, gather, read_array, read_table
from bssci.web.http.errors import ApiError


class Entry(NamedTuple):
    eui: EUI


def parse(given: Any) -> Entry:
    if given == "bad":
        raise EntryError("eui", "is bad")
    return Entry(EUI(given))


def test_wrong_rows_are_named_and_the_rest_is_there() -> None:
    given = enumerate(["a", "bad", EntryError("row", "is cut"), "a", "b"], 1)
    found = gather(given, parse, most=9, noun="things")
    assert [entry.eui for entry in found.entries] == ["a", "b"]
    assert (found.rows, found.wrong) == (5, 3)
    assert found.errors == [
        {"row": 2, "field": "eui", "message": "is bad"},
        {"row": 3, "field": "row", "message": "is cut"},
        {"row": 4, "field": "eui", "message": "is already in row 1"},
    ]


def test_what_is_told_is_bounded_and_so_is_what_is_read() -> None:
    found = gather(enumerate(["bad"] * (MAX_ERRORS + 5), 1), parse, most=1000, noun="things")
    assert (len(found.errors), found.wrong) == (MAX_ERRORS, MAX_ERRORS + 5)
    with pytest.raises(ApiError, match="2 things are allowed in one file"):
        gather(enumerate("abc", 1), parse, most=2, noun="things")


def test_an_array_may_stand_in_an_object() -> None:
    for text, about in (("[7, 8]", {}), ('{"things": [7, 8], "x": 2}', {"things": [7, 8], "x": 2})):
        entries, told = read_array(text, "things", "things")
        assert (list(entries), told) == ([(1, 7), (2, 8)], about)
    with pytest.raises(ApiError, match="must be a JSON array of things"):
        read_array('{"other": []}', "things", "things")


def test_rows_of_a_table_are_numbered_as_a_spreadsheet_shows_them() -> None:
    rows = read_table(
        'sep=;\nEUI;Name\na;"x\nz"\n\n;\nb;y\n',
        str.lower,
        lambda names: lambda cells: dict(zip(names, cells, strict=True)),
    )
    assert list(rows) == [(2, {"eui": "a", "name": "x\nz"}), (5, {"eui": "b", "name": "y"})]
    for text in ("", "name\nx\n", 'eui\n"a'):
        with pytest.raises(ApiError):
            list(read_table(text, str.lower, lambda names: lambda cells: None))


def test_the_names_of_the_columns_are_looked_at_once_and_no_more_rows_are_read_than_are_allowed() -> None:
    heads: list[list[str]] = []
    rows: list[str] = []

    def reader(names: list[str]) -> Callable[[Sequence[str]], str]:
        heads.append(names)
        return lambda cells: rows.append(cells[0]) or cells[0]  # type: ignore[func-returns-value]

    text = "eui\n" + "".join(f"{number}\n" for number in range(1000))
    with pytest.raises(ApiError, match="2 things are allowed in one file"):
        gather(read_table(text, str.lower, reader), parse, most=2, noun="things")
    assert (heads, rows) == ([["eui"]], ["0", "1", "2"])
