"""Outputs for messages. A batch is durably written when :meth:`Output.write` returns."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol, TextIO

from bssci.model.storable_text import storable, without_nul
from bssci.stream.address import StreamError
from bssci.stream.messages import StreamMessage

WEBHOOK_TIME = 20.0
"""s for one request"""
REFUSALS = (400, 413, 422)
"""answers by which a server refuses what it was sent (RFC 9110 section 15.5)"""
_COLUMNS = "key, received_at, topic, device_id, sensor, value, text, unit, timestamp, payload"
_SQLITE = """
CREATE TABLE IF NOT EXISTS message (
    key TEXT PRIMARY KEY, received_at REAL NOT NULL, topic TEXT NOT NULL, device_id TEXT, sensor TEXT,
    value REAL, text TEXT, unit TEXT, timestamp TEXT, payload TEXT NOT NULL
)"""
_POSTGRES = """
CREATE TABLE IF NOT EXISTS message (
    key text PRIMARY KEY, received_at double precision NOT NULL, topic text NOT NULL, device_id text,
    sensor text, value double precision, text text, unit text, timestamp timestamptz, payload jsonb NOT NULL
)"""


class OutputError(Exception):
    """A batch was not written, and may be written again: one line, without a secret."""


class RefusedMessageError(OutputError):
    """A message of the batch is at fault, and would be refused each time."""


class Output(Protocol):
    """A place that messages are written to; called from one thread."""

    def open(self) -> None:
        """Prepare for writing.

        :raises StreamError: the output cannot work with these options.
        """

    def write(self, batch: Sequence[StreamMessage]) -> None:
        """Write messages; writing one again does no harm.

        :raises OutputError: none of them counts as written; the batch may be written again.
        :raises RefusedMessageError: the same, but one of them is refused each time.
        """

    def close(self) -> None: ...


class Console:
    """Lines on standard output, for people or as JSON."""

    def __init__(self, as_json: bool, stream: TextIO | None = None) -> None:
        self._as_json = as_json
        self._stream = stream or sys.stdout

    def open(self) -> None:
        """Have it write what its encoding lacks as ``\\u65e5``: one such name would end the program."""
        if isinstance(self._stream, TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")

    def write(self, batch: Sequence[StreamMessage]) -> None:
        lines = [message.line if self._as_json else message.sentence for message in batch]
        try:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
        except BrokenPipeError:
            raise StreamError("standard output was closed") from None

    def close(self) -> None:
        """Do nothing: standard output stays open."""


class File:
    """Lines of JSON appended to a file, and synchronized to disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def open(self) -> None:
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        except OSError as error:
            raise StreamError(f"{self._path}: {error.strerror}") from None

    def write(self, batch: Sequence[StreamMessage]) -> None:
        data = "".join(f"{message.line}\n" for message in batch).encode()
        size = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as error:
            # Otherwise a part of the batch would be there twice after the next attempt.
            os.ftruncate(self._descriptor, size)
            raise OutputError(f"{self._path}: {error.strerror}") from None

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Sqlite:
    """The table ``message`` of an SQLite file; a repeated message is stored once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        try:
            self._connection = sqlite3.connect(self._path, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(_SQLITE)
            self._connection.commit()
        except sqlite3.Error as error:
            raise StreamError(f"{self._path}: {error}") from None

    def write(self, batch: Sequence[StreamMessage]) -> None:
        assert self._connection is not None  # opened before
        places = ", ".join("?" * 10)
        try:
            with self._connection:
                self._connection.executemany(
                    f"INSERT INTO message ({_COLUMNS}) VALUES ({places}) ON CONFLICT (key) DO NOTHING",
                    [row_of(message) for message in batch],
                )
        except (sqlite3.DataError, sqlite3.IntegrityError, UnicodeError) as error:
            raise RefusedMessageError(f"{self._path}: {error}") from None
        except sqlite3.Error as error:
            raise OutputError(f"{self._path}: {error}") from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Postgres:
    """The table ``message`` of a PostgreSQL database; a repeated message is stored once.

    :param dsn: connection string of libpq; the password belongs in a file of its own (``PGPASSFILE``).
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._psycopg: Any = None
        self._connection: Any = None

    def open(self) -> None:
        try:
            import psycopg
        except ImportError:
            raise StreamError("--to postgres needs psycopg: pip install 'bssci[postgres]'") from None
        self._psycopg = psycopg

    def write(self, batch: Sequence[StreamMessage]) -> None:
        places = ", ".join(["%s"] * 10)
        try:
            if self._connection is None or self._connection.closed:
                # Another encoding, as a database may set it, lacks characters.
                self._connection = self._psycopg.connect(
                    self._dsn, connect_timeout=10, client_encoding="UTF8"
                )
                self._connection.execute(_POSTGRES)
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO message ({_COLUMNS}) VALUES ({places}) ON CONFLICT (key) DO NOTHING",
                    [row_of(message) for message in batch],
                )
            self._connection.commit()
        except (self._psycopg.DataError, self._psycopg.IntegrityError, UnicodeError) as error:
            raise RefusedMessageError(f"PostgreSQL: {str(error).splitlines()[0]}") from None
        except self._psycopg.Error as error:
            self.close()
            raise OutputError(f"PostgreSQL: {str(error).splitlines()[0]}") from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirect as a refusal: what follows it is a GET without the messages, with our headers."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Webhook:
    """An HTTP server that gets messages by POST, as a JSON array, and answers with a 2xx status.

    :param headers: further headers of the request, such as for authorization.
    """

    def __init__(self, url: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", **dict(headers)}
        self._opener = urllib.request.build_opener(_NoRedirects)

    def open(self) -> None:
        if not self._url.startswith(("https://", "http://")):
            raise StreamError("the webhook must be an http:// or https:// URL")

    def write(self, batch: Sequence[StreamMessage]) -> None:
        data = f"[{','.join(message.line for message in batch)}]".encode()
        request = urllib.request.Request(self._url, data, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=WEBHOOK_TIME):
                return
        except urllib.error.HTTPError as error:
            error.close()
            refused = RefusedMessageError if error.code in REFUSALS else OutputError
            raise refused(f"the webhook answered {error.code}") from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise OutputError(f"webhook: {' '.join(str(reason).split())[:200]}") from None

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""


def row_of(message: StreamMessage) -> tuple[Any, ...]:
    """Return a message as a row of the table ``message``; U+FFFD stands for what databases cannot hold."""
    told = message.telemetry or {}
    value = told.get("value")
    is_number = isinstance(value, int | float)
    columns = (
        message.key,
        message.received_at,
        message.topic,
        told.get("device_id"),
        told.get("sensor"),
        float(value) if isinstance(value, int | float) else None,
        None if value is None or is_number else str(value),
        told.get("unit"),
        told.get("timestamp") or None,
    )
    payload = storable(without_nul(json.dumps(message.body, ensure_ascii=False)))
    return (*(storable(each) if isinstance(each, str) else each for each in columns), payload)
