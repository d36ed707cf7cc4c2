"""One uplink, once: windows, late copies, new uplinks under an old counter, faults, crashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from bssci.center.uplinks.deduplication import Deduplication
from bssci.journal import StorageError
from bssci.model import EUI, Reception, Subpackets, Uplink
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal
from tests.support.journal import OTHER_STATION, SENSOR, STATION, reception

THIRD_STATION = EUI("70B3D59CD0000003")
OTHER_SENSOR = EUI("FCA84A0300005678")
EPOCH = 1_700_000_000.0
RX_TIME = 1_700_000_000_000_000_000
SECOND = 10**9
MINUTES = 60.0
HOURS = 3600.0


class Receiver:
    """Receptions on their way through the inbox, deduplication and the journal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.known: set[EUI] = {SENSOR}
        self.told: list[tuple[int, str]] = []
        self.counters: dict[EUI, int] = {}
        self.delay = 2.0
        self.began = 0.0
        self.open()

    def open(self) -> None:
        self.journal = InlineJournal(self.directory)
        self.counters = {
            eui: activity.packet_counter for eui, activity in self.journal.kept().activities.items()
        }
        self.deduplication = Deduplication(
            self.clock,
            self.journal.events,
            delay=self.delay,
            sensors=self.known,
            counters=self.counters,
            now=self.now,
            began=lambda eui: self.began if eui == SENSOR else 0.0,
            published=self._published,
        )

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def attach(self) -> None:
        """The sensor attaches itself over the air."""
        self.began = self.now()
        self.deduplication.restart(SENSOR)

    def _published(self, uplinks: list[Uplink], first_seq: int) -> None:
        self.told += [(seq, uplink.id) for seq, uplink in enumerate(uplinks, first_seq)]

    def hear(
        self,
        counter: int = 1,
        station: EUI = STATION,
        *,
        snr: float = 5.0,
        sensor: EUI = SENSOR,
        payload: bytes = b"\1",
        rx_time: int | None = None,
        subpackets: Subpackets | None = None,
    ) -> Reception:
        """A copy, acknowledged to its station."""
        heard = msgspec.structs.replace(
            reception(counter, sensor, station, payload),
            snr=snr,
            rx_time=RX_TIME + int(self.clock.seconds() * SECOND) if rx_time is None else rx_time,
            received_at=self.now(),
            subpackets=subpackets,
        )
        stored = self.journal.inbox.append([heard])
        self.journal.commit()
        self.deduplication.add([heard], result_of(stored))
        return heard

    def arrive(self, counter: int, station: EUI = STATION) -> None:
        """A copy that is on disk, while other commits take their time."""
        position = self.deduplication._last_position + 1
        heard = msgspec.structs.replace(
            reception(counter, SENSOR, station, b"\1"), received_at=self.now(), rx_time=RX_TIME
        )
        self.deduplication.add([heard], position)

    def advance(self, seconds: float) -> None:
        self.journal.commit()
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end - 1e-9:
            pending = [call.getTime() for call in self.clock.getDelayedCalls()]
            self.clock.advance(max(0.0, min([end, *pending]) - self.clock.seconds()))
            self.journal.commit()

    def crash(self) -> None:
        self.journal.cut()
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()
        self.open()
        self.deduplication.recover(self.journal.kept().receptions)
        self.journal.commit()

    def uplinks(self) -> list[Uplink]:
        reading = self.journal.events.read(0, 1000)
        self.journal.commit()
        return [event for _, event in result_of(reading) if isinstance(event, Uplink)]

    def late_copies(self) -> int:
        counted = self.journal.core.read(
            lambda cursor: cursor.execute("SELECT count(*) FROM late_copy").fetchone()[0]
        )
        self.journal.commit()
        return result_of(counted)

    def figures(self) -> tuple[int, int, int]:
        statistics = self.deduplication.statistics
        return (
            statistics.total_messages,
            statistics.duplicate_messages,
            statistics.published_messages,
        )


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path / "data")
    yield receiver
    receiver.journal.cut()


