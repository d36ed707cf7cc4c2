"""Devices: known ones stay, unknown ones are bounded, crowds of telephones push nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center import write_behind
from bssci.center.devices import registry
from bssci.center.devices.registry import DeviceRegistry
from bssci.journal import DeviceRecord, GatewayRecord, StorageError
from bssci.model.commands import Actor, CommandError
from tests.center.devices.gateways import Air, bring
from tests.support.center import TESTER, House, result_of
from tests.support.log_lines import log_lines
from tests.support.telegrams import telegram

__all__ = ["log_lines"]

A, B = "ble:AA:BB:CC:DD:EE:01", "ble:AA:BB:CC:DD:EE:02"


@pytest.fixture
def house(tmp_path: Path, whole_service: None) -> Iterator[House]:
    house = House(tmp_path, **{"source-changing-addresses": "3"})
    yield house
    house.close()


def devices(house: House) -> DeviceRegistry:
    return house.center.devices


def change(house: House, id: str, by: Actor = TESTER, **changes: Any) -> Any:
    return house.do(house.commands.devices.change(id, changes, by))


def test_what_is_heard_is_unknown_until_somebody_enters_it(house: House) -> None:
    air = Air(house)
    air.advertise(A[4:], envelope={"manufacturer_data": {"0x0499": "AA=="}})
    air.advertise(A[4:])
    found = devices(house).get(A)
    assert (found.known, found.count, found.said.companies) == (False, 2, ("0x0499 Ruuvi",))
    change(house, A, name="Fridge", model="RuuviTag", tags=["kitchen"])
    air.advertise(A[4:])
    found = devices(house).get(A)
    assert (found.known, found.name, found.count) == (True, "Fridge", 3)
    assert devices(house).counts() == {"known": 1, "blocked": 0, "unknown": 0, "changing": 0}


def test_a_pin_without_a_device_is_said_once_and_listed(house: House, log_lines: list[str]) -> None:
    pin = "f2:0a1b2c3d4e5f/J1/3"
    for number in range(3):
        bring(house, telegram(number, device=pin))
    assert len([line for line in log_lines if f"no device is entered at {pin}" in line]) == 1
    assert (devices(house).get(pin).known, devices(house).get(pin).count) == (False, 3)


@pytest.mark.service
def test_many_rows_are_written_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_behind, "AT_ONCE", 10)
    house = House(tmp_path)
    written: list[int] = []
    apply = house.journal.tables.apply

    def counted(kind: Any, rows: Any, **more: Any) -> Any:
        if kind in (DeviceRecord, GatewayRecord):
            written.append(len(rows))
        return apply(kind, rows, **more)

    monkeypatch.setattr(house.journal.tables, "apply", counted)
    bring(house, *(telegram(number, device=f"any:{number}", gateway=f"g{number}") for number in range(25)))
    house.advance(write_behind.INTERVAL, step=1.0)
    house.settle()
    assert sorted(written) == [5, 5, 10, 10, 10, 10]
    house.close()


def test_a_scanner_that_reports_itself_is_no_device(house: House) -> None:
    Air(house).report()
    assert len(devices(house)) == 0


def test_what_is_entered_outlives_a_crash_and_counts_a_stop(house: House) -> None:
    air = Air(house)
    air.advertise(A[4:])
    change(house, A, name="Fridge", decoder="ruuvi", parameters={"bindkey": "00"})
    air.advertise(B[4:])
    house.crash()
    assert (devices(house).get(A).name, devices(house).get(B)) == ("Fridge", None)
    Air(house).advertise(B[4:], id="other")
    house.advance(31, step=31)
    house.crash()
    assert devices(house).get(B).count == 1 and devices(house).get(A).parameters == {"bindkey": "00"}


def test_a_blocked_device_is_not_heard(house: House) -> None:
    change(house, A, blocked=True)
    Air(house).advertise(A[4:])
    assert house.center.sources.door("mqtt").figures()["blocked"] == 1
    assert devices(house).get(A).count == 0 and house.center.telegrams == 0
    change(house, A, blocked=False)
    Air(house).advertise(A[4:])
    assert devices(house).get(A).count == 1


def test_of_unknown_ones_the_longest_silent_leaves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_UNKNOWN", 3)
    air = Air(house)
    for number in (1, 2, 3, 1, 4):
        air.advertise(f"AA:BB:CC:DD:EE:0{number}")
    assert [device.id[-1] for device in devices(house)] == ["4", "1", "3"]
    house.advance(31, step=31)
    assert len(house.journal.kept().devices) == 3


def test_a_flood_of_changing_addresses_stays_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_CHANGING", 50)
    air = Air(house)
    air.advertise(A[4:])
    for number in range(1000):
        air.advertise(f"4A:00:00:00:{number // 256:02X}:{number % 256:02X}", "random")
    figures = house.center.sources.door("mqtt").figures()
    assert (figures["kept"], figures["passed_over"]) == (4, 997)
    assert devices(house).counts() == {"known": 0, "blocked": 0, "unknown": 1, "changing": 50}
    house.advance(31, step=31)
    assert list(house.journal.kept().devices) == [A]
    house.advance(3600, step=1200)
    air.advertise("4A:00:00:00:FF:FF", "random")
    assert house.center.sources.door("mqtt").figures()["kept"] == 5


def test_one_that_is_entered_is_kept_whatever_its_address(house: House) -> None:
    house.center.devices.configure(0)
    air = Air(house)
    air.advertise("4A:00:00:00:00:01", "random")
    change(house, "ble:4A:00:00:00:00:01", name="Lock")
    air.advertise("4A:00:00:00:00:01", "random")
    assert house.center.sources.door("mqtt").figures()["kept"] == 1


def test_one_can_be_entered_ahead_with_its_place(house: House) -> None:
    found = change(house, "f2:0a1b2c3d4e5f/J1/3", name="Soil")
    assert (found.parent, found.port, found.last_seen) == ("f2:0a1b2c3d4e5f", "J1/3", 0.0)


def test_forgotten_is_unknown_when_it_is_heard_again(house: House) -> None:
    change(house, A, name="Fridge")
    house.do(house.commands.devices.forget(A, TESTER))
    assert devices(house).get(A) is None and not house.journal.kept().devices
    Air(house).advertise(A[4:])
    assert not devices(house).get(A).known


def test_changes_are_in_the_audit_log_without_secrets(house: House) -> None:
    change(house, A, name="Fridge", parameters={"bindkey": "5EC2E7"})
    reading = house.journal.audit.read(before=None, limit=10)
    house.journal.commit()
    [entry] = result_of(reading)
    assert (entry.action, entry.target, entry.detail) == ("device.add", A, "name: – → Fridge; parameters")


def test_a_record_that_is_damaged_costs_itself(house: House) -> None:
    change(house, A, name="Fridge")
    house.journal.core.writer.connection.execute("UPDATE device SET body = x'c1'")
    house.crash()
    assert len(devices(house)) == 0


def begin(change: Any) -> Any:
    """Begin a change of the registry, which is in force when the journal commits."""
    return ensureDeferred(change)


def hear(house: House, *ids: str) -> None:
    """Hear devices once each, without a commit."""
    devices(house).heard([telegram(device=id, at=house.now()) for id in ids])


def test_a_change_is_in_force_once_it_is_on_disk(house: House) -> None:
    change(house, A, name="Fridge")
    changing = begin(devices(house).change({A: {"name": "Freezer", "blocked": True}, B: {"name": "Oven"}}))
    assert (devices(house).get(A).name, devices(house).get(A).blocked) == ("Fridge", False)
    assert devices(house).get(B) is None and devices(house).judge(telegram(device=A)) == "kept"
    house.settle()
    assert result_of(changing) == [devices(house).known(A), devices(house).known(B)]
    assert devices(house).judge(telegram(device=A)) == "blocked"


def test_what_cannot_be_stored_is_not_in_force(house: House) -> None:
    pin, other = "f2:0a1b2c3d4e5f/J1/3", "f2:0a1b2c3d4e5f/J1/4"
    house.do(devices(house).change({A: {"name": "Fridge"}, pin: {"name": "Bed"}}))
    before = list(map(str, devices(house)))
    house.journal.broken = True
    changing = [
        begin(devices(house).change({A: {"name": "Freezer"}, B: {"name": "Oven"}})),
        begin(devices(house).move(pin, other)),
        begin(devices(house).forget(A)),
    ]
    house.settle()
    house.journal.broken = False
    for each in changing:
        with pytest.raises(StorageError):
            result_of(each)
    assert list(map(str, devices(house))) == before
    house.advance(write_behind.INTERVAL + 1, step=31)
    house.crash()
    assert sorted(map(str, devices(house))) == sorted(before)


def test_what_is_heard_while_a_change_is_stored_counts(house: House) -> None:
    change(house, A, name="Fridge")
    hear(house, A, B)
    house.advance(31, step=31)
    begin(devices(house).change({A: {"name": "Freezer"}, B: {"name": "Oven"}}))
    hear(house, A, B)
    house.clock.advance(write_behind.INTERVAL)  # counts are written while the change is not on disk yet
    house.settle()
    hear(house, A)
    house.advance(31, step=31)
    house.crash()
    found = {each.id: (each.name, each.known, each.count) for each in devices(house)}
    assert found == {A: ("Freezer", True, 3), B: ("Oven", True, 2)}


def test_counts_that_are_written_bring_back_nothing_from_before_a_change(house: House) -> None:
    change(house, A, name="Fridge")
    change(house, B, name="Oven")
    hear(house, A, B)
    begin(devices(house).change({A: {"name": "Freezer"}}))
    begin(devices(house).forget(B))
    hear(house, A, B)
    house.clock.advance(write_behind.INTERVAL)
    house.settle()
    assert [each.name for each in devices(house)] == ["Freezer"]
    house.crash()
    assert [(each.name, each.count) for each in devices(house)] == [("Freezer", 2)]


def test_what_is_heard_of_one_that_is_being_entered_is_kept_though_many_others_are_heard(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_UNKNOWN", 2)
    hear(house, A)
    begin(devices(house).change({A: {"name": "Fridge"}}))
    hear(house, "any:1", "any:2", "any:3")
    assert devices(house).get(A) is None
    house.settle()
    house.advance(31, step=31)
    house.crash()
    assert (devices(house).known(A).name, devices(house).known(A).count) == ("Fridge", 1)


def test_two_imports_at_the_same_time_do_not_exceed_the_bound(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_KNOWN", 3)
    importing = [
        begin(devices(house).change({f"any:{number}": {"name": "x"} for number in few}))
        for few in ((1, 2), (3, 4), (2, 5))
    ]
    house.settle()
    result_of(importing[0])
    with pytest.raises(CommandError, match="2 devices are known already; 3 are allowed") as refused:
        result_of(importing[1])
    assert refused.value.code == "conflict"
    assert sorted(each.id for each in result_of(importing[2])) == ["any:2", "any:5"]
    assert devices(house).counts()["known"] == 3


def test_a_large_import_takes_several_turns_and_is_whole(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "SLICE", 10)
    hear(house, "any:7")
    importing = begin(devices(house).change({f"any:{number}": {"name": "x"} for number in range(25)}))
    assert not house.journal.kept().devices
    hear(house, "any:7")
    house.settle()
    assert len(result_of(importing)) == 25 and devices(house).known("any:7").count == 2
    house.crash()
    assert devices(house).counts()["known"] == 25


def test_a_stop_waits_for_a_change_under_way_and_writes_counts_after_it(house: House) -> None:
    change(house, A, name="Fridge")
    begin(devices(house).change({A: {"name": "Freezer"}}))
    hear(house, A)
    stopping = begin(devices(house).stop())
    assert not stopping.called
    house.journal.commit()
    result_of(stopping)
    house.crash()
    assert [(each.name, each.count) for each in devices(house)] == [("Freezer", 1)]
