"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, reached by a socket in it.

Mark tests that use it with ``pytest.mark.postgres``; they are skipped where Debian's ``postgresql`` is
missing::

    from tests.sinks.postgres.cluster import postgres_cluster, database

    @pytest.mark.postgres
    def test_something(database):
        database.query("SELECT 1")
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bssci.sinks.postgres.settings import SETTINGS, PostgresSettings

_USER = "postgres"
"""the server refuses to run as root"""
_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "20",
    "shared_buffers": "32MB",
    "timezone": "America/St_Johns",  # half an hour off, so that nobody relies on UTC
    "max_wal_size": "512MB",
}
_INITIALLY = ("-A", "trust", "-U", _USER, "--no-sync", "--no-locale", "-E", "UTF8")
KEPT = Path(__file__).parents[3] / ".venv" / "postgres"
"""where new data of each version of the server is kept"""
STARTING = 60
"""s that a server may take to start or to end"""
_numbers = count(1)


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; None where they are missing."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


class Cluster:
    """One server that can be stopped, killed, frozen and started again.

    :param options: of postgresql.conf, beside those that make it quick.
    :param folder: where its data lies; it must be writable for the user ``postgres``.
    """

    user = _USER

    def __init__(self, folder: Path | None = None, options: Mapping[str, str] | None = None) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self.folder = folder or Path(tempfile.mkdtemp(prefix="bssci-pg-"))
        self._data = self.folder / "data"
        self._server: Any = None
        self._options = _OPTIONS | dict(options or {})
        if os.geteuid() == 0:
            shutil.chown(self.folder, _USER)
        self._make_data()
        with (self._data / "postgresql.conf").open("a") as file:
            for name, value in self._options.items():
                file.write(f"{name} = '{value}'\n")
            file.write(f"unix_socket_directories = '{self.folder}'\n")

    def _make_data(self) -> None:
        """Copy data as initdb makes it, which takes a tenth of the time of having it made."""
        kept = KEPT / "-".join(self._programs.parts[1:])
        if kept.exists():
            subprocess.run(["cp", "-a", kept, self._data], check=True)
            return
        self._call("initdb", *_INITIALLY)
        KEPT.mkdir(parents=True, exist_ok=True)
        copy = tempfile.mkdtemp(dir=KEPT)
        subprocess.run(["cp", "-a", f"{self._data}/.", copy], check=True)
        try:
            os.rename(copy, kept)
        except OSError:
            shutil.rmtree(copy)  # another process of the tests was quicker

    @property
    def host(self) -> str:
        return str(self.folder)

    def start(self) -> None:
        # A child of ours: one of pg_ctl's would become a zombie when it is killed, and block the next start.
        log = (self.folder / "log").open("ab")
        with log:
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data], user=self._uid(), stdout=log, stderr=log
            )  # fmt: skip
        deadline = time.monotonic() + STARTING
        while True:
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert self._server.poll() is None and time.monotonic() < deadline, (
                    "PostgreSQL does not start"
                )
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it as an administrator does in a hurry: it disconnects everybody."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        os.kill(self._server.pid, signal.SIGSTOP)  # so that it starts nothing meanwhile
        children = self.processes()[1:]
        for process in children:
            os.kill(process, signal.SIGKILL)
        self._end(signal.SIGKILL)
        while any(map(_lives, children)):
            time.sleep(0.01)

    def _end(self, how: signal.Signals) -> None:
        self._server.send_signal(how)
        self._server.wait(STARTING)

    def freeze(self) -> None:
        """Let it answer nobody, though its sockets stay open."""
        for process in self.processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGCONT)

    def remove(self) -> None:
        if self.processes():
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_hba(self, *lines: str) -> None:
        """Say who may connect, and let the server read it."""
        (self._data / "pg_hba.conf").write_text("\n".join(lines) + "\n")
        self._call("pg_ctl", "-s", "reload")

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host=self.host, dbname=database, user=self.user, autocommit=True)

    def create_database(self, tablespace: str = "pg_default") -> Database:
        database = Database(self, f"test_{next(_numbers)}")
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {database.name} TABLESPACE {tablespace}".encode())
        return database

    def drop_database(self, database: Database) -> None:
        """Each is a thousand files, which would take long to remove in the end."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)".encode())

    def processes(self) -> list[int]:
        """The server, and what it started; none if it does not run."""
        if self._server is None or self._server.poll() is not None:
            return []
        first = self._server.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._data, *arguments],
            check=True,
            user=self._uid(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            timeout=STARTING,
        )

    @staticmethod
    def _uid() -> int | None:
        return pwd.getpwnam(_USER).pw_uid if os.geteuid() == 0 else None


def _lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Database:
    """One database of a cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def settings(self, **changes: Any) -> PostgresSettings:
        """Settings of a sink that writes to it; without a pause between batches."""
        values = {
            "POSTGRES_HOST": self.cluster.host,
            "POSTGRES_DB": self.name,
            "POSTGRES_USER": self.cluster.user,
            "POSTGRES_BATCH_TIMEOUT": 0.0,
        }
        return settings(**values | changes)

    def query(self, statement: str, *values: Any) -> list[Any]:
        """All rows; of one column, its values."""
        with self.cluster.connect(self.name) as connection:
            connection.execute("SET timezone = 'UTC'")
            cursor = connection.execute(statement.encode(), values)
            if cursor.description is None:
                return []
            return [row[0] if len(row) == 1 else row for row in cursor]


def settings(**changes: Any) -> PostgresSettings:
    """The sink's settings: their defaults, but for ``changes``."""
    return PostgresSettings({each.name: each.parse(each.default) for each in SETTINGS} | changes)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """One server for all tests of a process."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def database(postgres_cluster: Cluster) -> Iterator[Database]:
    """An empty database."""
    database = postgres_cluster.create_database()
    yield database
    postgres_cluster.drop_database(database)


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server that a test may do anything to."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()
