"""What is in the tables after deliveries, repetitions, better decoders and poison; with a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from threading import Thread
from time import sleep
from typing import Any

import pytest

from bssci.model import EUI, Decoded, Reading, Sensor, StationState, Telegram
from bssci.sinks.postgres.errors import PostgresError
from bssci.sinks.postgres.events import rows_of
from bssci.sinks.postgres.session import DatabaseSession
from bssci.sinks.testing_events import AT, STATION, every_event, odd_events, reception, uplink, uplinks
from tests.sinks.postgres.cluster import Database

pytestmark = [pytest.mark.parts, pytest.mark.postgres]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
READINGS = (
    Reading("t", 21.5, "°C"),
    Reading("on", value=True),
    Reading("note", 'wet "floor"; DROP TABLE raw --'),
)


@pytest.fixture(params=["copy", "insert"])
def session(request: pytest.FixtureRequest, database: Database) -> Iterator[DatabaseSession]:
    session = DatabaseSession(database.settings(POSTGRES_WRITE=request.param), lambda line: None)
    yield session
    session.close()


def store(session: DatabaseSession, *events: Any) -> list[str]:
    """Store as the sink does; the reasons of what was set aside."""
    units, asides = rows_of(events, {}, NOW)
    found = session.store(units, [aside for _, aside in asides])
    return [aside.reason for _, aside in asides + found]


def read(counter: int, *readings: Reading, decoder: str = "meter@1", **changes: Any) -> Any:
    return uplink(counter, decoded=Decoded(decoder=decoder, readings=readings), **changes)


def test_what_is_delivered_is_there_once_however_often_it_comes(
    session: DatabaseSession, database: Database
) -> None:
    batch = [*every_event(), read(1, *READINGS), read(1, *READINGS)]
    tables = ("raw", "reading", "device", "gateway", "event")
    contents = []
    for _ in range(3):
        assert store(session, *batch) == []
        contents.append([database.query(f"SELECT to_jsonb(x) FROM {table} x ORDER BY 1") for table in tables])
    assert contents[0] == contents[1] == contents[2]
    assert all(contents[0])
    assert database.query(
        "SELECT name, value, text, unit FROM reading WHERE id = 'uplink-1' ORDER BY name"
    ) == [
        ("note", None, 'wet "floor"; DROP TABLE raw --', None),
        ("on", 1.0, "true", None),
        ("t", 21.5, None, "°C"),
    ]


def test_telegrams_are_counted_once(session: DatabaseSession, database: Database) -> None:
    for batch in (uplinks(3), uplinks(5), [*uplinks(6), *uplinks(6)]):
        store(session, *batch)
    ((count, first, last),) = database.query("SELECT count, first_seen, last_seen FROM device")
    assert count == 6
    assert (first.timestamp(), last.timestamp()) == (AT + 1, AT + 6)


def test_what_two_services_store_at_the_same_time_is_counted_once(
    session: DatabaseSession, database: Database
) -> None:
    other = DatabaseSession(database.settings(), lambda line: None)
    second = Thread(target=store, args=(other, *uplinks(4)))
    with session._connection.transaction():
        store(session, *uplinks(3))
        second.start()
        while second.is_alive() and not database.query("SELECT 1 FROM pg_locks WHERE NOT granted"):
            sleep(0.01)
    second.join()
    other.close()
    assert database.query("SELECT count(*) FROM raw") == [4]
    assert database.query("SELECT count FROM device") == [4]


def test_a_better_decoder_replaces_what_an_earlier_one_read(
    session: DatabaseSession, database: Database
) -> None:
    store(session, read(1, *READINGS), read(2, *READINGS))
    store(session, read(1, Reading("t", 22.0, "°C"), Reading("humidity", 40), decoder="meter@2"))
    rows = database.query("SELECT id, name, value, decoder FROM reading ORDER BY id, name")
    assert rows == [
        ("uplink-1", "humidity", 40.0, "meter@2"),
        ("uplink-1", "t", 22.0, "meter@2"),
        ("uplink-2", "note", None, "meter@1"),
        ("uplink-2", "on", 1.0, "meter@1"),
        ("uplink-2", "t", 21.5, "meter@1"),
    ]
    assert database.query("SELECT decoder FROM device") == ["meter@2"]
    assert database.query("SELECT payload ->> 'decoder' FROM raw ORDER BY id") == ["meter@2", "meter@1"]


def test_a_decoder_that_reads_nothing_leaves_nothing(session: DatabaseSession, database: Database) -> None:
    store(session, read(1, *READINGS))
    store(session, uplink(1))
    assert len(database.query("SELECT name FROM reading")) == 3
    store(session, read(1))
    assert database.query("SELECT name FROM reading") == []


def test_the_last_of_two_values_of_one_name_counts(session: DatabaseSession, database: Database) -> None:
    store(session, read(1, Reading("t", 1), Reading("t", 2)))
    assert database.query("SELECT value FROM reading") == [2.0]


def test_odd_values_harm_nobody(session: DatabaseSession, database: Database) -> None:
    good = uplinks(20)
    batch: list[Any] = []
    for place, event in enumerate(good):
        batch += [event, *odd_events()[place : place + 1]]
    reasons = store(session, *batch)
    assert len(reasons) == 3
    stored = database.query("SELECT id FROM raw WHERE id = ANY(%s)", [event.id for event in good])
    assert len(stored) == 20
    read = database.query("SELECT name, text FROM reading WHERE starts_with(name, 'NUL')")
    assert read == [("NUL \ufffd'\"; --", "NUL \ufffd")]
    assert len(database.query("SELECT id FROM set_aside")) == 3
    store(session, *batch)
    # What has no time of its own is set aside at ours, and yet once.
    assert len(database.query("SELECT id FROM set_aside")) == 3


def test_not_a_number_and_endless_numbers_are_kept(session: DatabaseSession, database: Database) -> None:
    store(session, read(1, Reading("a", float("nan")), Reading("b", float("-inf"))))
    assert [str(value) for value in database.query("SELECT value FROM reading ORDER BY name")] == [
        "nan",
        "-inf",
    ]


def test_what_the_server_refuses_is_found_and_set_aside(session: DatabaseSession, database: Database) -> None:
    """Rows that only the server knows to be wrong: a constraint and a trigger of somebody, too long a key."""
    database.query("ALTER TABLE reading ADD CHECK (name <> 'forbidden')")
    database.query("ALTER TABLE raw ADD CHECK (bytes <> '\\xbad0')")
    long = "".join(chr(0x4E00 + number) for number in range(3000))
    batch = [read(counter, *READINGS) for counter in range(1, 41)]
    batch[7] = read(8, Reading("forbidden", 1), Reading("allowed", 2))
    batch[20] = read(21, Reading(long, 1), Reading("allowed", 2))
    batch[33] = read(34, Reading("allowed", 3), payload=b"\xba\xd0")
    reasons = store(session, *batch)
    assert [reason[:9] for reason in reasons] == ["new row f", "index row", "new row f"]
    assert len(database.query("SELECT id FROM raw")) == 39
    assert len(database.query("SELECT id FROM reading WHERE name = 'allowed'")) == 3
    assert len(database.query("SELECT id FROM reading WHERE name = 't'")) == 37
    bodies = [json.loads(body) for body in database.query("SELECT body FROM set_aside ORDER BY id")]
    assert [body.get("name", body.get("bytes")) for body in bodies] == [long, "bad0", "forbidden"]
    assert database.query("SELECT count FROM device") == [39]


def test_a_refused_value_does_not_keep_what_a_better_decoder_left_out(
    session: DatabaseSession, database: Database
) -> None:
    store(session, read(1, Reading("old", 1)))
    database.query("ALTER TABLE reading ADD CHECK (name <> 'forbidden')")
    assert len(store(session, read(1, Reading("forbidden", 1), Reading("new", 1), decoder="meter@2"))) == 1
    assert database.query("SELECT name FROM reading") == ["new"]


def test_many_refused_rows_leave_the_others(session: DatabaseSession, database: Database) -> None:
    database.query("ALTER TABLE raw ADD CHECK (bytes <> '\\xbad0')")
    batch = [uplink(counter, payload=b"\xba\xd0" if counter % 3 else b"ok") for counter in range(1, 61)]
    assert len(store(session, *batch)) == 40
    assert len(database.query("SELECT id FROM raw")) == 20


def test_rows_wait_for_a_table_that_refuses_all_that_devices_sent(
    session: DatabaseSession, database: Database
) -> None:
    store(session, *uplinks(1))
    database.query("ALTER TABLE raw ADD CONSTRAINT nothing CHECK (id = 'uplink-1') NOT VALID")
    for readings in ([], READINGS):
        with pytest.raises(PostgresError, match="the server refuses all that devices sent: .*nothing"):
            store(session, *(read(counter, *readings) for counter in range(2, 31)))
    assert database.query("SELECT count(*) from set_aside") == [0]
    # Beside one that it takes: it may have begun, or ceased, to refuse everything meanwhile.
    with pytest.raises(PostgresError, match="the server refuses many in a row of what devices sent: .*noth"):
        store(session, *uplinks(30))
    assert database.query("SELECT count(*) from set_aside") == [0]
    # Only some, and again: they are at fault, and not the table.
    assert len(store(session, *uplinks(30))) == 29
    for number in range(31, 41):
        assert len(store(session, uplink(number))) == 1
    with pytest.raises(PostgresError):
        store(session, uplink(41))
    database.query("ALTER TABLE raw DROP CONSTRAINT nothing")
    assert store(session, uplink(41)) == []


@pytest.mark.parametrize("good", [range(1, 11), range(31, 41)])
def test_rows_at_fault_that_fill_transactions_do_not_make_the_rest_wait(
    database: Database, good: Sequence[int]
) -> None:
    session = DatabaseSession(database.settings(POSTGRES_BATCH_SIZE="5"), lambda line: None)
    database.query("ALTER TABLE raw ADD CHECK (bytes <> '\\xbad0')")
    bad = range(11, 31)
    batch = [
        uplink(each) if each in good else uplink(each, payload=b"\xba\xd0") for each in sorted([*good, *bad])
    ]
    with pytest.raises(PostgresError, match="the server refuses many in a row of what devices sent"):
        store(session, *batch)
    assert len(store(session, *batch)) == len(bad)
    assert database.query("SELECT count(*) FROM raw") == [len(good)]
    assert database.query("SELECT count(*) FROM set_aside") == [len(bad)]
    session.close()


@pytest.mark.parametrize("size", ["500", "12"])
def test_nothing_that_is_taken_waits_for_the_judgement_of_what_is_refused(
    database: Database, size: str
) -> None:
    session = DatabaseSession(database.settings(POSTGRES_BATCH_SIZE=size), lambda line: None)
    database.query("ALTER TABLE raw ADD CHECK (bytes <> '\\xbad0')")
    batch = [uplink(each, payload=b"ok" if each % 12 == 0 else b"\xba\xd0") for each in range(60)]
    with pytest.raises(PostgresError, match="the server refuses many in a row of what devices sent"):
        store(session, *batch)
    assert database.query("SELECT count(*) FROM raw") == [5]
    assert database.query("SELECT count(*) FROM set_aside") == [0]
    assert len(store(session, *batch)) == 55
    assert database.query("SELECT count(*) FROM set_aside") == [55]
    assert database.query("SELECT sum(count)::int FROM device") == [5], "counted once"
    session.close()


def test_readings_that_are_refused_do_not_make_the_rest_wait(
    session: DatabaseSession, database: Database
) -> None:
    database.query("ALTER TABLE reading ADD CHECK (name <> 'forbidden')")
    batch = [read(counter, Reading("forbidden", 1), Reading("new", 1)) for counter in range(1, 21)]
    assert len(store(session, *batch)) == 20
    assert database.query("SELECT count(*) FROM raw") == [20]
    assert database.query("SELECT count(*) FROM reading") == [20]


@pytest.mark.parametrize(
    ("table", "time", "key", "values"),
    [("raw", "received_at", "received_at, id", ()), ("reading", "time", "time, device, name, id", READINGS)],
)
def test_rows_wait_for_the_partition_that_is_to_take_them(
    session: DatabaseSession, database: Database, table: str, time: str, key: str, values: tuple[Reading, ...]
) -> None:
    database.query(f"DROP TABLE {table} CASCADE")
    made = "CREATE TABLE raw (received_at timestamptz, id text, device text, gateway text, source text,"
    made += " payload jsonb, bytes bytea)"
    if table == "reading":
        made = "CREATE TABLE reading (time timestamptz, device text, name text, value float8, text text,"
        made += " unit text, id text, gateway text, decoder text, topic text)"
    database.query(f"{made} PARTITION BY RANGE ({time})")
    database.query(f"CREATE UNIQUE INDEX ON {table} ({key})")
    for _ in range(2):
        with pytest.raises(Exception, match="no partition of relation"):
            store(session, read(1, *values))
    database.query(f"CREATE TABLE part PARTITION OF {table} DEFAULT")
    assert store(session, read(1, *values)) == []
    assert database.query("SELECT count(*) FROM set_aside") == [0]


def test_rows_wait_while_a_column_of_somebody_else_must_be_filled(
    session: DatabaseSession, database: Database
) -> None:
    database.query("ALTER TABLE reading ADD COLUMN site text NOT NULL")
    with pytest.raises(Exception, match='null value in column "site"'):
        store(session, read(1, *READINGS))
    database.query("ALTER TABLE reading ALTER COLUMN site SET DEFAULT 'roof'")
    assert store(session, read(1, *READINGS)) == []
    # One of ours is a rule about values: it concerns those alone that break it.
    database.query("DELETE FROM reading WHERE unit IS NULL")
    database.query("ALTER TABLE reading ALTER COLUMN unit SET NOT NULL")
    assert len(store(session, read(2, Reading("level", 1, "cm"), Reading("bare", 1)))) == 1
    assert database.query("SELECT name FROM reading WHERE id = 'uplink-2'") == ["level"]


@pytest.mark.parametrize("rule", ["length(name) < 5", "tags IS NULL"])
def test_what_is_said_of_a_device_and_refused_costs_no_telegram(
    session: DatabaseSession, database: Database, rule: str
) -> None:
    database.query(f"ALTER TABLE device ADD CHECK ({rule})")
    eui = uplink(1).end_point_eui
    sensor = Sensor(
        eui=eui, network_key=bytes(16), short_address=1, bidirectional=False, name="Cellar", tags=("wet",)
    )
    units, _ = rows_of([read(1, *READINGS), read(2)], {eui: sensor}, NOW)
    refused = [aside.reason for _, aside in session.store(units, ())]
    assert [reason[:32] for reason in refused] == ["of its device or gateway: new ro"] * 2
    assert database.query("SELECT id FROM raw ORDER BY id") == ["uplink-1", "uplink-2"]
    assert database.query("SELECT count(*) FROM reading") == [len(READINGS)]
    assert database.query("SELECT name, tags, count FROM device") == [(None, None, 2)]
    assert "Cellar" in database.query("SELECT body FROM set_aside")[0]


def test_a_row_that_row_level_security_refuses_costs_itself(
    session: DatabaseSession, database: Database
) -> None:
    role = f"guest_{database.name}"
    database.query(f"CREATE ROLE {role} LOGIN")
    database.query(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    database.query("ALTER TABLE raw ENABLE ROW LEVEL SECURITY")
    database.query("CREATE POLICY all_rows ON raw USING (true) WITH CHECK (bytes <> '\\xbad0')")
    guest = DatabaseSession(database.settings(POSTGRES_USER=role), lambda line: None)
    assert len(store(guest, uplink(1), uplink(2, payload=b"\xba\xd0"), uplink(3))) == 1
    guest.close()
    assert database.query("SELECT id FROM raw ORDER BY id") == ["uplink-1", "uplink-3"]


def test_telegrams_that_a_trigger_leaves_out_are_logged_once(
    session: DatabaseSession, database: Database, log_lines: list[str]
) -> None:
    body = "BEGIN IF NEW.id = 'uplink-3' THEN RETURN NEW; END IF; RETURN NULL; END"
    database.query(f"CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
    database.query("CREATE TRIGGER t BEFORE INSERT ON raw FOR EACH ROW EXECUTE FUNCTION leave_out()")
    for number in (2, 4):
        assert store(session, *uplinks(number)) == []
    assert database.query("SELECT id FROM raw") == ["uplink-3"]
    [line] = [line for line in log_lines if "leaves them out" in line]
    assert "2 telegrams are not in the table raw" in line


def test_columns_may_stand_in_any_order(session: DatabaseSession, database: Database) -> None:
    database.query("ALTER TABLE raw DROP COLUMN device CASCADE")
    database.query("ALTER TABLE raw ADD COLUMN device text")
    store(session, uplink(1))
    assert database.query("SELECT device FROM raw") == [f"mioty:{uplink(1).end_point_eui}"]
    assert database.query("SELECT gateway FROM raw") == [str(STATION)]


def test_an_error_that_no_row_is_to_blame_for_stores_nothing(
    session: DatabaseSession, database: Database
) -> None:
    database.query("ALTER TABLE reading RENAME TO away")
    with pytest.raises(Exception, match='relation "reading" does not exist'):
        store(session, read(1, *READINGS))
    database.query("ALTER TABLE away RENAME TO reading")
    assert database.query("SELECT id FROM raw") == []
    assert store(session, read(1, *READINGS)) == []


def test_an_old_state_of_a_station_does_not_come_back(session: DatabaseSession, database: Database) -> None:
    def state(at: float, word: Any) -> StationState:
        return StationState(at=at, base_station_eui=STATION, state=word)

    store(session, state(AT, "online"), state(AT + 5, "offline"), uplink(900))
    store(session, state(AT, "online"))
    ((word, since, seen),) = database.query("SELECT state, state_at, last_seen FROM gateway")
    assert (word, since.timestamp(), seen.timestamp()) == ("offline", AT + 5, AT + 900)


def test_a_device_keeps_what_people_wrote(session: DatabaseSession, database: Database) -> None:
    store(session, uplink(1))
    database.query("UPDATE device SET blocked = true, name = 'by hand', tags = '[1]'")
    store(session, uplink(2))
    assert database.query("SELECT blocked, name, tags, count FROM device") == [(True, "by hand", [1], 2)]


def test_a_batch_of_several_transactions_is_stored_whole(database: Database) -> None:
    session = DatabaseSession(database.settings(POSTGRES_BATCH_SIZE=7), lambda line: None)
    store(session, *uplinks(50))
    session.close()
    assert len(database.query("SELECT id FROM raw")) == 50


def test_the_older_pipelines_find_their_tables(session: DatabaseSession, database: Database) -> None:
    read_at_pin = Decoded(
        decoder="modbus@1", readings=(Reading("temperature", 22.5, "°C", device="f2:0011aabbccdd/J1/3"),)
    )
    seen = Decoded(
        decoder="atc@1", readings=(Reading("temperature", 21.5, "°C"), Reading("motion", value=True))
    )
    store(
        session,
        Telegram(
            at=AT, id="ble-1", device="ble:AA:BB:CC:DD:EE:FF", gateway="roof", source="mqtt", payload=b"\1",
            rssi=-70.0, gateway_time=AT - 1, decoded=seen,
            envelope={"device": {"name": "Thermometer"}, "service_data": {"181a": "AA=="}},
        ),
        Telegram(at=AT, id="st-1", device="scanner:roof", gateway="roof", source="mqtt", payload=b"",
                 envelope={"status": "online", "uptime_seconds": 7}),
        Telegram(
            at=AT, id="f2-1", device="f2:0011aabbccdd", gateway="f2-0011aabbccdd", source="mqtt",
            payload=b"\1", decoded=read_at_pin,
            envelope={"topic": "tele/f2-0011aabbccdd/sensor-mode/J1/sensor-3"},
        ),
        read(1, *READINGS, receptions=[reception(1, end_point_eui=EUI("70B3D56770110009"))]),
    )  # fmt: skip
    assert database.query(
        "SELECT id, scanner_id, device_address, device_name, rssi, raw_payload -> 'service_data' ->> '181a'"
        " FROM raw_advertisements"
    ) == [("ble-1", "roof", "AA:BB:CC:DD:EE:FF", "Thermometer", -70.0, "AA==")]
    assert database.query(
        "SELECT device_address, sensor_type, readings, raw_advertisement_id FROM sensor_readings"
        " WHERE raw_advertisement_id = 'ble-1'"
    ) == [("AA:BB:CC:DD:EE:FF", "atc", {"temperature": 21.5, "motion": True}, "ble-1")]
    assert database.query(
        "SELECT address, name, device_type, parser_type, metadata ->> 'count', is_blocked FROM devices"
        " WHERE device_type = 'ble'"
    ) == [("AA:BB:CC:DD:EE:FF", "Thermometer", "ble", "atc", "1", False)]
    database.query("UPDATE device SET model = 'LYWSD03MMC' WHERE kind = 'ble' RETURNING 1")
    assert database.query("SELECT device_type, manufacturer FROM devices WHERE parser_type = 'atc'") == [
        ("LYWSD03MMC", "Xiaomi")
    ]
    assert database.query("SELECT scanner_id, status, metadata ->> 'uptime_seconds' FROM scanners") == [
        ("roof", "online", "7")
    ]
    assert database.query(
        "SELECT device_id, connector_mode, component_type, pin_position, value, unit, topic"
        " FROM iot_measurements WHERE topic IS NOT NULL"
    ) == [
        (
            "f2-0011aabbccdd", "sensor-mode", "sensor", 3, 22.5, "°C",
            "tele/f2-0011aabbccdd/sensor-mode/J1/sensor-3",
        )
    ]  # fmt: skip
    assert len(database.query("SELECT * FROM iot_measurements")) == 6