def test_copies_within_the_delay_are_one_uplink_and_the_best_leads(receiver: Receiver) -> None:
    receiver.hear(station=STATION, snr=3.0)
    receiver.advance(0.05)
    receiver.hear(station=OTHER_STATION, snr=9.0)
    receiver.advance(0.05)
    receiver.hear(station=THIRD_STATION, snr=6.0)
    receiver.advance(2)
    [uplink] = receiver.uplinks()
    assert [copy.base_station_eui for copy in uplink.receptions] == [OTHER_STATION, THIRD_STATION, STATION]
    assert uplink.duplicates == 2
    assert receiver.figures() == (3, 2, 1)
    assert receiver.deduplication.statistics.duplication_rate == pytest.approx(2 / 3)
    assert receiver.told == [(1, uplink.id)]
    assert receiver.deduplication.open_windows == 0


def test_a_better_copy_does_not_extend_the_wait(receiver: Receiver) -> None:
    receiver.hear(snr=3.0)
    receiver.advance(1.9)
    assert receiver.uplinks() == []
    receiver.hear(station=OTHER_STATION, snr=9.0)
    receiver.advance(0.15)
    assert len(receiver.uplinks()) == 1


def test_another_payload_under_the_same_counter_is_another_uplink(receiver: Receiver) -> None:
    receiver.hear(payload=b"\1")
    receiver.hear(payload=b"\2")
    receiver.advance(3)
    assert sorted(uplink.payload for uplink in receiver.uplinks()) == [b"\1", b"\2"]
    receiver.hear(payload=b"\3")
    receiver.advance(3)
    assert len({uplink.id for uplink in receiver.uplinks()}) == 3


def test_the_same_counter_of_another_sensor_is_another_uplink(receiver: Receiver) -> None:
    receiver.hear(sensor=SENSOR)
    receiver.hear(sensor=OTHER_SENSOR)
    receiver.advance(3)
    assert {uplink.end_point_eui: uplink.known for uplink in receiver.uplinks()} == {
        SENSOR: True,
        OTHER_SENSOR: False,
    }


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("after", "rx_seconds", "published"),
    [
        (3.0, 3.0, 1),
        (14 * MINUTES, 14 * MINUTES, 1),
        (14 * MINUTES, 365 * 24 * HOURS, 1),
        (16 * MINUTES, 16 * MINUTES, 2),
        (16 * MINUTES, 299.0, 1),
        (5 * HOURS, -299.0, 1),
        (5 * HOURS, 301.0, 2),
    ],
)
def test_a_late_copy_is_recorded_and_not_published(
    receiver: Receiver, restart: bool, after: float, rx_seconds: float, published: int
) -> None:
    receiver.hear()
    receiver.advance(after)
    if restart:
        receiver.crash()
    receiver.hear(station=OTHER_STATION, rx_time=RX_TIME + int(rx_seconds * SECOND))
    receiver.advance(3)
    assert len(receiver.uplinks()) == published
    assert len({uplink.id for uplink in receiver.uplinks()}) == published
    assert receiver.late_copies() == 2 - published


def test_a_cut_off_station_resends_hours_later(receiver: Receiver) -> None:
    for counter in range(1, 6):
        receiver.hear(counter)
        receiver.advance(60)
    receiver.advance(6 * HOURS)
    for counter in range(1, 6):
        receiver.hear(counter, OTHER_STATION, rx_time=RX_TIME + (counter - 1) * 60 * SECOND)
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 3, 4, 5]
    assert receiver.late_copies() == 5
    assert receiver.figures() == (10, 5, 5)


def test_a_counter_that_begins_again_gives_new_uplinks(receiver: Receiver) -> None:
    for counter in (1, 2, 1000):
        receiver.hear(counter)
        receiver.advance(3)
    receiver.advance(1 * HOURS)
    for counter in (1, 2, 3):
        receiver.hear(counter)
        receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 1000, 1, 2, 3]


def test_copies_of_a_suspect_are_merged_while_the_journal_is_asked(receiver: Receiver) -> None:
    receiver.hear(10)
    receiver.advance(3)
    receiver.hear(5, snr=1.0)
    receiver.hear(5, OTHER_STATION, snr=2.0)
    receiver.advance(3)
    assert [(uplink.packet_counter, uplink.duplicates) for uplink in receiver.uplinks()] == [(10, 0), (5, 1)]


def test_a_suspect_waits_no_longer_than_others(receiver: Receiver) -> None:
    receiver.hear(10)
    receiver.advance(3)
    receiver.hear(5)
    receiver.hear(11)
    receiver.advance(2.1)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [10, 5, 11]


