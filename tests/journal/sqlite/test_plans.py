"""Queries find what they look for by an index, in tables that may have millions of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from bssci.journal.sqlite.journal import SqliteJournal
from tests.support.journal import SENSOR, STATION, uplink

LARGE = ("event", "uplink_key", "late_copy", "downlink", "downlink_left", "registration", "request", "sample")
"""tables whose rows are not bounded by a number of sensors or stations"""
WHOLE = {
    "count_registrations": {
        "SCAN registration USING INDEX sqlite_autoindex_registration_1",
        "SCAN registration USING INDEX registration_other",
    },
    "load": {
        # At the start, and each by an index of the few rows that it needs.
        "SCAN downlink USING INDEX downlink_queued",
        "SCAN downlink USING INDEX downlink_placed",
        "SCAN downlink USING INDEX downlink_sent",
        "SCAN request USING INDEX request_open",
    },
}
"""queries that look at all rows of an index, with the steps of their plans that do so, covering or not"""
LAST = " ORDER BY seq DESC LIMIT 1"
"""end of a query for the last row of a table: a scan that stops at once"""

Ask = Callable[[SqliteJournal], Deferred[Any]]
QUESTIONS: dict[str, Ask] = {
    "load": lambda journal: journal.load(),
    "find_uplinks": lambda journal: journal.events.find_uplinks([(SENSOR, 1), (SENSOR, 2)]),
    "trim": lambda journal: journal.events.trim(1.0, 100),
    "uplinks_of_sensor": lambda journal: journal.history.uplinks_of_sensor(SENSOR, before=9, limit=5),
    "receptions_of_sensor": lambda journal: journal.history.receptions_of_sensor(SENSOR, before=9, limit=5),
    "telegrams_of_device": lambda journal: journal.history.telegrams_of_device("ble:1", before=9, limit=5),
    "events_of_sensor": lambda journal: journal.history.events_of_sensor(SENSOR, before=9, limit=5),
    "events_of_sensor_by_kind": lambda journal: journal.history.events_of_sensor(
        SENSOR, before=9, limit=5, kinds=("sensor-warning", "sensor-status")
    ),
    "events_of_station": lambda journal: journal.history.events_of_station(STATION, before=9, limit=5),
    "events_of_station_by_kind": lambda journal: journal.history.events_of_station(
        STATION, before=9, limit=5, kinds=("station-state",)
    ),
    "look_back": lambda journal: journal.history.look_back(
        before=9, limit=5, kinds=("alarm",), sensor=SENSOR
    ),
    "event": lambda journal: journal.history.event(1),
    "late_copies": lambda journal: journal.history.late_copies(1),
    "picture": lambda journal: journal.downlinks.picture(
        queue_ids=[1], answered=[(SENSOR, 1)], sensors=[SENSOR], stations=[STATION], limit=5
    ),
    "downlinks_of_sensor": lambda journal: journal.downlinks.of_sensor(SENSOR, 5),
    "due": lambda journal: journal.downlinks.due(1.0, 5),
    "sensors_at": lambda journal: journal.downlinks.sensors_at(STATION),
    "unacknowledged": lambda journal: journal.downlinks.unacknowledged(1.0, 5),
    "trim_downlinks": lambda journal: journal.downlinks.trim(1.0),
    "registrations_at": lambda journal: journal.sessions.registrations_at(STATION),
    "registrations_of": lambda journal: journal.sessions.registrations_of(SENSOR),
    "registration_states": lambda journal: journal.sessions.registration_states([SENSOR]),
    "count_registrations": lambda journal: journal.sessions.count_registrations(),
    "sensors_with_refusals": lambda journal: journal.sessions.sensors_with_refusals(),
    "end": lambda journal: journal.sessions.end(STATION),
    "newest_requests": lambda journal: journal.requests.newest("mqtt", "ep/1/cmd", 5),
    "trim_requests": lambda journal: journal.requests.trim(1.0),
    "samples": lambda journal: journal.samples.read("uplinks", since=1.0, step=60.0),
    "store_samples": lambda journal: journal.samples.store(1.0, {"uplinks": 1.0}, 0.0),
}


@contextmanager
def statements(journal: SqliteJournal) -> Iterator[list[str]]:
    """Collect what every connection of a journal is asked."""
    found: list[str] = []
    core = journal.core
    connections = [worker.connection for worker in (core.writer, core.reader, core.history)]
    for connection in connections:
        connection.set_trace_callback(found.append)
    yield found
    for connection in connections:
        connection.set_trace_callback(None)


async def plan(journal: SqliteJournal, statement: str) -> list[str]:
    rows = await journal.core.read(
        lambda cursor: cursor.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    )
    return [row[3] for row in rows]


@pytest.mark.parametrize("name", QUESTIONS)
async def test_no_query_goes_through_a_large_table(journal: SqliteJournal, name: str) -> None:
    await journal.events.append([uplink(1), uplink(2)])
    with statements(journal) as asked:
        await QUESTIONS[name](journal)
    queries = [each for each in asked if re.match(r"\s*(SELECT|WITH|DELETE|UPDATE|INSERT)\b", each)]
    assert queries
    for query in [each for each in queries if not each.endswith(LAST)]:
        for step in await plan(journal, query):
            whole = re.match(rf"SCAN ({'|'.join(LARGE)})\b", step)
            assert whole is None or step.replace(" COVERING", "") in WHOLE.get(name, ()), (query, step)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("events_of_station_by_kind", "SEARCH event USING COVERING INDEX event_station"),
        ("events_of_sensor_by_kind", "SEARCH event USING COVERING INDEX event_sensor"),
        ("trim_downlinks", "SEARCH downlink USING INDEX downlink_over (changed_at<?)"),
        ("unacknowledged", "SEARCH downlink USING INDEX downlink_sent (changed_at>?)"),
        ("sensors_with_refusals", "SEARCH registration USING COVERING INDEX registration_other"),
    ],
)
async def test_the_index_of_a_query_is_the_one_made_for_it(
    journal: SqliteJournal, name: str, step: str
) -> None:
    with statements(journal) as asked:
        await QUESTIONS[name](journal)
    steps = [each for query in asked if " FROM " in query for each in await plan(journal, query)]
    assert any(each.startswith(step) for each in steps), steps
