"""Stations, activity, cursors and settings, over a restart."""

from __future__ import annotations

from contextlib import closing

from bssci.journal import Activity, Fact, StationRecord
from bssci.journal.sqlite.database import Database, load_schema
from bssci.model import EUI
from tests.support.journal import OTHER_STATION, SENSOR, STATION, HeldWriter, online, uplink

SECOND_SENSOR = EUI("FCA84A0300005678")


async def test_a_station_is_remembered_since_it_was_first_seen(open_journal):
    journal = open_journal()
    await journal.tables.put(
        [
            StationRecord(
                base_station_eui=STATION, first_seen_at=1.0, last_seen_at=1.0, vendor="A", info={"a": [1]}
            )
        ]
    )
    with HeldWriter(journal):
        journal.tables.put(
            [StationRecord(base_station_eui=STATION, first_seen_at=3.0, last_seen_at=3.0, name="x")]
        )
        journal.tables.put(
            [
                StationRecord(
                    base_station_eui=STATION,
                    first_seen_at=5.0,
                    last_seen_at=5.0,
                    info={"b": "c"},
                    address="192.0.2.1:40000",
                    certificate=b"DER",
                    reason="",
                )
            ]
        )
        other = StationRecord(base_station_eui=OTHER_STATION, first_seen_at=4.0, last_seen_at=4.0)
        stored = journal.tables.put([other])
    await stored
    await journal.close()
    kept = StationRecord(
        base_station_eui=STATION,
        first_seen_at=1.0,
        last_seen_at=5.0,
        info={"b": "c"},
        address="192.0.2.1:40000",
        certificate=b"DER",
        reason="",
    )
    assert (await open_journal().load()).stations == {STATION: kept, OTHER_STATION: other}


async def test_stations_of_an_older_journal_are_known_without_what_it_lacks(open_journal, tmp_path):
    old = Database(tmp_path / "data", load_schema()[:2], max_bytes=1 << 30)
    with closing(old.connect()) as connection:
        connection.execute(
            "INSERT INTO station (base_station_eui, first_seen_at, last_seen_at, name) VALUES (?, 1, 2, 'x')",
            (STATION,),
        )
    old.release()
    [record] = (await open_journal().load()).stations.values()
    assert record == StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0, name="x")


async def test_activity_is_the_stored_sum_and_what_came_after_it(open_journal):
    journal = open_journal()
    await journal.events.append([uplink(5, at=10.0), uplink(6, at=20.0), online(25.0)])
    expected = Activity(end_point_eui=SENSOR, last_seen_at=20.0, packet_counter=6, uplink_count=2)
    assert (await journal.load()).activities == {SENSOR: expected}
    await journal.tables.apply(Activity, {SENSOR: expected}, through=journal.events.last_seq)
    assert (await journal.load()).activities == {SENSOR: expected}

    await journal.events.append([uplink(7, at=30.0), uplink(1, SECOND_SENSOR, at=15.0)])
    await journal.close()
    assert (await open_journal().load()).activities == {
        SENSOR: Activity(end_point_eui=SENSOR, last_seen_at=30.0, packet_counter=7, uplink_count=3),
        SECOND_SENSOR: Activity(
            end_point_eui=SECOND_SENSOR, last_seen_at=15.0, packet_counter=1, uplink_count=1
        ),
    }


async def test_stored_activity_outlives_the_events_that_made_it(journal):
    await journal.events.append([uplink(n, at=float(n)) for n in range(1, 11)])
    activity = (await journal.load()).activities
    await journal.tables.apply(Activity, activity, through=10)
    await journal.events.trim(before_at=99.0, delivered_seq=10)
    assert (await journal.load()).activities == activity


async def test_settings_are_kept(open_journal):
    journal = open_journal()
    assert (await journal.load()).facts.get("colour") is None
    await journal.tables.put([Fact(name="colour", value="1")])
    await journal.tables.put([Fact(name="colour", value="2")])
    await journal.close()
    assert (await open_journal().load()).facts.get("colour") == "2"
