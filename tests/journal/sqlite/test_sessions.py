"""Sessions, open operations and registrations, over a restart."""

from __future__ import annotations

from bssci.journal import Registration, StoredSession
from bssci.model import EUI
from tests.support.journal import OTHER_STATION, SENSOR, STATION, HeldWriter, reception

SECOND_SENSOR = EUI("FCA84A0300005678")


def session(station: EUI = STATION, **changes: object) -> StoredSession:
    values = {
        "base_station_eui": station,
        "sn_bs_uuid": bytes(range(16)),
        "sn_sc_uuid": bytes(range(240, 256)),
        "version": "1.0.0",
        "created_at": 1_700_000_000.5,
    }
    return StoredSession(**(values | changes))


def registration(sensor: EUI = SENSOR, state: str = "attached", **changes: object) -> Registration:
    return Registration(
        **({"end_point_eui": sensor, "fingerprint": b"f", "state": state, "at": 1.5} | changes)
    )


def only_session(journal) -> StoredSession:
    (stored,) = journal.load_sessions()
    return stored


async def test_a_session_comes_back_with_its_open_operations_in_the_order_of_issue(open_journal):
    journal = open_journal()
    await journal.store_session(session(last_bs_op_id=4, open_operations=[(-1, b"one")]))
    await journal.open_operations(STATION, -3, [(-2, b"two"), (-3, b"three")])
    await journal.close_operations(STATION, [-2])
    await journal.advance_session(STATION, 9)
    await journal.store_session(session(OTHER_STATION))
    await journal.close()

    expected = session(last_bs_op_id=9, last_sc_op_id=-3, open_operations=[(-1, b"one"), (-3, b"three")])
    assert open_journal().load_sessions() == [expected, session(OTHER_STATION)]


async def test_operations_of_one_commit_end_as_their_last_word_says(journal):
    await journal.store_session(session(open_operations=[(-1, b"one")]))
    with HeldWriter(journal):
        journal.close_operations(STATION, [-1])
        journal.open_operations(STATION, -700, [(-n, b"m") for n in range(2, 701)])
        closed = journal.close_operations(STATION, range(-699, -1))
    await closed
    stored = only_session(journal)
    assert (stored.last_sc_op_id, stored.open_operations) == (-700, [(-700, b"m")])


async def test_operation_ids_only_move_on(journal):
    await journal.store_session(session(last_bs_op_id=10, last_sc_op_id=-10))
    await journal.advance_session(STATION, 5)
    await journal.open_operations(STATION, -5, [])
    assert (only_session(journal).last_bs_op_id, only_session(journal).last_sc_op_id) == (10, -10)
    with HeldWriter(journal):
        journal.advance_session(STATION, 12)
        moved = journal.append_receptions(STATION, 11, [reception()])
    await moved
    assert only_session(journal).last_bs_op_id == 12


async def test_receptions_move_the_session_in_their_own_commit(journal):
    await journal.store_session(session())
    commits = journal.statistics.commits
    await journal.append_receptions(STATION, 77, [reception()])
    assert journal.statistics.commits == commits + 1
    assert only_session(journal).last_bs_op_id == 77


async def test_an_unknown_session_is_not_made_by_moving_it(journal):
    await journal.append_receptions(STATION, 7, [reception()])
    await journal.advance_session(STATION, 8)
    assert journal.load_sessions() == []


async def test_a_new_session_drops_everything_of_the_old_one_and_nothing_else(journal):
    for station in (STATION, OTHER_STATION):
        await journal.store_session(session(station, open_operations=[(-1, b"old")]))
        await journal.store_registrations(station, [registration()])
    new = session(sn_sc_uuid=bytes(16), created_at=2.0)
    with HeldWriter(journal):
        journal.append_receptions(STATION, 500, [reception()])
        journal.open_operations(STATION, -400, [(-400, b"late")])
        journal.store_registrations(STATION, [registration(SECOND_SENSOR)])
        stored = journal.store_session(new)
        journal.append_receptions(STATION, 1, [reception()])
        journal.open_operations(STATION, -1, [(-1, b"new")])
    await stored
    expected = session(
        sn_sc_uuid=bytes(16),
        created_at=2.0,
        last_bs_op_id=1,
        last_sc_op_id=-1,
        open_operations=[(-1, b"new")],
    )
    assert journal.load_sessions() == [expected, session(OTHER_STATION, open_operations=[(-1, b"old")])]
    assert await journal.load_registrations(STATION) == []
    assert await journal.load_registrations(OTHER_STATION) == [registration()]


async def test_registrations_are_replaced_and_kept_apart_by_station(journal):
    refused = registration(SECOND_SENSOR, "refused", code=22, message="no")
    with HeldWriter(journal):
        journal.store_registrations(STATION, [registration(state="told"), refused])
        journal.store_registrations(STATION, [registration(state="attached")])
        journal.store_registrations(OTHER_STATION, [registration(state="told")])
        loaded = journal.load_registrations(STATION)
        journal.store_registrations(STATION, [registration(state="again")])
    assert await loaded in ([registration(state="attached"), refused], [registration(state="again"), refused])
    assert await journal.load_registrations(STATION) == [registration(state="again"), refused]
    assert await journal.load_registrations(OTHER_STATION) == [registration(state="told")]


async def test_ten_thousand_registrations_go_in(journal):
    sensors = [EUI(f"{n:016X}") for n in range(10_000)]
    await journal.store_registrations(STATION, [registration(sensor) for sensor in sensors])
    loaded = await journal.load_registrations(STATION)
    assert [r.end_point_eui for r in loaded] == sensors
