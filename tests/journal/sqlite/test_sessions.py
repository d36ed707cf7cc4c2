"""Sessions, open operations and registrations, over a restart."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

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


def close(journal, op_ids) -> Deferred[int]:
    return journal.events.append([], beside=[journal.sessions.closing(STATION, op_ids)])


async def only_session(journal) -> StoredSession:
    (stored,) = (await journal.load()).sessions.values()
    return stored


async def test_a_session_comes_back_with_its_open_operations_in_the_order_of_issue(open_journal):
    journal = open_journal()
    await journal.sessions.begin(session(last_bs_op_id=4, open_operations=[(-1, b"one")]))
    await journal.sessions.open_operations(STATION, -3, [(-2, b"two"), (-3, b"three")])
    await close(journal, [-2])
    await journal.sessions.advance(STATION, 9)
    await journal.sessions.begin(session(OTHER_STATION))
    await journal.close()

    expected = session(last_bs_op_id=9, last_sc_op_id=-3, open_operations=[(-1, b"one"), (-3, b"three")])
    assert (await open_journal().load()).sessions == {
        STATION: expected,
        OTHER_STATION: session(OTHER_STATION),
    }


async def test_operations_of_one_commit_end_as_their_last_word_says(journal):
    await journal.sessions.begin(session(open_operations=[(-1, b"one")]))
    with HeldWriter(journal):
        close(journal, [-1])
        journal.sessions.open_operations(STATION, -700, [(-n, b"m") for n in range(2, 701)])
        closed = close(journal, range(-699, -1))
    await closed
    stored = await only_session(journal)
    assert (stored.last_sc_op_id, stored.open_operations) == (-700, [(-700, b"m")])


async def test_operation_ids_only_move_on(journal):
    await journal.sessions.begin(session(last_bs_op_id=10, last_sc_op_id=-10))
    await journal.sessions.advance(STATION, 5)
    await journal.sessions.open_operations(STATION, -5, [])
    assert ((await only_session(journal)).last_bs_op_id, (await only_session(journal)).last_sc_op_id) == (
        10,
        -10,
    )
    with HeldWriter(journal):
        journal.sessions.advance(STATION, 12)
        moved = journal.inbox.append([reception()], journal.sessions.mark(STATION, 11))
    await moved
    assert (await only_session(journal)).last_bs_op_id == 12


async def test_receptions_move_the_session_in_their_own_commit(journal):
    await journal.sessions.begin(session())
    commits = journal.statistics.commits
    await journal.inbox.append([reception()], journal.sessions.mark(STATION, 77))
    assert journal.statistics.commits == commits + 1
    assert (await only_session(journal)).last_bs_op_id == 77


async def test_an_unknown_session_is_not_made_by_moving_it(journal):
    await journal.inbox.append([reception()], journal.sessions.mark(STATION, 7))
    await journal.sessions.advance(STATION, 8)
    assert (await journal.load()).sessions == {}


async def test_a_new_session_drops_everything_of_the_old_one_and_nothing_else(journal):
    for station in (STATION, OTHER_STATION):
        await journal.sessions.begin(session(station, open_operations=[(-1, b"old")]))
        await journal.sessions.store_registrations(station, [registration()])
    new = session(sn_sc_uuid=bytes(16), created_at=2.0)
    with HeldWriter(journal):
        journal.inbox.append([reception()], journal.sessions.mark(STATION, 500))
        journal.sessions.open_operations(STATION, -400, [(-400, b"late")])
        journal.sessions.store_registrations(STATION, [registration(SECOND_SENSOR)])
        stored = journal.sessions.begin(new)
        journal.inbox.append([reception()], journal.sessions.mark(STATION, 1))
        journal.sessions.open_operations(STATION, -1, [(-1, b"new")])
    await stored
    expected = session(
        sn_sc_uuid=bytes(16),
        created_at=2.0,
        last_bs_op_id=1,
        last_sc_op_id=-1,
        open_operations=[(-1, b"new")],
    )
    assert (await journal.load()).sessions == {
        STATION: expected,
        OTHER_STATION: session(OTHER_STATION, open_operations=[(-1, b"old")]),
    }
    assert await journal.sessions.registrations_at(STATION) == []
    assert await journal.sessions.registrations_at(OTHER_STATION) == [registration()]


async def test_registrations_are_replaced_and_kept_apart_by_station(journal):
    refused = registration(SECOND_SENSOR, "refused", code=22, message="no")
    with HeldWriter(journal):
        journal.sessions.store_registrations(STATION, [registration(state="told"), refused])
        journal.sessions.store_registrations(STATION, [registration(state="attached")])
        journal.sessions.store_registrations(OTHER_STATION, [registration(state="told")])
        loaded = journal.sessions.registrations_at(STATION)
        journal.sessions.store_registrations(STATION, [registration(state="again")])
    assert await loaded in ([registration(state="attached"), refused], [registration(state="again"), refused])
    assert await journal.sessions.registrations_at(STATION) == [registration(state="again"), refused]
    assert await journal.sessions.registrations_at(OTHER_STATION) == [registration(state="told")]


async def test_ten_thousand_registrations_go_in(journal):
    sensors = [EUI(f"{n:016X}") for n in range(10_000)]
    await journal.sessions.store_registrations(STATION, [registration(sensor) for sensor in sensors])
    loaded = await journal.sessions.registrations_at(STATION)
    assert [r.end_point_eui for r in loaded] == sensors


async def test_a_session_that_is_ended_leaves_nothing_and_others_alone(journal):
    for station in (STATION, OTHER_STATION):
        await journal.sessions.begin(session(station, open_operations=[(-1, b"one")]))
    await journal.sessions.end(STATION)
    await journal.sessions.advance(STATION, 9)
    stored = await only_session(journal)
    assert (stored.base_station_eui, stored.open_operations) == (OTHER_STATION, [(-1, b"one")])


@pytest.mark.parametrize(
    "damage", ["version = '1.x.0'", "version = '9.0.0'", "last_bs_op_id = -1", "last_sc_op_id = 1 << 62"]
)
async def test_a_session_with_which_no_station_could_go_on_is_passed_over(open_journal, damage):
    journal = open_journal()
    await journal.sessions.begin(session())
    await journal.sessions.begin(session(OTHER_STATION))
    where = f"WHERE base_station_eui = '{STATION}'"
    await journal.core.change(lambda cursor: cursor.execute(f"UPDATE session SET {damage} {where}"))
    assert list((await journal.load()).sessions) == [OTHER_STATION]
    assert journal.usage().unreadable == 1
