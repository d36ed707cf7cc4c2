from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock

from bssci.journal import StorageError
from bssci.model import EUI, parse_sensor
from bssci.web.reports.standings import (
    FRESH,
    LOWEST,
    NEVER,
    SORTED,
    ListedSensor,
    Standings,
    in_order,
    in_order_of,
)
from tests.support.center import result_of
from tests.support.web import WebHouse, sensor_entry


def listed(
    number: int,
    name: str = "",
    last_seen: float = 0.0,
    snr: float = LOWEST,
    state: str = "never seen",
    left: float = NEVER,
) -> ListedSensor:
    sensor = parse_sensor(sensor_entry(number, name=name))
    return ListedSensor(sensor, name, state, False, False, last_seen, number, snr, left)


@pytest.mark.parametrize(
    ("sort", "numbers"),
    [
        ("eui", [1, 2, 3]),
        ("-eui", [3, 2, 1]),
        ("name", [3, 1, 2]),
        ("last_seen_at", [2, 3, 1]),
        ("-snr", [1, 3, 2]),
        ("detach_at", [2, 1, 3]),
    ],
)
def test_sensors_are_put_in_order(sort: str, numbers: list[int]) -> None:
    rows = [listed(1, "b", 30.0, 9.0), listed(2, "", 10.0, left=5.0), listed(3, "a", 20.0, 5.0)]
    ordered = result_of(ensureDeferred(in_order(Clock(), rows, sort)))
    assert [each.uplinks for each in ordered] == numbers


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("count", [0, 1, 7, SORTED, 3 * SORTED + 1])
def test_slices_are_merged_in_the_order_of_sorted(count: int, is_reversed: bool) -> None:
    chance = random.Random(count)
    items = [(chance.randrange(50), number) for number in range(count)]
    clock, found = Clock(), list[Any]()
    ensureDeferred(in_order_of(clock, items, lambda item: item[0], is_reversed)).addCallback(found.append)
    clock.advance(0)
    assert found == [sorted(items, key=lambda item: item[0], reverse=is_reversed)]


@pytest.mark.parametrize(
    ("state", "status", "has"),
    [
        ("warning", "warning", True),
        ("auto-detach pending", "warning", True),
        ("active", "warning", False),
        ("active", "active", True),
    ],
)
def test_a_status_stands_for_the_states_that_it_covers(state: str, status: str, has: bool) -> None:
    assert listed(1, state=state).has(status) is has


def test_what_was_gathered_is_shown_again_for_a_while(make_web_house: Callable[..., WebHouse]) -> None:
    web = make_web_house(sensors=3)
    standings = Standings(web.admin.context)

    def all_of() -> list[ListedSensor]:
        gathering = ensureDeferred(standings.all())
        web.settle()
        return result_of(gathering)

    first = all_of()
    assert [each.sensor.eui for each in first] == sorted(
        EUI(sensor_entry(number)["eui"]) for number in (1, 2, 3)
    )
    assert all_of() is first
    web.clock.advance(FRESH)
    assert all_of() is not first
    assert standings.counts()["never seen"] == 3


def test_a_journal_that_cannot_be_read_fails_every_look_until_it_can(
    make_web_house: Callable[..., WebHouse],
) -> None:
    web = make_web_house(sensors=2)
    standings = Standings(web.admin.context)
    web.journal.broken = True
    for _ in range(2):
        looking = ensureDeferred(standings.all())
        web.settle()
        with pytest.raises(StorageError):
            result_of(looking)
    web.journal.broken = False
    looking = ensureDeferred(standings.all())
    web.settle()
    assert len(result_of(looking)) == 2
