"""Roll-ups and deletion without TimescaleDB; with a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from bssci.model import Decoded, Reading
from bssci.sinks.postgres import upkeep
from bssci.sinks.postgres.events import rows_of
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.testing_events import reception, uplink
from tests.sinks.postgres.cluster import Database
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

pytestmark = [pytest.mark.parts, pytest.mark.postgres]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600, 86400
TODAY = time.time() // DAY * DAY
YESTERDAY = TODAY - DAY


@pytest.fixture
def session(database: Database) -> Iterator[DatabaseSession]:
    session = DatabaseSession(database.settings(), lambda line: None)
    yield session
    session.close()


def read(counter: int, at: float, decoder: str = "m@1", **values: float) -> object:
    readings = tuple(Reading(name, value, "°C") for name, value in values.items())
    heard = [reception(counter, rx_time=int(at * 1e9))]
    return uplink(counter, at=at + 1, receptions=heard, decoded=Decoded(decoder=decoder, readings=readings))


def store(session: DatabaseSession, *events: object) -> None:
    units, asides = rows_of(events, {}, NOW)
    assert asides == []
    assert session.store(units, []) == []


def whole_round(session: DatabaseSession) -> None:
    while session.upkeep():
        pass


def hourly(database: Database) -> list[tuple[object, ...]]:
    rows = database.query(
        "SELECT hour, name, count, average, minimum, maximum, last FROM reading_hourly ORDER BY 1, 2"
    )
    return [((hour.timestamp() - YESTERDAY) / HOUR, *rest) for hour, *rest in rows]


def daily(database: Database) -> list[tuple[object, ...]]:
    rows = database.query(
        "SELECT day, name, count, average, minimum, maximum, last FROM reading_daily ORDER BY 1, 2"
    )
    return [((day.timestamp() - YESTERDAY) / DAY, *rest) for day, *rest in rows]


def test_hours_and_days_are_right_before_and_after_they_are_rolled_up(
    session: DatabaseSession, database: Database
) -> None:
    store(
        session,
        read(1, YESTERDAY + 5, t=1.0),
        read(2, YESTERDAY + 10, t=2.0, p=7.0),
        read(3, YESTERDAY + HOUR + 10, t=6.0),
        read(4, TODAY - DAY - 60, t=100.0),
    )
    expected_hours = [
        (-1, "t", 1, 100.0, 100.0, 100.0, 100.0),
        (0, "p", 1, 7.0, 7.0, 7.0, 7.0),
        (0, "t", 2, 1.5, 1.0, 2.0, 2.0),
        (1, "t", 1, 6.0, 6.0, 6.0, 6.0),
    ]
    expected_days = [
        (-1, "t", 1, 100.0, 100.0, 100.0, 100.0),
        (0, "p", 1, 7.0, 7.0, 7.0, 7.0),
        (0, "t", 3, 3.0, 1.0, 6.0, 6.0),
    ]
    assert database.query("SELECT count(*) FROM rollup_due") == [3]
    assert (hourly(database), daily(database)) == (expected_hours, expected_days)
    whole_round(session)
    assert database.query("SELECT count(*) FROM rollup_due") == [0]
    assert database.query("SELECT count(*) FROM rollup_hourly") == [4]
    assert (hourly(database), daily(database)) == (expected_hours, expected_days)


def test_what_comes_late_or_is_read_anew_is_rolled_up_again(
    session: DatabaseSession, database: Database
) -> None:
    store(session, read(1, YESTERDAY + 5, t=1.0, wrong=9.0))
    whole_round(session)
    store(session, read(2, YESTERDAY + 10, t=3.0), read(1, YESTERDAY + 5, "m@2", t=2.0))
    expected = [(0, "t", 2, 2.5, 2.0, 3.0, 3.0)]
    assert (hourly(database), daily(database)) == (expected, expected)
    whole_round(session)
    assert database.query("SELECT count(*) FROM rollup_due") == [0]
    assert (hourly(database), daily(database)) == (expected, expected)


def test_the_hour_that_runs_stays_due(session: DatabaseSession, database: Database) -> None:
    store(session, read(1, time.time(), t=1.0))
    whole_round(session)
    assert database.query("SELECT count(*) FROM rollup_due") == [1]
    assert database.query("SELECT average FROM reading_hourly") == [1.0]


def test_what_is_too_old_is_deleted_in_slices(
    session: DatabaseSession, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROWS", 4)
    old, older = time.time() - 100 * DAY, time.time() - 400 * DAY
    for begin in (old, older, time.time() - 60):
        store(session, *(read(int(begin) + number, begin + number, t=1.0) for number in range(10)))
    whole_round(session)
    assert database.query("SELECT count(*) FROM raw") == [10]
    assert database.query("SELECT count(*) FROM reading") == [20]


@pytest.mark.parametrize("years", [-2, 2])
def test_nothing_is_deleted_while_one_of_the_clocks_is_wrong(
    database: Database, log_lines: list[str], years: int
) -> None:
    wrong = time.time() + years * 365 * DAY
    session = DatabaseSession(database.settings(), lambda line: None, now=lambda: wrong)
    store(session, read(1, time.time() - 3000 * DAY, t=1.0))
    whole_round(session)
    session.close()
    assert database.query("SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM reading)") == [(1, 1)]
    [said] = [line for line in log_lines if "nothing is deleted" in line]
    assert said == "nothing is deleted from the database: its clock and ours are 730 days apart"


def test_nothing_is_deleted_that_is_kept_for_ever(database: Database) -> None:
    session = DatabaseSession(
        database.settings(POSTGRES_RAW_DAYS=0, POSTGRES_READING_DAYS=0), lambda line: None
    )
    store(session, read(1, time.time() - 3000 * DAY, t=1.0))
    whole_round(session)
    session.close()
    assert database.query("SELECT (SELECT count(*) FROM raw), (SELECT count(*) FROM reading)") == [(1, 1)]
    assert database.query("SELECT count FROM rollup_daily") == [1]


def test_a_replay_of_what_is_partly_deleted_leaves_the_daily_values(
    session: DatabaseSession, database: Database
) -> None:
    session.close()
    for_ever = DatabaseSession(database.settings(POSTGRES_READING_DAYS=0), lambda line: None)
    long_ago = (time.time() - 400 * DAY) // HOUR * HOUR
    store(for_ever, read(1, long_ago, t=1.0), read(2, long_ago + 10, t=3.0))
    whole_round(for_ever)
    for_ever.close()
    limited = DatabaseSession(database.settings(), lambda line: None)
    whole_round(limited)
    store(limited, read(2, long_ago + 10, t=3.0))
    whole_round(limited)
    limited.close()
    assert database.query("SELECT count(*) FROM reading") == [0]
    assert database.query("SELECT count, average FROM reading_daily") == [(2, 2.0)]


def test_a_retention_of_one_day_has_hourly_and_daily_values(database: Database) -> None:
    session = DatabaseSession(database.settings(POSTGRES_READING_DAYS=1), lambda line: None)
    hours = [int(time.time()) // HOUR * HOUR - number * HOUR for number in range(1, 23)]
    store(session, *(read(number, at + 5, t=2.0) for number, at in enumerate(hours, 1)))
    whole_round(session)
    assert database.query("SELECT sum(count)::int FROM rollup_hourly") == [22]
    store(session, read(23, hours[-1] + 10, t=4.0))
    # Hours that their day is still made of, and one of a day that is over.
    for age in (40, 50):
        database.query(
            f"INSERT INTO rollup_hourly VALUES (now() - interval '{age} hours', 'd', 'n', '', 1, 1, 1, 1, 1)"
        )
    whole_round(session)
    session.close()
    assert database.query("SELECT sum(count)::int FROM rollup_hourly") == [23 + 1]
    assert database.query("SELECT sum(count)::int FROM rollup_daily") == [23]


def test_events_and_what_was_set_aside_are_deleted_too(session: DatabaseSession, database: Database) -> None:
    database.query("INSERT INTO set_aside VALUES (now() - interval '91 days', 'a', 'b', 'c')")
    database.query("INSERT INTO event VALUES (now() - interval '366 days', 'k', NULL, NULL, '{}', 'e')")
    whole_round(session)
    assert database.query("SELECT (SELECT count(*) FROM set_aside), (SELECT count(*) FROM event)") == [(0, 0)]


def test_a_slice_that_the_server_refuses_keeps_no_other_from_its_turn(
    session: DatabaseSession, database: Database
) -> None:
    store(session, read(1, YESTERDAY + 5, t=1.0), read(2, YESTERDAY - 4000 * DAY, t=1.0))
    database.query("ALTER TABLE rollup_daily RENAME TO away")
    whole_round(session)
    assert 'relation "rollup_daily" does not exist' in str(session.upkeep_error)
    assert database.query("SELECT count(*) FROM reading") == [1], "what is too old was not deleted"
    store(session, read(3, YESTERDAY + 6, t=2.0))
    database.query("ALTER TABLE away RENAME TO rollup_daily")
    whole_round(session)
    assert session.upkeep_error is None
    assert database.query("SELECT count FROM rollup_daily WHERE day > now() - interval '3 days'") == [2]


def test_a_lost_connection_ends_the_upkeep(session: DatabaseSession, database: Database) -> None:
    database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bssci'")
    with pytest.raises(psycopg.OperationalError):
        whole_round(session)
