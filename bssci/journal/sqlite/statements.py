"""SQL for many rows with few statements and few steps.

Python releases its global lock around every SQLite step, and gets it back from a busy reactor only after
some milliseconds. Rows are therefore written by hundreds in one statement, in few sizes so that prepared
statements are reused. Likewise, queries combine many result rows into one, since each row takes a step.
(35 000 events beside a busy thread: 7 s row by row, 0.3 s in rows of 5 000.)
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Any

import msgspec

SqlValue = str | int | float | bytes | None
Row = tuple[SqlValue, ...]

_LARGEST = 512
_decode_texts = msgspec.json.Decoder(list[list[str]]).decode


def in_chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield slices of the rows whose lengths are powers of two, 512 at most."""
    start = 0
    while remaining := len(rows) - start:
        size = min(_LARGEST, 1 << (remaining.bit_length() - 1))
        yield rows[start : start + size]
        start += size


def execute_rows(cursor: sqlite3.Cursor, statement: str, rows: Sequence[Row], first: Row = ()) -> None:
    """Run a statement for all rows, with placeholders for rows in place of ``{rows}``.

    :param first: values for the placeholders before the rows.
    """
    for chunk in in_chunks(rows):
        values = [*first, *chain.from_iterable(chunk)]
        cursor.execute(_with_rows(statement, len(chunk[0]), len(chunk)), values)


def query_rows(cursor: sqlite3.Cursor, statement: str, rows: Sequence[Row]) -> list[Any]:
    """Run a query in the way of :func:`execute_rows`; return the rows found for all slices."""
    found = []
    for chunk in in_chunks(rows):
        cursor.execute(_with_rows(statement, len(chunk[0]), len(chunk)), list(chain.from_iterable(chunk)))
        found += cursor.fetchall()
    return found


def query_bodies(cursor: sqlite3.Cursor, query: str, numbers: Sequence[int]) -> list[tuple[int, bytes]]:
    """Run :func:`fetch_bodies` for a query in which ``{numbers}`` stands for a list of whole numbers."""
    # The list is one value: with placeholders, each length would need a statement of its own.
    rows = query.replace("{numbers}", "SELECT value FROM json_each(?)")
    return fetch_bodies(cursor, rows, (f"[{','.join(map(str, numbers))}]",)) if numbers else []


def fetch_bodies(
    cursor: sqlite3.Cursor, query: str, values: Sequence[SqlValue] = ()
) -> list[tuple[int, bytes]]:
    """Return the rows of a query for the columns ``seq``, whole numbers, and ``body``, in any order."""
    numbers, lengths, bodies = cursor.execute(
        "SELECT group_concat(seq), group_concat(length(body)), CAST(group_concat(CAST(body AS TEXT), '') AS "
        f"BLOB) FROM (SELECT seq, COALESCE(CAST(body AS BLOB), x'') AS body FROM ({query}))",
        values,
    ).fetchone()
    if numbers is None:
        return []
    ends = list(accumulate(map(int, lengths.split(","))))
    if ends[-1] != len(bodies):  # SQLite guarantees nothing for a cast of bytes that are not text
        return cursor.execute(
            f"SELECT seq, COALESCE(CAST(body AS BLOB), x'') FROM ({query})", values
        ).fetchall()
    return [
        (seq, bodies[begin:end])
        for seq, begin, end in zip(map(int, numbers.split(",")), [0, *ends], ends, strict=False)
    ]


def fetch_numbers(cursor: sqlite3.Cursor, query: str, values: Sequence[SqlValue] = ()) -> list[int]:
    """Return the rows of a query for the column ``seq``, whole numbers, in any order."""
    (numbers,) = cursor.execute(f"SELECT group_concat(seq) FROM ({query})", values).fetchone()
    return [] if numbers is None else [int(number) for number in numbers.split(",")]


def fetch_texts(
    cursor: sqlite3.Cursor, query: str, columns: Sequence[str], values: Sequence[SqlValue] = ()
) -> list[list[str]]:
    """Return the rows of a query for some columns, in any order.

    Everything is returned as text, because damage may change types.
    """
    texts = ", ".join(f"COALESCE(CAST({column} AS TEXT), '')" for column in columns)
    (rows,) = cursor.execute(
        f"SELECT json_group_array(json_array({texts})) FROM ({query})", values
    ).fetchone()
    return _decode_texts(rows)


def as_json(texts: Iterable[str]) -> str:
    """Return texts as one value, which ``SELECT value FROM json_each(?)`` turns into rows."""
    return msgspec.json.encode(list(texts)).decode()


@functools.lru_cache(maxsize=256)
def _with_rows(statement: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return statement.replace("{rows}", ", ".join([row] * rows))


def upsert(
    cursor: sqlite3.Cursor,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    key: Sequence[str],
    fixed: Collection[str] = (),
) -> None:
    """Store rows in place of those with the same key; no two of the rows may have the same key.

    :param fixed: columns that keep the value that was stored first.
    """
    execute_rows(cursor, _upsert(table, tuple(columns), tuple(key), frozenset(fixed)), rows)


@functools.cache
def _upsert(table: str, columns: tuple[str, ...], key: tuple[str, ...], fixed: frozenset[str]) -> str:
    changing = [name for name in columns if name not in key and name not in fixed]
    update = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in changing)}"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {{rows}} "
        f"ON CONFLICT ({', '.join(key)}) DO {update if changing else 'NOTHING'}"
    )
