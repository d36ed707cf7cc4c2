"""bssci.stream.outputs: what is written, what is written once, and what is told of a failure."""

from __future__ import annotations

import io
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bssci.stream.address import StreamError
from bssci.stream.outputs import (
    Console,
    File,
    OutputError,
    Postgres,
    RefusedMessageError,
    Sqlite,
    Webhook,
    row_of,
)
from tests.sinks.postgres.cluster import Database, database, postgres_cluster
from tests.stream.test_messages import READING, told

BATCH = [told(READING), told(READING | {"value": "open", "unit": None}), told({"state": "online"}, "service")]


def test_the_console_writes_a_line_for_each_value_or_the_json() -> None:
    out = io.StringIO()
    Console(False, out).write(BATCH)
    Console(True, out).write(BATCH[:1])
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[3])["payload"] == READING


def test_a_console_without_a_character_writes_its_number() -> None:
    raw = io.BytesIO()
    console = Console(False, io.TextIOWrapper(raw, "ascii"))
    console.open()
    console.write([told(READING | {"sensor": "\u65e5"})])
    assert raw.getvalue().decode().endswith("\\u65e5 12.3457 m\\xb3\n")


def test_a_row_has_no_nul_in_its_json() -> None:
    sent = {"a": "x\0y", "b": r"\u0000", "c": "\\\0", "d\0": "\ud800"}
    row = row_of(told(sent))
    assert json.loads(row[-1]) == {"a": "x\ufffdy", "b": r"\u0000", "c": "\\\ufffd", "d\ufffd": "\ufffd"}


def test_a_file_grows(tmp_path: Path) -> None:
    for _ in range(2):
        file = File(tmp_path / "out.jsonl")
        file.open()
        file.write(BATCH)
        file.close()
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["topic"] for line in lines] == [message.topic for message in BATCH * 2]
    with pytest.raises(StreamError):
        File(tmp_path / "none" / "out").open()


def test_sqlite_keeps_a_message_once(tmp_path: Path) -> None:
    output = Sqlite(tmp_path / "out.db")
    output.open()
    output.write(BATCH)
    output.write(BATCH)
    output.close()
    rows = (
        sqlite3.connect(tmp_path / "out.db")
        .execute("SELECT sensor, value, text, unit FROM message")
        .fetchall()
    )
    assert rows == [
        ("volume", 12.3456789, None, "m³"),
        ("volume", None, "open", None),
        (None, None, None, None),
    ]


def test_a_locked_database_is_a_failure_that_passes(tmp_path: Path) -> None:
    output = Sqlite(tmp_path / "out.db")
    output.open()
    other = sqlite3.connect(tmp_path / "out.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert output._connection is not None
    output._connection.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(OutputError, match="locked"):
        output.write(BATCH)
    other.execute("ROLLBACK")
    output.write(BATCH)
    output.close()


def test_rows_have_no_nul_in_any_text() -> None:
    odd = dict.fromkeys(("value", "sensor", "device_id", "unit"), "a\x00b")
    row = row_of(told(READING | odd))
    assert "\0" not in "".join(each for each in row if isinstance(each, str))
    assert [row[index] for index in (3, 4, 6, 7)] == ["a\ufffdb"] * 4


@pytest.mark.parts
def test_a_server_that_is_not_there_is_a_failure_that_passes() -> None:
    pytest.importorskip("psycopg")
    output = Postgres("host=127.0.0.1 port=1 dbname=none connect_timeout=1")
    output.open()
    with pytest.raises(OutputError, match="PostgreSQL"):
        output.write(BATCH)
    output.close()


@pytest.mark.parts
def test_postgresql_keeps_a_message_once(database: Database) -> None:
    cluster = database.cluster
    database.query(f"ALTER DATABASE {database.name} SET client_encoding = 'LATIN1'")
    output = Postgres(f"host={cluster.host} dbname={database.name} user={cluster.user}")
    output.open()
    output.write(BATCH)
    output.write([*BATCH, told(READING | {"value": "a\0b"}, "nul")])
    database.query(f"ALTER DATABASE {database.name} RESET ALL")
    output.close()
    rows = database.query("SELECT sensor, value, text, unit FROM message")
    assert sorted(rows, key=str) == sorted(
        [
            ("volume", 12.3456789, None, "m³"),
            ("volume", None, "open", None),
            ("volume", None, "a\ufffdb", "m³"),
            (None, None, None, None),
        ],
        key=str,
    )


@pytest.mark.parts
@pytest.mark.postgres
def test_postgresql_refuses_a_message_that_it_could_never_take(database: Database) -> None:
    cluster = database.cluster
    output = Postgres(f"host={cluster.host} dbname={database.name} user={cluster.user}")
    output.open()
    wrong = told(READING | {"timestamp": "some time"})
    with pytest.raises(RefusedMessageError, match="timestamp"):
        output.write([*BATCH, wrong])
    output.write(BATCH)
    assert database.query("SELECT count(*) FROM message") == [len(BATCH)]
    output.close()


class _Handler(BaseHTTPRequestHandler):
    received: list[Any]
    status: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.headers["Authorization"], body))
        self.send_response(self.status)
        if 300 <= self.status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.received.append("GET")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[tuple[str, type[_Handler]]]:
    handler = type("Handler", (_Handler,), {"received": [], "status": 204})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", handler
    server.shutdown()
    server.server_close()


@pytest.mark.parts
def test_a_webhook_gets_batches_and_its_refusals_are_told_apart(hook: tuple[str, type[_Handler]]) -> None:
    url, handler = hook
    output = Webhook(url, [("Authorization", "Bearer x")])
    output.open()
    output.write(BATCH)
    [(authorization, body)] = handler.received
    assert authorization == "Bearer x"
    assert [each["topic"] for each in body] == [message.topic for message in BATCH]
    handler.status = 503
    with pytest.raises(OutputError, match="503") as failed:
        output.write(BATCH)
    assert not isinstance(failed.value, RefusedMessageError)
    handler.status = 422
    with pytest.raises(RefusedMessageError, match="422"):
        output.write(BATCH)


@pytest.mark.parts
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_webhook_that_redirects_has_not_taken_anything(
    hook: tuple[str, type[_Handler]], status: int
) -> None:
    url, handler = hook
    handler.status = status
    with pytest.raises(OutputError, match=f"the webhook answered {status}"):
        Webhook(url, [("Authorization", "Bearer x")]).write(BATCH)
    assert len(handler.received) == 1


@pytest.mark.parts
def test_a_webhook_that_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 mail ready\r\n\r\n")

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        with pytest.raises(OutputError, match="webhook: 220 mail ready"):
            Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/").write(BATCH)
        thread.join()


def test_a_webhook_that_is_none() -> None:
    with pytest.raises(StreamError):
        Webhook("file:///etc/passwd").open()


@pytest.mark.parts
def test_a_webhook_where_nobody_listens() -> None:
    with pytest.raises(OutputError):
        Webhook("http://127.0.0.1:1/").write(BATCH)


__all__ = ["database", "postgres_cluster"]
