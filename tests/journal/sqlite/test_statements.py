"""Many rows in few statements of few sizes."""

from __future__ import annotations

import sqlite3

import pytest

from bssci.journal.sqlite.statements import (
    as_json,
    execute_rows,
    fetch_bodies,
    fetch_numbers,
    fetch_texts,
    in_chunks,
    query_bodies,
    query_rows,
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 511, 512, 513, 1300])
def test_chunks_have_few_sizes_and_lose_nothing(count):
    rows = [(n,) for n in range(count)]
    chunks = list(in_chunks(rows))
    assert [row for chunk in chunks for row in chunk] == rows
    assert all(len(chunk) in {1 << n for n in range(10)} for chunk in chunks)
    assert len(chunks) <= count // 512 + 9


def test_rows_are_written_and_found():
    cursor = sqlite3.connect(":memory:").cursor()
    cursor.execute("CREATE TABLE t (a, b)")
    execute_rows(cursor, "INSERT INTO t VALUES {rows}", [(n, str(n)) for n in range(700)])
    assert cursor.execute("SELECT COUNT(*), SUM(a) FROM t").fetchone() == (700, 699 * 350)
    found = query_rows(cursor, "SELECT b FROM t WHERE a IN (VALUES {rows}) ORDER BY a", [(3,), (9999,), (5,)])
    assert found == [("3",), ("5",)]
    execute_rows(cursor, "DELETE FROM t WHERE b <> ? AND a IN (VALUES {rows})", [(3,), (5,)], first=("3",))
    assert cursor.execute("SELECT a FROM t WHERE a < 7").fetchall() == [(n,) for n in (0, 1, 2, 3, 4, 6)]


def test_bodies_are_read_in_one_row_whatever_they_hold():
    cursor = sqlite3.connect(":memory:").cursor()
    cursor.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, body)")
    bodies = {1: b"", 2: b"\0,\xff", 3: "ä,b".encode(), 70_000: bytes(range(256)) * 10}
    execute_rows(cursor, "INSERT INTO t VALUES {rows}", list(bodies.items()))
    cursor.execute("UPDATE t SET body = 'ä,b' WHERE seq = 3")  # damaged: a text
    assert (
        dict(fetch_bodies(cursor, "SELECT * FROM t WHERE seq > ? ORDER BY seq DESC LIMIT 9", (0,))) == bodies
    )
    assert fetch_bodies(cursor, "SELECT * FROM t WHERE seq > 99999") == []
    assert sorted(fetch_numbers(cursor, "SELECT seq FROM t WHERE seq > ?", (1,))) == [2, 3, 70_000]
    assert fetch_numbers(cursor, "SELECT seq FROM t WHERE seq < 0") == []
    found = query_bodies(cursor, "SELECT * FROM t WHERE seq IN ({numbers})", [3, 8, 1, 2])
    assert dict(found) == {number: bodies[number] for number in (1, 2, 3)}


def test_texts_are_read_in_one_row_and_given_as_one_value():
    cursor = sqlite3.connect(":memory:").cursor()
    cursor.execute("CREATE TABLE t (a, b)")
    rows = [["1", "ä"], ["2", 'q"\\,'], ["3", ""]]
    execute_rows(cursor, "INSERT INTO t VALUES {rows}", [tuple(row) for row in rows])
    assert sorted(fetch_texts(cursor, "SELECT a, b FROM t", ("a", "b"))) == rows
    query = "SELECT a FROM t WHERE b IN (SELECT value FROM json_each(?))"
    assert sorted(fetch_texts(cursor, query, ("a",), (as_json(["", 'q"\\,', "x"]),))) == [["2"], ["3"]]
    assert fetch_texts(cursor, query, ("a",), (as_json([]),)) == []
