"""What every journal must do, whatever it keeps things in.

Every implementation that ``test_interface.py`` names is tested by :class:`Contract`. Everything here goes by
:mod:`bssci.journal.interface` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_twisted
from twisted.internet import defer

from bssci.journal import (
    Activity,
    AlarmRecord,
    Attachment,
    AuditEntry,
    DeviceRecord,
    Fact,
    GatewayRecord,
    Journal,
    JournalBusy,
    Left,
    ListeningRecord,
    LiveSession,
    PathRecord,
    RefusedConnection,
    Registration,
    Replay,
    Silence,
    StationEntry,
    StationRecord,
    StoredDownlink,
    StoredRequest,
    StoredSession,
    TelegramKey,
    UnknownRecord,
)
from bssci.model import (
    EUI,
    Downlink,
    DownlinkRequest,
    SensorStatus,
    StationStatus,
    Telegram,
    VariableMacUplink,
)
from tests.support.journal import OTHER_STATION, SENSOR, STATION, online, reception, uplink

RECORDS = [
    StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=2.0, info={"a": [1]}),
    Activity(end_point_eui=SENSOR, last_seen_at=1.5, packet_counter=7, uplink_count=3),
    Attachment(end_point_eui=SENSOR, state="detached", reason="command", since=1.0, session_key=bytes(16)),
    Silence(end_point_eui=SENSOR, attached_at=1.0, how="over the air", warned_since=2.0),
    PathRecord(end_point_eui=SENSOR, body=b"\0\xff"),
    UnknownRecord(end_point_eui=SENSOR, body=b"body"),
    ListeningRecord(number=3, began_at=1.0, ended_at=2.0),
    TelegramKey(slot=3, number=65_539, id="4f0c"),
    DeviceRecord(id="ble:AA:BB:CC:DD:EE:FF", body=b"body"),
    GatewayRecord(id="scanner:roof", body=b"\0\xff"),
    Fact(name="colour", value="grün"),
    StationEntry(base_station_eui=STATION, location={"lat": 51.0}, tags=("roof",), entered_at=1.0),
    RefusedConnection(key="ab", address="192.0.2.1", reason="unknown", count=2, first_at=1.0, at=2.0),
    AlarmRecord(number=4, id="sink:mqtt", severity="error", text="mqtt", href="/", since=1.0, until=2.0),
    Replay(number=5, sink="mqtt", from_at=1.0, to_at=2.0, devices=("d",), asked_by="ann", asked_at=3.0),
    LiveSession(key="t/c", token_id="t", client_id="c", filters={"a/#": 1}, position=9, seen_at=1.0),
]  # fmt: skip
LOADED = {
    StationRecord: "stations",
    Activity: "activities",
    Attachment: "attachments",
    Silence: "silences",
    PathRecord: "paths",
    UnknownRecord: "unknown",
    TelegramKey: "telegram_keys",
    DeviceRecord: "devices",
    GatewayRecord: "gateways",
    ListeningRecord: "listening",
    StationEntry: "station_entries",
    RefusedConnection: "refusals",
    AlarmRecord: "alarms",
    Replay: "replays",
    LiveSession: "live_sessions",
}


def session(**changes: Any) -> StoredSession:
    values = {
        "base_station_eui": STATION,
        "sn_bs_uuid": bytes(16),
        "sn_sc_uuid": bytes(16),
        "version": "1.0.0",
    }
    return StoredSession(**(values | {"created_at": 1.0} | changes))  # fmt: skip


def downlink(number: int, **changes: Any) -> StoredDownlink:
    request = DownlinkRequest(end_point_eui=SENSOR, data=(b"\1",))
    values = {"queue_id": number, "request": request, "state": "queued", "created_at": 1.0, "changed_at": 1.0}
    return StoredDownlink(downlink=Downlink(**(values | changes)))


class Contract:
    """The tests; a fixture ``opener`` opens the journal in a directory."""

    @pytest.fixture
    def reopen(self, opener: Callable[[Path], Journal], tmp_path: Path) -> Iterator[Callable[[], Journal]]:
        """Open the journal; one that is open is closed before."""
        opened: list[Journal] = []

        def open_it() -> Journal:
            opened.append(opener(tmp_path / "data"))
            return opened[-1]

        yield open_it
        for journal in opened:
            pytest_twisted.blockon(journal.close())

    @pytest.fixture
    def journal(self, reopen: Callable[[], Journal]) -> Journal:
        return reopen()

    # inbox

    async def test_receptions_come_back_in_order_until_they_are_taken(self, journal, reopen):
        first = await journal.inbox.append([reception(1), reception(2)])
        second = await journal.inbox.append([reception(3)])
        assert first < second
        await journal.close()
        journal = reopen()
        kept = (await journal.load()).receptions
        assert [r.packet_counter for _, receptions in kept for r in receptions] == [1, 2, 3]
        assert await journal.inbox.append([reception(4)]) > second
        await journal.events.append([uplink(1)], taken_before=second + 1)
        kept = (await journal.load()).receptions
        assert [r.packet_counter for _, receptions in kept for r in receptions] == [4]

    async def test_too_much_that_waits_is_refused_at_once(self, journal):
        with pytest.raises(JournalBusy):
            await journal.inbox.append([reception()] * 1_000_000)
        assert journal.inbox.pending == 0

    async def test_a_mark_is_stored_with_what_it_stands_for(self, journal):
        await journal.sessions.begin(session())
        await journal.inbox.append([reception()], journal.sessions.mark(STATION, 9))
        await journal.inbox.append([reception()], journal.cursors.change("source", 5))
        loaded = await journal.load()
        assert (loaded.sessions[STATION].last_bs_op_id, loaded.cursors) == (9, {"source": 5})

    # events

    async def test_events_are_numbered_without_gaps_and_kept(self, journal, reopen):
        assert await journal.events.append([uplink(1), online()]) == 1
        assert await journal.events.append([uplink(2)]) == 3
        expected = [(1, uplink(1)), (2, online()), (3, uplink(2))]
        assert dict(journal.events.counts()) == {"uplink": 2, "station-state": 1}
        assert await journal.events.read(0, 10) == expected
        await journal.close()
        journal = reopen()
        loaded = await journal.load()
        assert (journal.events.last_seq, loaded.last_seq, loaded.last_event_at) == (3, 3, uplink(2).at)
        assert await journal.events.read(1, 1) == expected[1:2]
        assert await journal.events.append([online()]) == 4

    async def test_subscribers_hear_of_events_until_they_unsubscribe(self, journal):
        heard = []
        unsubscribe = journal.events.subscribe(lambda: heard.append(journal.events.last_seq))
        await journal.events.append([online()])
        await journal.settled()
        unsubscribe()
        await journal.events.append([online()])
        await journal.settled()
        assert heard == [1]

    async def test_uplinks_are_found_even_before_they_are_stored(self, journal):
        journal.events.append([uplink(1), uplink(2), uplink(1)])
        found = await journal.events.find_uplinks([(SENSOR, 1), (SENSOR, 9)])
        assert [(seq, each.packet_counter) for seq, each in found] == [(1, 1), (3, 1)]

    async def test_of_a_counter_that_does_not_rise_the_newest_are_found(self, journal):
        await journal.events.append([uplink(7) for _ in range(300)])
        found = [seq for seq, _ in await journal.events.find_uplinks([(SENSOR, 7)])]
        assert found == list(range(301 - len(found), 301))
        assert 10 <= len(found) <= 100

    async def test_the_newest_event_outlives_retention(self, journal, reopen):
        await journal.events.append([uplink(n, at=float(n)) for n in range(10)])
        assert await journal.events.trim(before_at=5.0, delivered_seq=3) == 3
        assert await journal.events.trim(before_at=99.0, delivered_seq=99) == 6
        await journal.close()
        assert await reopen().events.append([online()]) == 11

    # what is kept by key

    @pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
    async def test_a_row_is_stored_replaced_and_forgotten(self, journal, reopen, record):
        key = getattr(record, record.KEY)
        await journal.tables.put([record])
        await journal.tables.put([record])
        await journal.close()
        journal = reopen()
        assert self._of(await journal.load(), record).get(key) in (record, "grün")
        await journal.tables.apply(type(record), {key: None})
        assert key not in self._of(await journal.load(), record)
        await journal.events.append([], beside=[journal.tables.change(type(record), {key: record})])
        assert key in self._of(await journal.load(), record)
        await journal.tables.delete(type(record), [key])
        assert key not in self._of(await journal.load(), record)

    def _of(self, loaded, record):
        return loaded.facts if isinstance(record, Fact) else getattr(loaded, LOADED[type(record)])

    async def test_a_station_stays_known_since_it_was_first_seen(self, journal):
        for at in (5.0, 9.0):
            record = StationRecord(base_station_eui=STATION, first_seen_at=at, last_seen_at=at)
            await journal.tables.put([record])
        kept = (await journal.load()).stations[STATION]
        assert (kept.first_seen_at, kept.last_seen_at) == (5.0, 9.0)

    async def test_activity_is_what_was_stored_and_what_came_after(self, journal):
        await journal.events.append([uplink(4), uplink(5)])
        learned = Activity(end_point_eui=SENSOR, last_seen_at=1.0, packet_counter=5, uplink_count=2)
        await journal.tables.apply(Activity, {SENSOR: learned}, through=2)
        await journal.events.append([uplink(6, at=7e9)])
        kept = (await journal.load()).activities[SENSOR]
        assert (kept.packet_counter, kept.uplink_count, kept.last_seen_at) == (6, 3, 7e9)

    async def test_paths_are_learned_up_to_an_event(self, journal):
        await journal.events.append([uplink(n) for n in range(5)])
        await journal.tables.apply(
            PathRecord, {SENSOR: PathRecord(end_point_eui=SENSOR, body=b"1")}, through=4
        )
        assert (await journal.load()).paths_seq == 4

    async def test_cursors_are_where_they_were_moved_last(self, journal, reopen):
        await defer.gatherResults([journal.cursors.move("mqtt", seq) for seq in (3, 9, 4)])
        await journal.close()
        assert (await reopen().load()).cursors == {"mqtt": 4}

    # sessions

    async def test_an_operation_that_turned_out_to_be_damaged_is_counted(self, journal):
        await journal.sessions.begin(session(open_operations=[(-1, b"one")]))
        await journal.sessions.pass_over_operation(STATION, -1, ValueError("no operation"))
        assert journal.usage().unreadable == 1

    async def test_a_session_comes_back_with_its_open_operations(self, journal, reopen):
        await journal.sessions.begin(session(open_operations=[(-1, b"one")]))
        await journal.sessions.open_operations(STATION, -3, [(-2, b"two"), (-3, b"three")])
        await journal.events.append([], beside=[journal.sessions.closing(STATION, [-2])])
        await journal.sessions.advance(STATION, 9)
        await journal.sessions.advance(STATION, 5)
        await journal.close()
        expected = session(last_bs_op_id=9, last_sc_op_id=-3, open_operations=[(-1, b"one"), (-3, b"three")])
        assert (await reopen().load()).sessions == {STATION: expected}

    async def test_a_new_session_begins_with_nothing(self, journal):
        told = Registration(end_point_eui=SENSOR, fingerprint=b"f", state="attached", at=1.0)
        for station in (STATION, OTHER_STATION):
            await journal.sessions.begin(session(base_station_eui=station, open_operations=[(-1, b"one")]))
            await journal.sessions.store_registrations(station, [told])
        await journal.sessions.begin(session(version="1.1.0"))
        assert (await journal.load()).sessions[STATION] == session(version="1.1.0")
        assert await journal.sessions.registrations_at(STATION) == []
        assert await journal.sessions.registrations_of(SENSOR) == {OTHER_STATION: told}
        assert await journal.sessions.registration_states([SENSOR]) == {SENSOR: {OTHER_STATION: "attached"}}
        assert await journal.sessions.count_registrations() == {OTHER_STATION: {"attached": 1}}
        assert await journal.sessions.sensors_with_refusals() == set()

    async def test_registrations_are_counted_by_station_and_state(self, journal):
        told = Registration(end_point_eui=SENSOR, fingerprint=b"f", state="attached", at=1.0)
        second = replace(told, end_point_eui=EUI("FCA84A0300005678"))
        await journal.sessions.store_registrations(STATION, [told, second])
        await journal.sessions.store_registrations(OTHER_STATION, [replace(told, state="refused"), second])
        third = replace(second, state="detached")
        await journal.sessions.store_registrations(OTHER_STATION, [third])
        assert await journal.sessions.count_registrations() == {
            STATION: {"attached": 2},
            OTHER_STATION: {"refused": 1, "detached": 1},
        }

    async def test_a_session_that_ended_is_forgotten_with_all_that_belongs_to_it(self, journal, reopen):
        told = Registration(end_point_eui=SENSOR, fingerprint=b"f", state="refused", at=1.0)
        await journal.sessions.begin(session(open_operations=[(-1, b"one")]))
        await journal.sessions.store_registrations(STATION, [told])
        assert await journal.sessions.sensors_with_refusals() == {SENSOR}
        record = StationRecord(base_station_eui=STATION, first_seen_at=1.0, last_seen_at=1.0)
        await journal.tables.put([record])
        beside = [journal.tables.change(StationRecord, {STATION: None})]
        await journal.sessions.end(STATION, beside=beside)
        await journal.sessions.advance(STATION, 9)
        await journal.close()
        journal = reopen()
        loaded = await journal.load()
        assert loaded.sessions == loaded.stations == {}
        assert await journal.sessions.registrations_of(SENSOR) == {}

    # requests

    async def test_a_request_is_open_until_it_is_answered_once(self, journal, reopen):
        first = await journal.requests.receive("mqtt", "ep/1/cmd", b"attach", at=5.0)
        second = await journal.requests.receive("mqtt", "ep/2/cmd", b"\xff", at=6.0)
        await journal.close()
        journal = reopen()
        assert (await journal.load()).requests == (
            StoredRequest(number=first, source="mqtt", topic="ep/1/cmd", payload=b"attach", received_at=5.0),
            StoredRequest(number=second, source="mqtt", topic="ep/2/cmd", payload=b"\xff", received_at=6.0),
        )
        done = journal.requests.answering(first, "done", b"yes", at=7.0)
        await journal.events.append([online()], beside=[done])
        await journal.requests.answer(first, "failed", b"no", at=8.0)
        assert [each.number for each in (await journal.load()).requests] == [second]
        [answered] = await journal.requests.newest("mqtt", "ep/1/cmd", 10)
        assert (answered.state, answered.answer, answered.answered_at) == ("done", b"yes", 7.0)

    async def test_the_newest_requests_may_be_those_that_begin_alike_and_came_together(self, journal):
        for at, payload in ((1.0, b"ax"), (5.0, b"ay"), (6.0, b"bx"), (7.0, b"az")):
            await journal.requests.receive("mqtt", "t", payload, at=at)

        async def newest(limit: int, **how: float) -> list[bytes]:
            found = await journal.requests.newest("mqtt", "t", limit, beginning=b"a", **how)
            return [each.payload for each in found]

        assert await newest(9) == [b"az", b"ay", b"ax"]
        assert await newest(9, within=2.0) == [b"az", b"ay"]
        assert await newest(2) == [b"az"]

    async def test_a_note_is_kept_with_a_request_until_it_is_answered(self, journal, reopen):
        number = await journal.requests.receive("mqtt", "t", b"1", at=1.0)
        await journal.downlinks.store(
            [downlink(1)], [online()], beside=[journal.requests.noting(number, b"note")]
        )
        await journal.close()
        journal = reopen()
        [kept] = (await journal.load()).requests
        assert (kept.state, kept.answer, kept.answered_at) == ("received", b"note", None)
        await journal.requests.answer(number, "done", b"yes", at=2.0)
        await journal.events.append([online()], beside=[journal.requests.noting(number, b"late")])
        [answered] = await journal.requests.newest("mqtt", "t", 1)
        assert (answered.state, answered.answer, answered.answered_at) == ("done", b"yes", 2.0)

    async def test_answered_requests_are_forgotten_and_their_numbers_are_not_given_again(self, journal):
        first = await journal.requests.receive("mqtt", "t", b"1", at=1.0)
        await journal.requests.answer(first, "done", b"", at=2.0)
        assert await journal.requests.trim(before_at=2.0) == 0
        assert await journal.requests.trim(before_at=3.0) == 1
        second = await journal.requests.receive("mqtt", "t", b"2", at=4.0)
        assert second > first
        assert await journal.requests.trim(before_at=99.0) == 0
        assert [each.number for each in await journal.requests.newest("mqtt", "t", 5)] == [second]

    # downlinks

    async def test_downlinks_are_kept_with_the_events_that_tell_of_them(self, journal, reopen):
        assert await journal.downlinks.store([downlink(1), downlink(2)], [online()]) == 1
        await journal.downlinks.store([], [], left=[Left(STATION, 1, SENSOR)])
        await journal.close()
        journal = reopen()
        counts = (await journal.load()).downlinks
        assert (counts.queued, counts.last_queue_id) == ({SENSOR: 2}, 2)
        picture = await journal.downlinks.picture(queue_ids=[1], sensors=[SENSOR], limit=10)
        assert picture.named == {1: downlink(1)}
        assert picture.queued == {SENSOR: [downlink(1), downlink(2)]}
        assert picture.left == [Left(STATION, 1, SENSOR)]
        assert [each.queue_id for each in await journal.downlinks.of_sensor(SENSOR, 10)] == [2, 1]

    async def test_downlinks_that_are_over_are_forgotten_but_for_the_newest(self, journal):
        await journal.downlinks.store([downlink(n, state="revoked") for n in (1, 2, 3)], [])
        assert await journal.downlinks.trim(before_at=2.0) == 2
        assert (await journal.load()).downlinks.last_queue_id == 3

    async def test_queued_downlinks_move_with_a_clock_that_was_set(self, journal):
        times = {"place": "asked", "placed_at": 3.0, "not_before": 4.0, "due_at": 5.0}
        lies = msgspec.structs.replace(downlink(1, base_station_eui=STATION, expires_at=6.0), **times)
        over = msgspec.structs.replace(downlink(2, state="sent", changed_at=9.0), placed_at=1.0)
        await journal.downlinks.store([lies, over, downlink(3)], [])
        await journal.downlinks.shift(100.0)
        assert await journal.downlinks.due(104.9, 10) == []
        assert await journal.downlinks.due(105.0, 10) == [(1, SENSOR)]
        named = (await journal.downlinks.picture(queue_ids=[1, 2, 3], limit=10)).named
        moved = named[1]
        assert (moved.placed_at, moved.not_before, moved.due_at) == (103.0, 104.0, 105.0)
        assert (moved.place, moved.downlink.expires_at) == ("asked", 106.0)
        assert (named[2], named[3]) == (over, downlink(3))

    async def test_a_downlink_is_found_where_it_lies_when_it_is_due_and_until_it_is_acknowledged(
        self, journal
    ):
        await journal.sessions.begin(session())
        lies = downlink(1, base_station_eui=STATION)
        lies = msgspec.structs.replace(lies, place="asked", session=bytes(16), due_at=5.0)
        await journal.downlinks.store([lies, downlink(2, state="sent", changed_at=9.0)], [])
        assert await journal.downlinks.sensors_at(STATION) == [SENSOR]
        assert await journal.downlinks.due(4.9, 10) == []
        assert await journal.downlinks.due(5.0, 10) == [(1, SENSOR)]
        await journal.downlinks.hold(1, STATION)
        await journal.downlinks.hold(2, STATION)
        picture = await journal.downlinks.picture(queue_ids=[1, 2], limit=10)
        assert [each.place for each in picture.named.values()] == ["held", ""]
        assert [each.queue_id for each in await journal.downlinks.unacknowledged(9.0, 10)] == [2]
        assert await journal.downlinks.unacknowledged(9.1, 10) == []

    # the past

    async def test_the_past_of_a_sensor_and_of_a_station(self, journal):
        status = StationStatus(at=2.0, base_station_eui=STATION, code=0)
        await journal.tables.put([RECORDS[0]])
        await journal.events.append([uplink(1), online(), status, uplink(2)])
        uplinks = await journal.history.uplinks_of_sensor(SENSOR, before=None, limit=10)
        assert [seq for seq, _ in uplinks] == [4, 1]
        assert [seq for seq, _ in await journal.history.uplinks_of_sensor(SENSOR, before=4, limit=10)] == [1]
        receptions = await journal.history.receptions_of_sensor(SENSOR, before=None, limit=10)
        assert receptions == [(seq, event.receptions[0]) for seq, event in uplinks]
        assert await journal.history.receptions_of_sensor(SENSOR, before=4, limit=0) == []
        found = await journal.history.events_of_station(STATION, before=None, limit=10)
        assert [seq for seq, _ in found] == [3, 2]
        changed = SensorStatus(at=3.0, end_point_eui=SENSOR, action="attached", base_station_eui=STATION)
        await journal.events.append([changed])
        found = await journal.history.events_of_sensor(SENSOR, before=None, limit=10)
        assert found == [(5, changed)]
        assert await journal.history.events_of_sensor(SENSOR, before=5, limit=10) == []
        assert await journal.history.event(2) == online()
        assert await journal.history.event(99) is None
        found, following = await journal.history.look_back(before=None, limit=10, kinds=("uplink",))
        assert ([seq for seq, _ in found], following) == ([4, 1], 0)
        assert (await journal.load()).statuses == {STATION: status}

    async def test_the_past_of_a_device_that_is_no_sensor(self, journal):
        sent = [
            Telegram(at=1.0, id=f"t{n}", device=device, gateway="g", source="s", payload=b"")
            for n, device in enumerate(("f2:00/J1/3", "ble:00", "f2:00/J1/3"))
        ]
        meter = VariableMacUplink(
            at=1.0, base_station_eui=STATION, mac_type=1, payload=b"", trx_time=0, system_time=0,
            frequency=0.0, snr=0.0, rssi=0.0, device="wmbus:KAM-12345678",
        )  # fmt: skip
        await journal.events.append([*sent, meter])
        assert await journal.history.telegrams_of_device("wmbus:KAM-12345678", before=None, limit=1) == [
            (4, meter)
        ]
        found = await journal.history.telegrams_of_device("f2:00/J1/3", before=None, limit=10)
        assert found == [(3, sent[2]), (1, sent[0])]
        assert await journal.history.telegrams_of_device("f2:00/J1/3", before=3, limit=1) == [(1, sent[0])]

    async def test_late_copies_are_found_by_their_uplink(self, journal):
        await journal.events.append([uplink(1)])
        late = reception(1, station=OTHER_STATION)
        await journal.events.append_late_copies([(1, late)])
        assert await journal.history.late_copies(1) == [late]

    async def test_the_audit_log_is_read_newest_first(self, journal):
        for number in range(3):
            await journal.audit.append(
                AuditEntry(at=1.0, who="ann", address="::1", action=f"sensor.{number}")
            )
        entries = await journal.audit.read(before=None, limit=2, who="ann", action="sensor.")
        assert [entry.action for entry in entries] == ["sensor.2", "sensor.1"]
        entries = await journal.audit.read(before=entries[-1].seq, limit=2)
        assert [entry.action for entry in entries] == ["sensor.0"]

    async def test_samples_are_summed_up_by_steps_of_time(self, journal):
        for at in (0.0, 1.0, 11.0):
            await journal.samples.store(at, {"rate": at}, forget_before=-1.0)
        assert await journal.samples.read("rate", since=0.0, step=10.0) == [
            (0.0, 0.5, 0.0, 1.0),
            (10.0, 11.0, 11.0, 11.0),
        ]

    # the whole

    async def test_usage_counts_what_some_sink_has_yet_to_take(self, journal):
        await journal.events.append([uplink(n) for n in range(500)])
        journal.cursors.follow({"slow": 0, "fast": 500})
        assert journal.usage().undelivered > 0
        await journal.cursors.move("slow", 500)
        usage = journal.usage()
        assert (usage.undelivered, usage.share, usage.unreadable) == (0, 0.0, 0)
        assert 0 < usage.size <= usage.max_size

    async def test_what_was_written_is_counted(self, journal):
        await journal.events.append([online()])
        counted = journal.statistics
        assert (counted.commits, counted.failed_commits, counted.failed_in_row) == (1, 0, 0)
        assert counted.rows >= 1

    async def test_closing_twice_is_closing_once(self, journal):
        stored = journal.events.append([online()])
        await defer.gatherResults([journal.close(), journal.close()])
        assert await stored == 1

    async def test_many_sensors_in_one_change(self, journal):
        sensors = [EUI(f"{n:016X}") for n in range(3000)]
        paths = {eui: PathRecord(end_point_eui=eui, body=b"x") for eui in sensors}
        await journal.tables.apply(PathRecord, paths)
        assert len((await journal.load()).paths) == 3000
