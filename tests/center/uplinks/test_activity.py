"""bssci.center.uplinks.activity: what is learned from uplinks, across crashes and attaches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from twisted.internet.task import Clock

from bssci.center.uplinks.activity import Activities, SensorActivity
from bssci.center.write_behind import INTERVAL
from bssci.model import EUI, Uplink
from tests.support.inline_journal import InlineJournal
from tests.support.journal import SENSOR, STATION, reception

OTHER = EUI("FCA84A0300005678")
AT = 1_700_000_000.0


class Learner:
    """Activities on a journal, with uplinks that both get."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open()

    def _open(self) -> None:
        self.clock = Clock()
        self.journal = InlineJournal(self._directory)
        self.activities = Activities(self.clock, self.journal, self.journal.kept())
        self.activities.start()

    def crash(self) -> None:
        self.journal.cut()
        self._open()

    def hear(self, sensor: EUI, counter: int, at: float = AT) -> None:
        heard = msgspec.structs.replace(reception(counter, sensor, STATION), received_at=at)
        uplink = Uplink(at=at, id=f"{sensor}-{counter}", known=True, receptions=[heard], duplicates=0)
        self.journal.events.append([uplink])
        self.journal.commit()
        self.activities.heard([uplink], self.journal.events.last_seq)

    def store(self) -> None:
        self.clock.advance(INTERVAL)
        self.journal.commit()

    def of(self, sensor: EUI) -> SensorActivity:
        activity = self.activities.get(sensor)
        assert activity is not None
        return activity


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Learner]:
    learner = Learner(tmp_path / "data")
    yield learner
    learner.journal.cut()


def test_the_highest_counter_and_the_last_time_survive_a_crash(learner: Learner) -> None:
    learner.hear(SENSOR, 7, AT)
    learner.hear(SENSOR, 5, AT + 1)
    learner.crash()
    heard = learner.of(SENSOR)
    assert (heard.packet_counter, heard.last_seen_at, heard.uplink_count) == (7, AT + 1, 2)


def test_nothing_is_counted_twice_after_a_crash(learner: Learner) -> None:
    learner.hear(SENSOR, 1)
    learner.store()
    for counter in (2, 3):
        learner.crash()
        learner.hear(SENSOR, counter)
        learner.store()
    learner.crash()
    assert learner.of(SENSOR).uplink_count == 3


def test_what_one_sensor_said_before_a_crash_is_not_lost_by_another_that_is_stored_after_it(
    learner: Learner,
) -> None:
    learner.hear(SENSOR, 7)
    learner.crash()
    learner.hear(OTHER, 1)
    learner.store()
    learner.crash()
    assert (learner.of(SENSOR).packet_counter, learner.of(SENSOR).uplink_count) == (7, 1)


def test_what_is_not_stored_is_tried_again(learner: Learner) -> None:
    learner.hear(SENSOR, 7)
    learner.journal.broken = True
    learner.store()
    learner.journal.broken = False
    learner.store()
    learner.crash()
    assert learner.of(SENSOR).uplink_count == 1


def test_a_sensor_that_attached_counts_anew(learner: Learner) -> None:
    learner.hear(SENSOR, 5000, AT)
    learner.activities.restart_counter(SENSOR, AT + 10)
    learner.hear(SENSOR, 5001, AT + 9)
    assert learner.of(SENSOR).packet_counter == 0
    learner.hear(SENSOR, 3, AT + 11)
    assert (learner.of(SENSOR).packet_counter, learner.of(SENSOR).uplink_count) == (3, 3)


def test_the_new_count_survives_a_crash_at_once_and_before_anything_is_heard(learner: Learner) -> None:
    learner.hear(SENSOR, 5000)
    learner.hear(OTHER, 4)
    learner.crash()
    learner.activities.restart_counter(SENSOR, AT + 10)
    learner.journal.commit()
    learner.crash()
    assert (learner.of(SENSOR).packet_counter, learner.of(SENSOR).uplink_count) == (0, 1)
    assert learner.of(OTHER).uplink_count == 1


def test_a_sensor_that_was_never_heard_has_no_count_to_restart(learner: Learner) -> None:
    learner.activities.restart_counter(SENSOR, AT)
    assert learner.activities.get(SENSOR) is None
