"""bssci.journal.published_states: the last state of each thing is published, in the end."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger

from bssci.journal import PublishedStates, StorageError, StorageLines
from bssci.model import EUI, StationState

ONE, TWO = EUI("0" * 15 + "1"), EUI("0" * 15 + "2")


class Disk:
    """Events that are on their way to the disk, and the states that they are about."""

    def __init__(self) -> None:
        self.present = {eui: StationState(at=1.0, base_station_eui=eui, state="online") for eui in (ONE, TWO)}
        self.waiting: list[tuple[list[Any], Deferred[int]]] = []
        lines = StorageLines(Logger(), Clock().seconds)
        self.states = PublishedStates(self, self.present.get, lines)  # type: ignore[arg-type]

    def append(self, events: list[Any]) -> Deferred[int]:
        self.waiting.append((events, Deferred()))
        return self.waiting[-1][1]

    def store(self) -> list[str]:
        """Store what waits longest; return of which stations it is."""
        events, stored = self.waiting.pop(0)
        stored.callback(1)
        return [event.base_station_eui for event in events]

    def fail(self) -> None:
        self.waiting.pop(0)[1].errback(StorageError("disk full"))


def test_a_state_that_is_stored_is_published_once() -> None:
    disk = Disk()
    disk.states.publish([ONE])
    assert disk.store() == [ONE]
    disk.states.publish_left()
    assert disk.waiting == []


def test_what_the_disk_does_not_take_is_published_as_it_is_then() -> None:
    disk = Disk()
    disk.states.publish([ONE])
    disk.states.publish([TWO])
    disk.fail()
    disk.fail()
    disk.present[TWO] = StationState(at=2.0, base_station_eui=TWO, state="offline")
    for _ in range(2):
        disk.states.publish_left()
        [(events, _)] = disk.waiting
        assert sorted(events, key=lambda event: event.base_station_eui) == [*disk.present.values()]
        disk.fail()
    disk.states.publish_left()
    assert sorted(disk.store()) == [ONE, TWO]
    disk.states.publish_left()
    assert disk.waiting == []


def test_many_are_published_in_turns_once_the_disk_takes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.journal.published_states.AT_ONCE", 1)
    disk = Disk()
    disk.states.publish([ONE, TWO])
    disk.fail()
    disk.states.publish_left()
    [(events, _)] = disk.waiting
    assert len(events) == 1
    assert sorted(disk.store() + disk.store()) == [ONE, TWO]
    assert disk.waiting == []


def test_a_newer_state_that_is_stored_makes_up_for_an_older_one() -> None:
    disk = Disk()
    disk.states.publish([ONE])
    disk.states.publish([ONE])
    disk.fail()
    assert disk.store() == [ONE]
    disk.states.publish_left()
    assert disk.waiting == []


def test_of_what_is_gone_nothing_is_published() -> None:
    disk = Disk()
    disk.states.publish([ONE])
    disk.fail()
    del disk.present[ONE]
    disk.states.publish_left()
    assert disk.waiting == []