def test_the_same_station_saying_the_same_again_counts_nowhere(receiver: Receiver) -> None:
    first = receiver.hear(1)
    receiver.hear(1, rx_time=first.rx_time)
    receiver.advance(3)
    receiver.hear(1, rx_time=first.rx_time)
    receiver.advance(3)
    [uplink] = receiver.uplinks()
    assert uplink.duplicates == 0
    assert receiver.late_copies() == 0
    assert receiver.figures() == (1, 0, 1)


def test_a_station_appears_once_with_its_best_copy(receiver: Receiver) -> None:
    receiver.hear(snr=1.0, rx_time=RX_TIME)
    receiver.hear(snr=4.0, rx_time=RX_TIME + 5)
    receiver.advance(3)
    [uplink] = receiver.uplinks()
    assert [copy.snr for copy in uplink.receptions] == [4.0]
    assert uplink.duplicates == 1


def test_uplinks_of_a_sensor_keep_their_order(receiver: Receiver) -> None:
    for counter in range(1, 50):
        receiver.hear(counter)
        receiver.advance(0.01)
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == list(range(1, 50))


def test_what_the_journal_refuses_is_stored_later_in_order(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.hear(2)
    receiver.advance(1)
    receiver.hear(3)
    receiver.journal.broken = True
    receiver.advance(5)
    assert receiver.told == []
    receiver.journal.broken = False
    receiver.hear(4)
    receiver.advance(5)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 3, 4]
    assert [uplink.id for uplink in receiver.uplinks()] == [told for _, told in receiver.told]
    assert receiver.figures() == (4, 0, 4)


def test_a_fault_at_the_end_of_a_window_loses_nothing_that_was_acknowledged(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    monkeypatch.setattr(receiver.deduplication, "_now", lambda: 1 / 0)
    receiver.hear(1)
    receiver.advance(2.5)
    for _ in range(10):  # each is a reason to look at the windows
        receiver.hear(2)
        receiver.advance(0.01)
    assert [failure.type for failure in expected_errors] == [ZeroDivisionError]
    expected_errors.clear()
    monkeypatch.undo()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2]


def test_a_fault_while_uplinks_are_given_to_the_journal_is_a_failure_to_store_them(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(receiver.journal.events, "append", append)
    receiver.hear(1)
    receiver.advance(3)
    monkeypatch.undo()
    receiver.hear(2)
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2]


def test_a_copy_of_what_is_not_stored_yet_is_no_new_uplink(receiver: Receiver) -> None:
    """The journal must not be asked before it was given what it is asked for, nor believed if that failed."""
    receiver.hear(1)
    receiver.advance(1.99)
    receiver.clock.advance(0.02)  # the window ends; its uplink is on its way
    writer, queue = receiver.journal.queues[0]
    late = msgspec.structs.replace(
        reception(1, payload=b"\1"),
        base_station_eui=OTHER_STATION,
        received_at=receiver.now(),
        rx_time=RX_TIME,
    )
    receiver.deduplication.add([late], 2)
    [_, question] = queue
    del queue[1]
    receiver.journal.broken = True
    receiver.journal.commit()
    receiver.journal.broken = False
    receiver.clock.advance(1.1)  # it is stored once more, before the answer to the question comes
    assert len(queue) == 1
    writer.serve([question])
    receiver.advance(5)
    assert len(receiver.uplinks()) == 1
    assert receiver.late_copies() == 1


def test_open_windows_survive_a_crash_once(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.advance(3)
    receiver.hear(2)
    receiver.hear(2, OTHER_STATION)
    receiver.hear(3)
    receiver.advance(1)
    receiver.crash()
    receiver.hear(3, OTHER_STATION)
    receiver.hear(4)
    receiver.advance(3)
    assert [(uplink.packet_counter, uplink.duplicates) for uplink in receiver.uplinks()] == [
        (1, 0),
        (2, 1),
        (3, 1),
        (4, 0),
    ]
    assert receiver.late_copies() == 0


def test_a_crash_between_the_store_and_its_news_doubles_nothing(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.hear(2)
    receiver.advance(1)
    receiver.hear(3)
    receiver.advance(1.1)
    assert len(receiver.uplinks()) == 2
    receiver.crash()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 3]
    receiver.crash()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 3]


