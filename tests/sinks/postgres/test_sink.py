"""What the sink says and does when something happens to the server; mostly with a server of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater

from bssci.center.devices.device import Device
from bssci.model import EUI, GatewayState, StationState, Telegram
from bssci.sinks.postgres import worker
from bssci.sinks.postgres.settings import PostgresSettings
from bssci.sinks.postgres.sink import PostgresSink
from bssci.sinks.testing import reception, uplink, uplinks
from tests.sinks.postgres.cluster import Cluster, Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]
PATIENCE = 20.0
"""s"""


async def pause(seconds: float = 0.01) -> None:
    waited: Deferred[None] = deferLater(reactor, seconds)
    await waited


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        await pause()


@asynccontextmanager
async def running(
    settings: PostgresSettings, states: Sequence[StationState | GatewayState] = ()
) -> AsyncIterator[PostgresSink]:
    sink = PostgresSink(reactor, settings, lambda eui: None, time.time, states=lambda: states)
    sink.start()
    try:
        yield sink
    finally:
        await sink.stop()


async def failed(sink: PostgresSink, batch: Sequence[Any]) -> str:
    """Deliver what cannot be delivered; what the failure says, as the trouble does."""
    try:
        await sink.deliver(batch)
    except Exception as error:
        assert sink.trouble == str(error)
        return str(error)
    pytest.fail("it was delivered")


async def delivered(sink: PostgresSink, batch: Sequence[Any]) -> list[str]:
    """Deliver until it is taken, as the service does; what the failures said."""
    said: list[str] = []
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            await sink.deliver(batch)
        except Exception as error:
            said.append(str(error))
            assert time.monotonic() < deadline, said
            await pause(0.05)
        else:
            assert sink.trouble == ""
            return said


def stored(database: Database) -> list[str]:
    return database.query("SELECT id FROM raw ORDER BY received_at")


def ids(events: Sequence[Any]) -> list[str]:
    return [event.id for event in events]


async def test_a_killed_server_costs_nothing(own_cluster: Cluster) -> None:
    database = own_cluster.create_database()
    events = uplinks(4000)
    async with running(database.settings()) as sink:
        await sink.deliver(events[:500])
        under_way = [
            maybeDeferred(sink.deliver, events[begin : begin + 500]) for begin in range(500, 4000, 500)
        ]
        await until(lambda: len(stored(database)) > 500)
        own_cluster.kill()
        outcomes: list[object] = []
        for deferred in under_way:
            deferred.addBoth(outcomes.append)
        await until(lambda: len(outcomes) == len(under_way))
        assert outcomes.count(None) < len(under_way), "it was killed too late to prove anything"
        assert "\n" not in await failed(sink, events[:1])
        own_cluster.start()
        for begin in range(0, 4000, 500):
            await delivered(sink, events[begin : begin + 500])
    assert stored(database) == ids(events)
    assert database.query("SELECT count FROM device") == [4000]


async def test_a_restart_is_noticed_and_passes(own_cluster: Cluster) -> None:
    database = own_cluster.create_database()
    first, second, third = uplinks(3)
    async with running(database.settings()) as sink:
        await sink.deliver([first])
        own_cluster.stop()
        assert await failed(sink, [second])
        assert "No such file" in await failed(sink, [second])
        own_cluster.start()
        await delivered(sink, [second, third])
    assert len(stored(database)) == 3


async def test_states_are_stored_at_each_connection(database: Database) -> None:
    """The tables may be new, or those of a backup in which a base station was offline."""
    states = [
        StationState(at=20.0, base_station_eui=EUI("CAFE000000000001"), state="online"),
        GatewayState(at=20.0, gateway="roof", gateway_kind="scanner", state="degraded", reason="slow"),
        StationState(at=0.0, base_station_eui=EUI("CAFE000000000002"), state="connecting"),
    ]
    gateways = (
        "SELECT id || ' ' || state || ' ' || extract(epoch FROM state_at)::int FROM gateway ORDER BY id"
    )
    known = ["CAFE000000000001 online 20", "roof degraded 20"]
    async with running(database.settings(), states) as sink:
        await until(lambda: sink.reached)
        await until(lambda: database.query(gateways) == known)
        database.query("UPDATE gateway SET state = 'offline', state_at = 'epoch' RETURNING id")
        database.query("DELETE FROM gateway WHERE id = 'roof' RETURNING id")
        database.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await delivered(sink, uplinks(1))
        await until(lambda: database.query(gateways) == known)
        assert sink.set_aside.count == 0
    assert database.query("SELECT count(*) FROM event") == [0]


async def test_it_connects_by_itself_while_there_is_nothing_to_deliver(own_cluster: Cluster) -> None:
    database = own_cluster.create_database()
    own_cluster.stop()
    async with running(database.settings()) as sink:
        await until(lambda: sink.trouble)
        own_cluster.start()
        await until(lambda: not sink.trouble)
    assert database.query("SELECT count(*) FROM raw") == [0]


async def test_a_server_that_hangs_is_said_and_the_connection_is_cut(
    own_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SILENCE", 0.2)
    monkeypatch.setattr(worker, "ANSWER_TIME", 1.0)
    monkeypatch.setattr("bssci.sinks.postgres.sink.CHECK_INTERVAL", 0.1)
    monkeypatch.setattr("bssci.sinks.postgres.connecting.CONNECT_TIMEOUT", 2)
    database = own_cluster.create_database()
    events = uplinks(20)
    async with running(database.settings()) as sink:
        await sink.deliver(events[:10])
        own_cluster.freeze()
        try:
            outcome: list[Any] = []
            sink.deliver(events).addBoth(outcome.append)
            await until(lambda: "has not answered for" in sink.trouble)
            await until(lambda: outcome)
            assert "closed the connection" in outcome[0].getErrorMessage()
        finally:
            own_cluster.thaw()
        await delivered(sink, events)
    assert stored(database) == ids(events)


async def test_stop_is_bounded_while_the_server_hangs(own_cluster: Cluster) -> None:
    database = own_cluster.create_database()
    async with running(database.settings()) as sink:
        await sink.deliver(uplinks(1))
        own_cluster.freeze()
        try:
            outcome: list[Any] = []
            sink.deliver(uplinks(2)).addBoth(outcome.append)
            await pause(0.1)
            began = time.monotonic()
            await sink.stop()
            assert time.monotonic() - began < 2.0
            await until(lambda: outcome)
            assert outcome != [None]
        finally:
            own_cluster.thaw()


async def test_a_read_only_server_is_said(own_cluster: Cluster) -> None:
    database = own_cluster.create_database()
    first, second = uplinks(2)
    async with running(database.settings()) as sink:
        await sink.deliver([first])
        _let_be_read_only(database, "on")
        await until(lambda: _connections(database) == 0)
        await _failed_with(sink, second, "the server is read-only")
        _let_be_read_only(database, "off")
        await delivered(sink, [second])
    assert len(stored(database)) == 2


async def _failed_with(sink: PostgresSink, event: Any, words: str) -> None:
    """The first failure may be that of a connection that was ended."""
    said = [await failed(sink, [event]) for _ in range(2)]
    assert words in said[-1]


def _let_be_read_only(database: Database, value: str) -> None:
    with database.cluster.connect() as connection:
        statement = f"ALTER DATABASE {database.name} SET default_transaction_read_only = {value}"
        connection.execute(statement.encode())
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.name,)
        )


def _connections(database: Database) -> int:
    with database.cluster.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (database.name,)
        ).fetchone()  # fmt: skip
        assert row is not None
        return int(row[0])


async def test_a_changed_password_is_said_and_taken_from_its_file(
    own_cluster: Cluster, tmp_path: Path
) -> None:
    database = own_cluster.create_database()
    password = tmp_path / "password"
    password.write_text("old-secret")
    with own_cluster.connect() as connection:
        connection.execute("CREATE ROLE writer LOGIN PASSWORD 'old-secret'")
        connection.execute(f"ALTER DATABASE {database.name} OWNER TO writer".encode())
    own_cluster.write_hba("local all postgres trust", "local all all scram-sha-256")
    first, second = uplinks(2)
    settings = database.settings(POSTGRES_USER="writer", POSTGRES_PASSWORD_FILE=password)
    async with running(settings) as sink:
        await sink.deliver([first])
        with own_cluster.connect() as connection:
            connection.execute("ALTER ROLE writer PASSWORD 'new-secret'")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'"
            )
        await until(lambda: _connections(database) == 0)
        await _failed_with(
            sink, second, "the server refuses the password; check POSTGRES_USER and POSTGRES_PASSWORD"
        )
        assert "secret" not in sink.trouble
        password.write_text("new-secret")
        await delivered(sink, [second])
    assert len(stored(database)) == 2


async def test_tables_of_a_newer_release_stop_the_older_one_until_they_are_gone(database: Database) -> None:
    first, second = uplinks(2)
    async with running(database.settings()) as sink:
        await sink.deliver([first])
        database.query("INSERT INTO schema_version (version, description) VALUES (99, 'of tomorrow')")
        assert "made by a newer release" in await failed(sink, [second])
        database.query("DELETE FROM schema_version WHERE version = 99")
        await delivered(sink, [second])
    assert len(stored(database)) == 2


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 32 MB."""
    folder = Path(tempfile.mkdtemp(prefix="bssci-small-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("needs the right to mount a tmpfs: run as root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


async def test_a_full_disk_is_said_and_passes(own_cluster: Cluster, small_disk: Path) -> None:
    space = small_disk / "space"
    space.mkdir()
    shutil.chown(space, own_cluster.user)
    with own_cluster.connect() as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'".encode())
    database = own_cluster.create_database(tablespace="small")
    events = uplinks(500)
    async with running(database.settings()) as sink:
        await sink.deliver(events[:1])
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes(shutil.disk_usage(small_disk).free))
        assert "the server's disk is full" in await failed(sink, events)
        filler.unlink()
        await delivered(sink, events)
    assert stored(database) == ids(events)


async def test_few_events_wait_for_others(database: Database) -> None:
    events = uplinks(3)
    async with running(database.settings(POSTGRES_BATCH_TIMEOUT=0.3)) as sink:
        began = time.monotonic()
        await sink.deliver(events[:1])
        await sink.deliver(events[1:2])
        assert time.monotonic() - began >= 0.3
        waiting = sink.deliver(events[2:])
        await sink.stop()
        with pytest.raises(Exception, match="the sink stops"):
            await waiting
    assert len(stored(database)) == 2


async def test_a_replay_waits_for_no_other_events(database: Database) -> None:
    async with running(database.settings(POSTGRES_BATCH_TIMEOUT=60.0)) as sink:
        await sink.deliver(uplinks(1))
        for number in range(2, 5):
            await sink.deliver_again([uplink(number)])
        assert len(stored(database)) == 4
        # It is none of the transactions that new events are counted from.
        waiting = maybeDeferred(sink.deliver, [uplink(5)])
        await pause(0.05)
        assert not waiting.called and sink.gathering
        await sink.deliver_again([uplink(6)])
        assert len(stored(database)) == 5 and not waiting.called
        waiting.addErrback(lambda failure: None)
    assert not sink.gathering


async def test_what_people_entered_about_a_device_is_in_its_row_and_in_the_view(database: Database) -> None:
    device = Device("ble:AA:BB", 1.0, 1.0, name="cellar", model="RuuviTag", tags=["north"])
    sink = PostgresSink(reactor, database.settings(), lambda eui: None, time.time, {"ble:AA:BB": device}.get)
    sink.start()
    heard = Telegram(at=time.time(), id="t1", device="ble:AA:BB", gateway="roof", source="mqtt", payload=b"")
    try:
        await sink.deliver([heard])
    finally:
        await sink.stop()
    assert database.query("SELECT name, model, tags FROM device") == [("cellar", "RuuviTag", ["north"])]
    assert database.query("SELECT name, device_type FROM devices") == [("cellar", "RuuviTag")]


async def test_connections_that_bring_nothing_new_are_logged_once(
    database: Database, log_lines: list[str]
) -> None:
    async with running(database.settings()) as sink:
        await delivered(sink, uplinks(1))
        database.query("ALTER TABLE raw RENAME TO away")
        for _ in range(3):
            assert "a table is missing" in await failed(sink, uplinks(2))
        database.query("ALTER TABLE away RENAME TO raw")
        await delivered(sink, uplinks(2))
    # Of the second, too: it found the tables that the first one had made.
    lines = [line for line in log_lines if "PostgreSQL connected" in line]
    assert len(lines) == 2
    assert all("TimescaleDB none, features missing: hypertables, " in line for line in lines)


async def test_events_with_altered_texts_are_stored_and_logged_now_and_then(
    database: Database, log_lines: list[str]
) -> None:
    odd = [uplink(number, receptions=[reception(number, profile="\0")]) for number in range(1, 102)]
    async with running(database.settings()) as sink:
        await delivered(sink, odd[:1])
        await delivered(sink, odd[1:])
        assert sink.set_aside.count == 0
    assert stored(database) == ids(odd)
    said = [line for line in log_lines if "U+FFFD" in line]
    assert ["1 so far" in said[0], "101 so far" in said[1]] == [True, True] and len(said) == 2
