"""The preferred way to a sensor: smoothed, steady, bounded, kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from bssci.center.uplinks.paths import MAX_STATIONS, MISSES, Paths
from bssci.center.write_behind import INTERVAL
from bssci.model import EUI, Reception, Uplink
from tests.support.center import result_of
from tests.support.inline_journal import InlineJournal

SENSOR = EUI("70B3D56770110001")
A, B = EUI("CAFE000000000001"), EUI("CAFE000000000002")


class AllBut:
    """All sensors but some."""

    def __init__(self, *removed: EUI) -> None:
        self.removed = removed

    def __contains__(self, eui: object) -> bool:
        return eui not in self.removed


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.offline: set[EUI] = set()
        self.configured = AllBut()
        self.changes: list[EUI] = []
        self.open()

    def open(self) -> None:
        self.journal = InlineJournal(self.directory)
        self.paths = Paths(self.clock, self.journal, self.journal.kept(), lambda eui: eui not in self.offline)
        recovering = ensureDeferred(self.paths.recover(self.configured))
        self.journal.commit()
        result_of(recovering)
        self.paths.watch(self.changes.append)
        self.paths.start()

    def hear(self, times: int = 1, known: bool = True, sensor: EUI = SENSOR, **signals: float) -> None:
        """Publish uplinks that the stations ``A``, ``B`` ... received with these SNRs."""
        for _ in range(times):
            self.clock.advance(1)
            receptions = [
                self.reception(sensor, EUI(f"CAFE0000000000{ord(name) - 64:02X}"), snr)
                for name, snr in sorted(signals.items(), key=lambda item: -item[1])
            ]
            uplink = Uplink(at=self.clock.seconds(), id="x", known=known, receptions=receptions, duplicates=0)
            stored = self.journal.events.append([uplink])
            self.journal.commit()
            stored.addCallback(lambda seq, uplink=uplink: self.paths.heard([uplink], seq))

    def reception(self, sensor: EUI, station: EUI, snr: float) -> Reception:
        return Reception(
            end_point_eui=sensor,
            packet_counter=1,
            payload=b"",
            base_station_eui=station,
            rx_time=1,
            snr=snr,
            rssi=snr - 120,
            received_at=self.clock.seconds(),
        )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.paths.stop()
    bench.journal.close()


def test_a_sensor_that_was_never_heard_has_no_path(bench: Bench) -> None:
    assert bench.paths.preferred(SENSOR) is None
    assert bench.paths.snr(SENSOR) is None
    assert bench.paths.report(SENSOR) == []


def test_the_best_signal_is_preferred(bench: Bench) -> None:
    bench.hear(A=5, B=9)
    assert bench.paths.preferred(SENSOR) == B
    assert set(bench.changes) == {SENSOR}


def test_a_little_better_is_not_better(bench: Bench) -> None:
    bench.hear(A=10, B=9)
    bench.hear(100, A=10, B=12.5)
    assert bench.paths.preferred(SENSOR) == A
    bench.hear(100, A=10, B=13.5)
    assert bench.paths.preferred(SENSOR) == B


def test_one_good_uplink_does_not_turn_it(bench: Bench) -> None:
    bench.hear(10, A=10, B=5)
    bench.hear(A=10, B=20)
    assert bench.paths.preferred(SENSOR) == A


def test_a_station_that_no_longer_hears_it_is_given_up(bench: Bench) -> None:
    bench.hear(10, A=15, B=2)
    bench.hear(MISSES - 1, B=2)
    assert bench.paths.preferred(SENSOR) == A
    bench.hear(A=15, B=2)
    bench.hear(MISSES - 1, B=2)
    assert bench.paths.preferred(SENSOR) == A
    bench.hear(B=2)
    assert bench.paths.preferred(SENSOR) == B


def test_a_station_that_is_gone_falls_out_and_returns(bench: Bench) -> None:
    bench.hear(A=15, B=2)
    bench.offline = {A}
    assert bench.paths.preferred(SENSOR) == B
    assert [row["preferred"] for row in bench.paths.report(SENSOR)] == [True, False]
    assert bench.paths.snr(SENSOR) == 2
    bench.offline = {A, B}
    assert bench.paths.preferred(SENSOR) is None
    assert [row["preferred"] for row in bench.paths.report(SENSOR)] == [False, False]
    assert bench.paths.snr(SENSOR) == 15
    bench.offline = set()
    assert bench.paths.preferred(SENSOR) == A


def test_the_report_is_best_first(bench: Bench) -> None:
    bench.hear(A=10, B=4)
    bench.hear(A=6, B=4)
    bench.offline = {B}
    at = bench.clock.seconds()
    assert bench.paths.report(SENSOR) == [
        {
            "base_station_eui": A,
            "snr": 9.0,
            "rssi": -111.0,
            "last_heard_at": at,
            "preferred": True,
            "connected": True,
        },
        {
            "base_station_eui": B,
            "snr": 4.0,
            "rssi": -116.0,
            "last_heard_at": at,
            "preferred": False,
            "connected": False,
        },
    ]


def test_unknown_sensors_are_not_tracked(bench: Bench) -> None:
    bench.hear(known=False, A=10)
    assert bench.paths.preferred(SENSOR) is None


def test_the_longest_unused_path_makes_room(bench: Bench) -> None:
    names = "ABCDEFGHIJ"
    bench.hear(A=20)
    for name in names[1:]:
        bench.hear(**{"A": 20.0, name: 1.0})
    stations = bench.paths.ranked(SENSOR)
    assert len(stations) == MAX_STATIONS
    assert stations[0] == A
    assert B not in stations
    assert bench.paths.hears(EUI("CAFE00000000000A"), SENSOR)


def test_each_station_that_begins_to_hear_it_is_told_of(bench: Bench) -> None:
    bench.hear(2, A=15)
    assert bench.changes == [SENSOR]
    bench.hear(2, A=15, B=2)
    assert bench.changes == [SENSOR, SENSOR]


@pytest.mark.parametrize("is_stored", [False, True])
def test_paths_survive_a_crash_and_a_restart(bench: Bench, is_stored: bool) -> None:
    bench.hear(10, A=15, B=2)
    if is_stored:
        bench.clock.advance(INTERVAL)
        bench.journal.commit()
    bench.hear(5, A=9, B=30)
    report = bench.paths.report(SENSOR)
    assert [row["base_station_eui"] for row in report] == [B, A]
    bench.journal.cut()
    bench.open()
    assert bench.paths.report(SENSOR) == report
    bench.paths.stop()
    bench.journal.close()
    bench.open()
    assert bench.paths.report(SENSOR) == report


def test_a_crash_while_paths_are_written_counts_no_uplink_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for snr in (4, 8):
        bench.hear(A=snr)
    apply = bench.journal.tables.apply

    def apply_rows_only(kind: Any, rows: Any, *, through: int | None = None) -> Deferred[None]:
        return apply(kind, rows)

    monkeypatch.setattr(bench.journal.tables, "apply", apply_rows_only)
    bench.paths.store()
    bench.journal.commit()
    bench.journal.cut()
    bench.open()
    assert bench.paths.snr(SENSOR) == 5


def test_what_could_not_be_stored_is_stored_later(bench: Bench) -> None:
    bench.hear(A=15)
    bench.journal.broken = True
    bench.clock.advance(INTERVAL)
    bench.journal.commit()
    assert bench.journal.kept().paths == {}
    bench.journal.broken = False
    bench.clock.advance(INTERVAL)
    bench.journal.commit()
    assert list(bench.journal.kept().paths) == [SENSOR]


def test_many_sensors_are_stored_in_slices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bssci.center.uplinks.paths.STORE_SLICE", 2)
    for number in range(5):
        bench.hear(sensor=EUI(f"{number:016X}"), A=1)
    bench.clock.advance(INTERVAL)
    bench.journal.commit()
    assert len(bench.journal.kept().paths) == 5


def test_forgotten_sensors_are_forgotten_on_disk_too(bench: Bench) -> None:
    bench.hear(A=15)
    bench.paths.store()
    bench.journal.commit()
    bench.paths.forget([SENSOR])
    bench.paths.store()
    bench.journal.commit()
    assert bench.paths.preferred(SENSOR) is None
    assert bench.journal.kept().paths == {}


def test_sensors_that_were_removed_while_the_service_was_down_are_forgotten(bench: Bench) -> None:
    bench.hear(A=15)
    bench.paths.store()
    bench.journal.commit()
    bench.journal.close()
    bench.configured = AllBut(SENSOR)
    bench.open()
    assert bench.paths.preferred(SENSOR) is None
    bench.paths.store()
    bench.journal.commit()
    assert bench.journal.kept().paths == {}
