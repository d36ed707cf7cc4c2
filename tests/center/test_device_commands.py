"""Commands on devices: what is refused, and what the audit log has of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from bssci.center.devices import registry
from bssci.model.commands import CommandError
from bssci.settings.rows import MASK
from tests.support.center import TESTER, House, result_of
from tests.support.telegrams import telegram

A, B = "ble:AA:BB:CC:DD:EE:01", "ble:AA:BB:CC:DD:EE:02"


def change(house: House, id: str, **changes: Any) -> Any:
    return house.do(house.commands.devices.change(id, changes, TESTER))


def test_what_cannot_be_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in ("mioty:70B3D56770110001", "no id", "ble:"):
        with pytest.raises(CommandError, match="an id begins with its kind"):
            change(house, id, name="x")
    with pytest.raises(CommandError, match="there is no device"):
        house.do(house.commands.devices.forget(A, TESTER))
    for number in (10**30, float("inf"), float("nan")):
        with pytest.raises(CommandError, match="parameters must be JSON with finite numbers"):
            change(house, A, parameters={"key": [number]})
    monkeypatch.setattr(registry, "MAX_KNOWN", 1)
    change(house, A, name="one")
    with pytest.raises(CommandError, match="known already"):
        change(house, B, name="two")


def test_a_masked_parameter_that_comes_back_stays(house: House) -> None:
    change(house, A, parameters={"key": "00", "channel": 1})
    change(house, A, name="Fridge", parameters={"key": MASK, "channel": 2})
    assert house.center.devices.get(A).parameters == {"key": "00", "channel": 2}
    with pytest.raises(CommandError, match="masked value that is not known") as refused:
        change(house, A, parameters={"other": MASK})
    assert refused.value.field == "parameters"
    assert house.center.devices.get(A).parameters == {"key": "00", "channel": 2}


def test_each_command_has_its_entry(house: House) -> None:
    devices = house.commands.devices
    change(house, A, name="Fridge", model="RuuviTag")
    change(house, A, name="Freezer")
    house.do(devices.import_({A: {"name": "Fridge"}, B: {"name": "Oven"}}, TESTER))
    house.do(devices.forget(B, TESTER))
    assert house.center.devices.get(A).name == "Fridge" and house.center.devices.get(B) is None
    assert house.audited() == [
        ("device.add", A, "model: – → RuuviTag; name: – → Fridge"),
        ("device.update", A, "name: Fridge → Freezer"),
        ("device.import", "", "2 devices"),
        ("device.remove", B, ""),
    ]


def test_a_disk_that_fills_up_after_the_entry_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def record(*_: object) -> None:
        """The disk is full right after this."""
        house.journal.broken = True

    monkeypatch.setattr(house.center.audit, "record", record)
    with pytest.raises(CommandError) as raised:
        change(house, A, name="Fridge")
    house.journal.broken = False
    assert raised.value.code == "unavailable"


PIN, NEXT = "f2:0a1b2c3d4e5f/J1/3", "f2:0a1b2c3d4e5f/J1/4"


def test_a_device_moves_with_what_is_entered_of_it(house: House) -> None:
    devices = house.commands.devices
    change(house, PIN, name="Bed", decoder="probe", parameters={"key": "00"}, tags=["field"])
    house.do(devices.move(PIN, NEXT, TESTER))
    house.crash()
    moved = house.center.devices.get(NEXT)
    assert (moved.name, moved.decoder, moved.parameters, moved.tags) == (
        "Bed",
        "probe",
        {"key": "00"},
        ["field"],
    )
    assert (moved.parent, moved.port, moved.known) == ("f2:0a1b2c3d4e5f", "J1/4", True)
    assert house.center.devices.get(PIN) is None
    assert house.audited()[-1] == ("device.move", PIN, f"to {NEXT}")


@pytest.mark.parametrize(
    ("id", "to", "refusal"),
    [
        (NEXT, PIN, "no device .* is entered"), (A, NEXT, "only devices at a controller"),
        (PIN, "f2:0a1b2c3d4e5f", "a place is"), (PIN, "f2:0a1b2c3d4e5f/J1/sensor-4", "a place is"),
        (PIN, PIN, "there is a device at .* already"),
    ],
)  # fmt: skip
def test_a_move_that_cannot_be_changes_nothing(house: House, id: str, to: str, refusal: str) -> None:
    for each in (PIN, A):
        change(house, each, name="x")
    before = house.audited()
    with pytest.raises(CommandError, match=refusal):
        house.do(house.commands.devices.move(id, to, TESTER))
    assert house.audited() == before


def test_of_an_import_with_too_many_nothing_is_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_KNOWN", 1)
    with pytest.raises(CommandError, match="known already"):
        house.do(house.commands.devices.import_({A: {"name": "a"}, B: {"name": "b"}}, TESTER))
    assert len(house.center.devices) == 0
    assert house.audited()[-1][0].endswith(".failed")


def test_a_gateway_that_nobody_knows_is_not_changed(house: House) -> None:
    for command in (
        house.commands.devices.change_gateway("scanner:roof", {"name": "Roof"}, TESTER),
        house.commands.devices.forget_gateway("scanner:roof", TESTER),
    ):
        with pytest.raises(CommandError, match="there is no gateway scanner:roof"):
            house.do(command)
    assert house.audited() == []


def test_control_characters_are_refused_unless_they_are_kept_already(house: House) -> None:
    house.center.gateways.heard([telegram(1, device=A, gateway="roof")])
    for changes in ({"name": "a\nb"}, {"tags": ["\x1b"]}, {"location": {"text": "\0"}}):
        field = next(iter(changes))
        for command in (
            house.commands.devices.change(A, changes, TESTER),
            house.commands.devices.change_gateway("scanner:roof", changes, TESTER),
        ):
            with pytest.raises(CommandError, match=f"^{field} must have no control characters") as refused:
                house.do(command)
            assert (refused.value.code, refused.value.field) == ("invalid", field)
    with pytest.raises(CommandError, match="id must have no control characters"):
        change(house, "ble:\x9b", name="x")
    assert house.audited() == []
    house.do(house.center.devices.change({A: {"name": "from before\n"}}))
    assert change(house, A, name="from before\n", model="RuuviTag").model == "RuuviTag"


def test_changes_at_the_same_time_are_all_made(house: House) -> None:
    devices = house.commands.devices
    change(house, A, name="Fridge")
    changing = [
        ensureDeferred(devices.change(A, {"model": "RuuviTag"}, TESTER)),
        ensureDeferred(devices.import_({A: {"tags": ["cold"]}}, TESTER)),
        ensureDeferred(devices.change(A, {"decoder": "door"}, TESTER)),
    ]
    house.settle()
    for each in changing:
        result_of(each)
    device = house.center.devices.get(A)
    assert (device.name, device.model, device.tags, device.decoder) == (
        "Fridge", "RuuviTag", ["cold"], "door"
    )  # fmt: skip


def test_a_device_is_moved_by_one_of_two_commands(house: House) -> None:
    devices = house.commands.devices
    change(house, PIN, name="Bed")
    moving = [ensureDeferred(devices.move(PIN, f"f2:0a1b2c3d4e5f/J1/{pin}", TESTER)) for pin in (4, 5)]
    house.settle()
    result_of(moving[0])
    with pytest.raises(CommandError, match="no device"):
        result_of(moving[1])
    assert house.center.devices.known(NEXT).name == "Bed"


def test_one_coordinate_without_the_other_is_refused_unless_it_is_kept_already(house: House) -> None:
    house.center.gateways.heard([telegram(1, device=A, gateway="roof")])
    alone = {"location": {"lat": 48.1}}
    for command in (
        house.commands.devices.change(A, alone, TESTER),
        house.commands.devices.change_gateway("scanner:roof", alone, TESTER),
    ):
        with pytest.raises(CommandError, match="^location lon is missing: enter both lat and lon") as refused:
            house.do(command)
        assert (refused.value.code, refused.value.field) == ("invalid", "location")
    house.do(house.center.devices.change({A: alone}))
    assert change(house, A, **alone, name="Soil").location == alone["location"]
