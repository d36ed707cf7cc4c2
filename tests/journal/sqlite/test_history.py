"""Questions about what happened, by its indexes."""

from __future__ import annotations

from bssci.journal.sqlite import history
from bssci.model import EUI
from tests.support.journal import SENSOR, HeldWriter, online, uplink
from tests.support.telegrams import telegram


async def test_uplinks_are_found_by_sensor_and_counter_even_before_their_commit(journal):
    other = EUI("FCA84A0300005678")
    with HeldWriter(journal):
        journal.events.append([uplink(1), online(), uplink(2), uplink(1, other)])
        found = journal.events.find_uplinks([(SENSOR, 2), (other, 1), (other, 2), (SENSOR, 2)])
        journal.events.append([uplink(2, other)])
    assert await found == [(3, uplink(2)), (4, uplink(1, other))]
    many = [(SENSOR, counter) for counter in range(3000)]
    assert [seq for seq, _ in await journal.events.find_uplinks(many)] == [1, 3]
    assert await journal.events.find_uplinks([]) == []


async def test_looking_for_uplinks_uses_the_index(journal):
    statements = []
    await journal.events.append([uplink(1)])
    await journal.core.change(lambda cursor: cursor.connection.set_trace_callback(statements.append))
    await journal.events.find_uplinks([(SENSOR, counter) for counter in range(512 + 1)])
    queries = [statement for statement in statements if "wanted" in statement]
    assert len(queries) == 2
    for query in queries:
        plan = await journal.core.read(
            lambda cursor, q=query: cursor.execute(f"EXPLAIN QUERY PLAN {q}").fetchall()
        )
        assert any("uplink_key_counter (end_point_eui=? AND packet_counter=?)" in step[3] for step in plan)


async def test_a_page_of_large_events_ends_early_and_the_next_goes_on(journal, monkeypatch):
    monkeypatch.setattr(history, "READ_BYTES", 2000)
    await journal.events.append([telegram(number, payload=bytes(800)) for number in range(5)])
    pages, before = [], None
    while before != 0:
        found, before = await journal.history.look_back(before=before, limit=3)
        pages.append([seq for seq, _ in found])
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [seq for page in pages for seq in page] == [5, 4, 3, 2, 1]
    monkeypatch.setattr(history, "READ_BYTES", 1)
    found, before = await journal.history.look_back(before=None, limit=3)
    assert ([seq for seq, _ in found], before) == ([5], 5)