def test_the_inbox_is_forgotten_when_all_of_it_is_published(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.advance(1)
    receiver.hear(2)
    receiver.advance(1.5)
    assert [copies[0].packet_counter for _, copies in receiver.journal.kept().receptions] == [2]
    receiver.advance(3)
    assert receiver.journal.kept().receptions == ()


def test_a_shorter_delay_does_not_make_the_inbox_forget_older_windows(receiver: Receiver) -> None:
    receiver.hear(100)
    receiver.advance(3)
    receiver.deduplication.configure(10.0)
    receiver.hear(101)
    receiver.deduplication.configure(0.5)
    receiver.hear(50)
    receiver.advance(0.3)
    receiver.hear(51)
    receiver.advance(0.3)
    receiver.crash()
    receiver.advance(11)
    assert sorted(uplink.packet_counter for uplink in receiver.uplinks()) == [50, 51, 100, 101]


def test_a_copy_of_what_waits_to_be_stored_is_no_new_uplink(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.advance(0.5)
    receiver.hear(2)
    receiver.advance(1.4)
    receiver.clock.advance(0.2)  # 1 is being stored
    receiver.clock.advance(0.5)  # 2 waits for that
    receiver.arrive(2, OTHER_STATION)
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2]
    assert receiver.late_copies() == 1


def test_what_failed_comes_before_what_waited(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.advance(0.5)
    receiver.hear(2)
    receiver.advance(1.4)
    receiver.clock.advance(0.2)
    receiver.clock.advance(0.5)
    receiver.journal.broken = True
    receiver.journal.commit()
    receiver.journal.broken = False
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2]


def test_a_window_that_opens_late_ends_in_time(receiver: Receiver) -> None:
    receiver.hear(10)
    receiver.advance(3)
    receiver.arrive(5)
    receiver.clock.advance(1.0)
    receiver.arrive(11)
    receiver.advance(1.05)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [10, 5]


def test_a_stop_publishes_open_windows_and_leaves_no_timer(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.deduplication.flush()
    receiver.journal.commit()
    assert len(receiver.uplinks()) == 1
    assert receiver.clock.getDelayedCalls() == []


def test_a_stop_waits_until_all_is_stored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.uplinks.deduplication.STORED_AT_ONCE", 1)
    for counter in (1, 2, 3):
        receiver.hear(counter)
    stored: list[int] = []
    receiver.deduplication.flush().addCallback(lambda _: stored.append(len(receiver.told)))
    receiver.journal.commit()
    assert stored == [3]


def test_a_stop_does_not_wait_for_a_disk_that_fails(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.hear(1)
    monkeypatch.setattr(receiver.journal.events, "append", lambda *_, **__: fail(StorageError("full")))
    assert receiver.deduplication.flush().called
    assert receiver.clock.getDelayedCalls() == []


def test_no_delay_at_all(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "other")
    receiver.deduplication.configure(0.0)
    receiver.hear(1)
    receiver.advance(0.05)
    receiver.hear(1, OTHER_STATION)
    receiver.advance(0.05)
    assert len(receiver.uplinks()) == 1
    assert receiver.late_copies() == 1
    receiver.journal.cut()


def test_windows_that_end_together_are_stored_together(receiver: Receiver) -> None:
    for counter in range(1, 101):
        receiver.hear(counter)
    commits = receiver.journal.statistics.commits
    receiver.advance(3)
    assert receiver.journal.statistics.commits - commits == 1
    assert len(receiver.uplinks()) == 100


def test_many_bytes_that_end_together_are_stored_by_several_commits(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.uplinks.deduplication.STORED_AT_ONCE", 5000)
    many = Subpackets(snr=[1.0] * 100, rssi=[1.0] * 100, frequency=[1.0] * 100)
    for counter in range(1, 6):
        receiver.hear(counter, subpackets=many)
    commits = receiver.journal.statistics.commits
    receiver.advance(3)
    assert receiver.journal.statistics.commits - commits == 3
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2, 3, 4, 5]


def test_a_crash_between_two_commits_loses_nothing_that_ended_with_the_first(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.uplinks.deduplication.STORED_AT_ONCE", 1)
    for counter in (1, 2):
        receiver.hear(counter)
    receiver.clock.advance(2.5)
    monkeypatch.setattr(receiver.journal.events, "append", lambda *_, **__: fail(StorageError("full")))
    receiver.journal.commit()
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1]
    receiver.crash()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1, 2]


# a sensor that counts anew


@pytest.mark.parametrize("seconds", [0.1, 10.0], ids=["in its window", "published"])
def test_the_same_uplink_after_an_attach_is_a_new_one(receiver: Receiver, seconds: float) -> None:
    receiver.hear(5)
    receiver.advance(seconds)
    receiver.attach()
    receiver.advance(0.1)
    receiver.hear(5)
    receiver.advance(3)
    first, second = receiver.uplinks()
    assert (first.packet_counter, second.packet_counter) == (5, 5)
    assert first.id != second.id and first.duplicates == second.duplicates == 0
    assert receiver.figures() == (2, 0, 2)


def test_a_copy_after_an_attach_of_a_suspect_that_is_being_looked_up_opens_no_second_window(
    receiver: Receiver,
) -> None:
    receiver.hear(6)
    receiver.advance(10)
    receiver.arrive(5)
    receiver.attach()
    receiver.arrive(5, OTHER_STATION)
    receiver.advance(3)
    assert [(each.packet_counter, each.duplicates) for each in receiver.uplinks()] == [(6, 0), (5, 1)]
    receiver.hear(7)
    receiver.advance(3)
    assert len(receiver.uplinks()) == 3


def test_copies_after_an_attach_are_merged_and_late_ones_recorded_as_ever(receiver: Receiver) -> None:
    receiver.hear(5)
    receiver.advance(10)
    receiver.attach()
    receiver.advance(1)
    receiver.hear(5)
    receiver.hear(5, station=OTHER_STATION)
    receiver.advance(10)
    receiver.hear(5, station=THIRD_STATION)
    receiver.advance(3)
    assert [uplink.duplicates for uplink in receiver.uplinks()] == [0, 1]


@pytest.mark.parametrize("seconds", [1.0, 10.0], ids=["in its window", "published"])
def test_a_copy_from_before_an_attach_is_known_by_the_time_at_which_it_was_received(
    receiver: Receiver, seconds: float
) -> None:
    first = receiver.hear(5)
    receiver.advance(seconds)
    receiver.attach()
    receiver.hear(5, station=OTHER_STATION, rx_time=first.rx_time + SECOND // 4)
    receiver.advance(3)
    assert (len(receiver.uplinks()), receiver.late_copies()) == (1, 1)
    assert receiver.figures() == (2, 1, 1)


def test_a_copy_from_before_an_attach_takes_no_uplink_along_that_comes_with_it(receiver: Receiver) -> None:
    receiver.hear(5)
    receiver.advance(10)
    receiver.attach()
    receiver.advance(1)
    receiver.arrive(5, OTHER_STATION)
    receiver.hear(5)
    receiver.advance(3)
    assert [uplink.duplicates for uplink in receiver.uplinks()] == [0, 0]
    assert receiver.late_copies() == 1
    assert receiver.figures() == (3, 1, 2)


def test_an_attach_is_remembered_over_a_crash(receiver: Receiver) -> None:
    receiver.hear(5)
    receiver.advance(10)
    receiver.attach()
    receiver.crash()
    receiver.hear(5)
    receiver.advance(3)
    assert len(receiver.uplinks()) == 2


def test_a_crash_after_an_attach_mixes_no_uplinks_from_before_and_after_it(receiver: Receiver) -> None:
    receiver.hear(1, sensor=OTHER_SENSOR)  # its window keeps what follows in the inbox
    receiver.advance(0.1)
    receiver.hear(5)
    receiver.advance(0.1)
    receiver.attach()
    receiver.advance(1.5)
    receiver.hear(5)
    receiver.crash()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [5, 1, 5]


def test_an_attach_of_one_sensor_leaves_the_others_alone(receiver: Receiver) -> None:
    receiver.hear(5, sensor=OTHER_SENSOR)
    receiver.advance(10)
    receiver.attach()
    receiver.hear(5, sensor=OTHER_SENSOR, station=OTHER_STATION)
    receiver.advance(3)
    assert len(receiver.uplinks()) == 1


def test_an_attach_leaves_no_timer_of_the_windows_that_it_closed(receiver: Receiver) -> None:
    receiver.hear(1)
    receiver.attach()
    receiver.advance(3)
    assert [uplink.packet_counter for uplink in receiver.uplinks()] == [1]
    assert receiver.clock.getDelayedCalls() == []
