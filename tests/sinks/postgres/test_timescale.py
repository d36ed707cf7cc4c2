"""TimescaleDB where it is there; and what is used of it when something of it is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from bssci.model import Decoded, Reading
from bssci.sinks.postgres import timescale
from bssci.sinks.postgres.connecting import connect
from bssci.sinks.postgres.events import rows_of
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.postgres.settings import PostgresSettings
from bssci.sinks.postgres.timescale import AGGREGATES, COMPRESSION, FEATURES, HYPERTABLES, RETENTION
from bssci.sinks.postgres.trial import findings
from bssci.sinks.testing_events import AT, every_event, reception, uplink, uplinks
from tests.sinks.postgres.timescaledb import TimescaleServer, timescale_server

__all__ = ["timescale_server"]
pytestmark = [pytest.mark.parts, pytest.mark.timescaledb]
PAGE = Path(__file__).parents[3] / "docs" / "postgres.md"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def chosen(timescale_server: TimescaleServer) -> PostgresSettings:
    """Settings for an empty schema."""
    timescale_server.use_new_schema()
    return timescale_server.settings()


@pytest.fixture
def session(chosen: PostgresSettings) -> Iterator[DatabaseSession]:
    session = DatabaseSession(chosen, lambda line: None)
    yield session
    session.close()


def store(session: DatabaseSession, *events: object) -> list[str]:
    units, asides = rows_of(events, {}, NOW)
    return [aside.reason for _, aside in asides + session.store(units, [aside for _, aside in asides])]


def read(counter: int, decoder: str, **values: float) -> object:
    readings = tuple(Reading(name, value) for name, value in values.items())
    heard = [reception(counter, rx_time=int(AT + counter) * 10**9)]
    return uplink(counter, receptions=heard, decoded=Decoded(decoder=decoder, readings=readings))


def test_all_of_it_is_used(session: DatabaseSession, timescale_server: TimescaleServer) -> None:
    assert session.timescale.version is not None
    assert session.timescale.lacking == {}
    store(session, *every_event(), *uplinks(60))
    session.close()
    assert timescale_server.query(
        "SELECT hypertable_name FROM timescaledb_information.hypertables"
        " WHERE compression_enabled AND hypertable_schema = current_schema() ORDER BY 1"
    ) == ["raw", "reading"]
    assert timescale_server.query(
        "SELECT hypertable_name, config ->> 'drop_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema()"
        " AND hypertable_name IN ('raw', 'reading') ORDER BY 1"
    ) == [("raw", "90 days"), ("reading", "365 days")]
    assert timescale_server.query("SELECT count(*) FROM raw") == [60 + 7]


def test_what_comes_again_or_is_read_better_is_replaced(
    session: DatabaseSession, timescale_server: TimescaleServer
) -> None:
    for _ in range(2):
        assert store(session, read(1, "m@1", a=1.0, b=2.0), read(2, "m@1", a=5.0)) == []
    store(session, read(1, "m@2", a=3.0))
    session.close()
    assert timescale_server.query("SELECT id, name, value, decoder FROM reading ORDER BY id, name") == [
        ("uplink-1", "a", 3.0, "m@2"),
        ("uplink-2", "a", 5.0, "m@1"),
    ]
    assert timescale_server.query("SELECT count FROM device") == [2]


def test_what_is_compressed_can_be_replaced(
    session: DatabaseSession, timescale_server: TimescaleServer
) -> None:
    store(session, read(1, "m@1", a=1.0, b=2.0))
    session.close()
    timescale_server.query(
        "SELECT compress_chunk(show_chunks('reading')), compress_chunk(show_chunks('raw'))"
    )
    again = DatabaseSession(timescale_server.settings(), lambda line: None)
    assert store(again, read(1, "m@2", a=3.0), read(2, "m@2", a=4.0)) == []
    again.close()
    assert timescale_server.query("SELECT id, name, value FROM reading ORDER BY id, name") == [
        ("uplink-1", "a", 3.0),
        ("uplink-2", "a", 4.0),
    ]
    assert timescale_server.query("SELECT count FROM device") == [2]


def test_as_many_compressed_rows_as_there_are_can_be_replaced(
    session: DatabaseSession, timescale_server: TimescaleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def limited(settings: PostgresSettings) -> Connection[Any]:
        connection = connect(settings)
        connection.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 2")
        return connection

    store(session, *(read(counter, "m@1", a=1.0) for counter in range(6)))
    session.close()
    timescale_server.query("SELECT compress_chunk(show_chunks('reading'))")
    monkeypatch.setattr("bssci.sinks.postgres.session.connect", limited)
    again = DatabaseSession(timescale_server.settings(), lambda line: None)
    assert store(again, *(read(counter, "m@2", a=3.0) for counter in range(6))) == []
    again.close()
    assert timescale_server.query("SELECT DISTINCT value FROM reading") == [3.0]


def test_hourly_and_daily_values_are_there_at_once(
    session: DatabaseSession, timescale_server: TimescaleServer
) -> None:
    store(session, read(1, "m@1", a=1.0), read(2, "m@1", a=2.0), read(3, "m@1", a=6.0))
    session.close()
    (hourly,) = timescale_server.query(
        "SELECT hour, count, average, minimum, maximum, last FROM reading_hourly"
    )
    assert hourly[0].timestamp() == AT // 3600 * 3600
    assert hourly[1:] == (3, 3.0, 1.0, 6.0, 6.0)
    (daily,) = timescale_server.query("SELECT day, count, average FROM reading_daily")
    assert (daily[0].timestamp(), *daily[1:]) == (AT // 86400 * 86400, 3, 3.0)
    assert timescale_server.query("SELECT count(*) FROM rollup_due") == [0]


def test_retention_follows_the_settings(session: DatabaseSession, timescale_server: TimescaleServer) -> None:
    session.close()
    changed = timescale_server.settings(POSTGRES_RAW_DAYS=0, POSTGRES_READING_DAYS=30)
    DatabaseSession(changed, lambda line: None).close()
    assert timescale_server.query(
        "SELECT hypertable_name, config ->> 'drop_after' FROM timescaledb_information.jobs"
        " WHERE proc_name = 'policy_retention' AND hypertable_schema = current_schema()"
        " AND hypertable_name IN ('raw', 'reading')"
    ) == [("reading", "30 days")]


@pytest.mark.parametrize(("days", "kept", "refreshed"), [(1, 3, 3), (2, 3, 3), (4, 4, 3), (30, 30, 27)])
def test_aggregates_are_made_of_readings_that_are_still_there(
    days: int, kept: int, refreshed: int, timescale_server: TimescaleServer
) -> None:
    timescale_server.use_new_schema()
    session = DatabaseSession(timescale_server.settings(POSTGRES_READING_DAYS=days), lambda line: None)
    assert session.timescale.lacking == {}
    session.close()
    jobs = timescale_server.query(
        "SELECT proc_name, config ->> 'drop_after', config ->> 'start_offset'"
        " FROM timescaledb_information.jobs WHERE hypertable_schema IN (current_schema(),"
        " '_timescaledb_internal') AND hypertable_name <> 'raw' AND proc_name <> 'policy_compression'"
    )
    dropped = {drop_after for name, drop_after, _ in jobs if name == "policy_retention"}
    begun = {start for name, _, start in jobs if name == "policy_refresh_continuous_aggregate"}
    assert (dropped, begun) == ({f"{kept} days"}, {f"{refreshed} days"})


def test_the_check_says_what_is_used(chosen: PostgresSettings) -> None:
    said = [message for _, message in findings(chosen)]
    assert any("is known after the first start" in message for message in said)
    DatabaseSession(chosen, lambda line: None).close()
    said = [message for _, message in findings(chosen)]
    for feature in FEATURES:
        assert any(message.endswith(f"{feature} used") for message in said)


def test_a_feature_that_is_not_there_costs_itself(
    chosen: PostgresSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a build without the Timescale licence, whose functions raise."""

    def missing(connection: object, *_: object) -> None:
        connection.execute("SELECT add_nothing()")  # type: ignore[attr-defined]

    for name in ("_compression", "_aggregates", "_retention"):
        monkeypatch.setattr(timescale, name, missing)
    session = DatabaseSession(chosen, lambda line: None)
    had = session.timescale
    assert had.has(HYPERTABLES)
    assert set(had.lacking) == {COMPRESSION, AGGREGATES, RETENTION}
    assert "add_nothing" in had.lacking[COMPRESSION]
    assert store(session, *(read(counter, "m@1", a=counter) for counter in range(1, 4))) == []
    while session.upkeep():
        pass
    session.close()
    levels = {message.rpartition(": ")[2]: level for level, message in findings(chosen)}
    assert levels["hypertables used"] == "ok"
    assert levels["aggregates not used; hourly and daily values are made by the sink"] == "warning"
    with connect(chosen) as connection:
        # Two years old: the sink has dropped the chunk, for there is no policy.
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (0,)


def test_tables_that_hold_rows_stay_as_they_are_until_they_are_moved_by_hand(
    chosen: PostgresSettings, timescale_server: TimescaleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timescale, "installed", lambda connection: None)
    session = DatabaseSession(chosen, lambda line: None)
    store(session, *uplinks(2))
    session.close()
    monkeypatch.undo()
    session = DatabaseSession(chosen, lambda line: None)
    assert "holds rows already" in session.timescale.lacking[HYPERTABLES]
    assert set(session.timescale.lacking) == set(FEATURES)
    assert store(session, *uplinks(3), read(4, "m@1", a=1.0)) == []
    session.close()
    # What the documentation says to do then.
    (conversion,) = re.findall(r"(SELECT create_hypertable.*?)\n```", PAGE.read_text(), re.DOTALL)
    for statement in re.sub(r"--.*", "", conversion).split(";"):
        if statement.strip():
            timescale_server.query(statement)
    session = DatabaseSession(chosen, lambda line: None)
    assert session.timescale.lacking == {}
    assert store(session, read(5, "m@1", a=3.0)) == []
    session.close()
    assert timescale_server.query("SELECT count(*) FROM raw") == [5]
    assert timescale_server.query("SELECT count, average FROM reading_daily") == [(2, 2.0)]
