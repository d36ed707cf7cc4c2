"""Scanners and controllers: heard is online, silent for five minutes is offline, and it is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred
from twisted.python.failure import Failure

from bssci.center import write_behind
from bssci.center.devices import gateways
from bssci.journal import StorageError
from bssci.model import GatewayState
from bssci.model.commands import CommandError
from bssci.system.clock import Clock, in_slices
from bssci.system.line_limit import LineLimit
from tests.center.devices.gateways import Air
from tests.support.center import TESTER, House, result_of
from tests.support.log_lines import log_lines
from tests.support.telegrams import telegram

__all__ = ["log_lines"]


def told(house: House) -> list[tuple[str, str]]:
    return [(event.state, event.reason) for _, event in house.events if isinstance(event, GatewayState)]


def test_whoever_hears_something_is_online(house: House, log_lines: list[str]) -> None:
    Air(house).advertise(gateway="roof")
    gateway = house.center.gateways.get("scanner:roof")
    assert (gateway.state, gateway.count, gateway.kind, gateway.source) == ("online", 1, "scanner", "mqtt")
    assert told(house) == [("online", "")]
    Air(house).advertise(gateway="roof", id="again")
    assert told(house) == [("online", "")]
    assert [line for line in log_lines if "first time" in line] == [
        "gateway scanner:roof is heard for the first time"
    ]


def test_of_two_sources_the_one_that_takes_commands_is_kept(house: House) -> None:
    sources = house.center.sources
    air, gateway = Air(house), lambda: house.center.gateways.get("scanner:roof")
    air.advertise(gateway="roof", source="kafka")
    assert gateway().source == "kafka"
    for name in ("mqtt", "kafka"):
        sources.add(SimpleNamespace(name=name, trouble="", can_send=name == "mqtt"))
    for source in ("kafka", "mqtt", "kafka"):
        air.advertise(gateway="roof", source=source)
    assert (gateway().source, gateway().count) == ("mqtt", 4)


def test_five_minutes_of_silence_are_told_once_and_the_return_too(house: House) -> None:
    air = Air(house)
    air.advertise(gateway="roof")
    house.advance(290, step=10)
    assert told(house) == [("online", "")]
    house.advance(20, step=10)
    assert told(house)[1:] == [("offline", "silent for 5 minutes")]
    house.advance(600, step=60)
    air.advertise(gateway="roof")
    assert told(house)[2:] == [("online", "")]


def test_its_own_report_says_how_it_is(house: House) -> None:
    air = Air(house)
    air.report("online", envelope={"metrics": {"messages_sent": 7}})
    gateway = house.center.gateways.get("scanner:roof")
    assert gateway.status == {"status": "online", "metrics": {"messages_sent": 7}}
    air.report("degraded", envelope={"bluetooth": {"status": "error"}})
    air.advertise(gateway="roof")
    assert (gateway.state, gateway.reason) == ("degraded", "Bluetooth: error")
    air.report("offline")
    assert [state for state, _ in told(house)] == ["online", "degraded", "offline"]


def test_a_report_that_the_broker_had_kept_is_no_sign_of_life(house: House) -> None:
    Air(house).report("online", gateway_time=house.now() - 3600, envelope={"retained": True})
    gateway = house.center.gateways.get("scanner:roof")
    assert (gateway.state, gateway.status) == ("offline", None)


@pytest.mark.parametrize(
    ("behind", "reason"),
    [
        (299, ""),
        (420, "its clock is 7 minutes behind ours"),
        (-3600, "its clock is 60 minutes ahead of ours"),
    ],
)
def test_a_report_that_comes_live_counts_whatever_its_clock_says(
    house: House, behind: float, reason: str
) -> None:
    air = Air(house)
    air.report("online", gateway_time=house.now() - behind, envelope={"retained": False})
    gateway = house.center.gateways.get("scanner:roof")
    assert (gateway.state, gateway.reason) == ("online", reason)
    trouble = {"retained": False, "bluetooth": {"status": "error"}}
    air.report("degraded", gateway_time=house.now() - behind, envelope=trouble)
    assert (gateway.state, gateway.reason) == ("degraded", "Bluetooth: error")


def test_a_last_will_counts_however_long_ago_the_gateway_connected(house: House) -> None:
    air = Air(house)
    air.report("online")
    air.report("offline", gateway_time=house.now() - 3600)
    assert told(house) == [("online", ""), ("offline", "reported by itself or by its last will")]


def test_a_restart_gives_everybody_time(house: House) -> None:
    Air(house).advertise(gateway="roof")
    house.advance(31, step=31)
    house.crash()
    house.advance(290, step=10)
    assert house.center.gateways.get("scanner:roof").state == "online"
    house.advance(20, step=10)
    assert house.center.gateways.get("scanner:roof").state == "offline"


def test_controllers_are_gateways_and_commands_no_sign_of_life(house: House) -> None:
    air = Air(house)
    of: dict[str, Any] = {"device": "f2:0a/J1/3", "gateway": "f2-0a", "envelope": {"direction": "cmnd"}}
    air._bring(**of)
    assert house.center.gateways.get("controller:f2-0a").state == ""
    air._bring(**of | {"envelope": {"direction": "tele"}})
    assert house.center.gateways.get("controller:f2-0a").state == "online"
    assert house.center.gateways.counts()["controller"] == {"online": 1, "degraded": 0, "offline": 0}


def test_other_gateways_are_not_watched(house: House) -> None:
    Air(house)._bring(device="zigbee:x", gateway="hub")
    assert house.center.gateways.get("gateway:hub").state == ""
    house.advance(600, step=60)
    assert told(house) == []


def test_there_are_so_many_at_most(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "MAX_GATEWAYS", 3)
    air = Air(house)
    for name in ("a", "b", "a", "c", "d"):
        air.advertise(gateway=name)
    assert [gateway.own_id for gateway in house.center.gateways] == ["a", "c", "d"]


@pytest.mark.parametrize("stops", [False, True])
def test_a_state_that_a_full_disk_does_not_take_is_told_in_the_end(house: House, stops: bool) -> None:
    Air(house).advertise(gateway="roof")
    house.journal.full = True
    house.advance(320, step=10)
    house.journal.full = False
    if stops:
        ensureDeferred(house.center.gateways.stop())
    house.advance(20, step=10)
    assert told(house) == [("online", ""), ("offline", "silent for 5 minutes")]


def test_many_that_fall_silent_are_looked_at_in_slices_and_not_all_logged(
    house: House, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    sizes: list[int] = []

    async def noted(clock: Clock, items: list[str], size: int) -> AsyncIterator[Sequence[str]]:
        async for few in in_slices(clock, items, size):
            sizes.append(len(few))
            yield few

    monkeypatch.setattr(gateways, "SLICE", 2)
    monkeypatch.setattr(gateways, "in_slices", noted)
    house.center.gateways._lines = LineLimit(house.clock.seconds, 3)
    hear(house, *"abcde")
    house.advance(gateways.SILENCE + gateways.LOOK_INTERVAL, step=10)
    assert set(sizes) == {1, 2}
    assert house.center.gateways.counts()["scanner"] == {"online": 0, "degraded": 0, "offline": 5}
    assert len([line for line in log_lines if " online" in line]) == 3
    assert len([line for line in log_lines if "silent for 5 minutes" in line]) == 3
    assert "2 lines about gateways' states were left out" in log_lines


def test_what_people_entered_is_not_displaced_by_made_up_gateways(
    house: House, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.setattr(gateways, "MAX_GATEWAYS", 2)
    monkeypatch.setattr(gateways, "TOLD", 4)
    air = Air(house)
    for name in ("roof", "cellar"):
        air.advertise(gateway=name)
        done = ensureDeferred(
            house.commands.devices.change_gateway(f"scanner:{name}", {"note": "ours"}, TESTER)
        )
        house.settle()
        result_of(done)
    for number in range(5):
        air.advertise(gateway=f"made-up-{number}")
    kept = house.center.gateways
    assert [gateway.own_id for gateway in kept] == ["roof", "cellar"]
    assert set(kept._heard_at) == {"scanner:roof", "scanner:cellar"}
    states = {event.gateway for _, event in house.events if isinstance(event, GatewayState)}
    assert states == {"roof", "cellar"}, "a state of what is not kept would never be cleared at the broker"
    assert len([line for line in log_lines if "first time" in line]) == 4


def test_what_is_entered_stays_and_may_be_forgotten(house: House) -> None:
    Air(house).advertise(gateway="roof")

    def do(command: Any) -> Any:
        done = ensureDeferred(command)
        house.settle()
        return result_of(done)

    do(house.commands.devices.change_gateway("scanner:roof", {"name": "Roof", "tags": ["north"]}, TESTER))
    house.crash()
    assert house.center.gateways.get("scanner:roof").name == "Roof"
    assert [state.name for state in house.center.gateway_states()] == ["Roof"]
    do(house.commands.devices.forget_gateway("scanner:roof", TESTER))
    assert len(house.center.gateways) == 0 and not house.journal.kept().gateways
    with pytest.raises(CommandError, match="there is no gateway"):
        do(house.commands.devices.change_gateway("scanner:roof", {}, TESTER))


def test_a_report_that_is_too_large_is_not_kept_whole(house: House) -> None:
    Air(house).report("online", envelope={"x": "y" * 10_000})
    assert house.center.gateways.get("scanner:roof").status == {"status": "online"}
    Air(house).report("online", envelope={"topic": "t" * 9_000, "x": [[] for _ in range(3_000)]})
    assert house.center.gateways.get("scanner:roof").status == {"status": "online"}


def test_a_gateway_that_is_forgotten_or_displaced_is_told_of_with_its_last_state(
    house: House, monkeypatch: pytest.MonkeyPatch, expected_errors: list[Failure]
) -> None:
    forgotten: list[tuple[str, str]] = []
    house.center.watch_forgotten(lambda state: 1 // 0)
    stop = house.center.watch_forgotten(lambda state: forgotten.append((state.gateway, state.state)))
    monkeypatch.setattr(gateways, "MAX_GATEWAYS", 2)
    for number in range(3):
        Air(house).advertise(gateway=f"g{number}", id=f"t{number}")
    assert forgotten == [("g0", "online")]
    house.do(house.commands.devices.forget_gateway("scanner:g1", TESTER))
    assert forgotten == [("g0", "online"), ("g1", "online")]
    stop()
    house.do(house.commands.devices.forget_gateway("scanner:g2", TESTER))
    assert len(forgotten) == 2
    assert len(expected_errors) == 3  # one that fails costs itself only
    expected_errors.clear()


ROOF = "scanner:roof"


def hear(house: House, *names: str) -> None:
    """Hear of scanners, without a commit."""
    house.center.gateways.heard([telegram(device="ble:AA:BB:CC:DD:EE:01", gateway=name) for name in names])


def test_a_change_is_in_force_once_it_is_on_disk_and_what_is_heard_meanwhile_counts(house: House) -> None:
    hear(house, "roof")
    house.advance(31, step=31)
    changing = ensureDeferred(house.center.gateways.change(ROOF, {"name": "Roof", "tags": ["north"]}))
    assert house.center.gateways.state(ROOF).name == ""
    hear(house, "roof")
    house.clock.advance(write_behind.INTERVAL)  # counts are written while the change is not on disk yet
    house.settle()
    assert result_of(changing) is house.center.gateways.get(ROOF)
    assert house.center.gateways.state(ROOF).name == "Roof"
    house.crash()
    gateway = house.center.gateways.get(ROOF)
    assert (gateway.name, gateway.tags, gateway.count) == ("Roof", ["north"], 2)


def test_changes_at_the_same_time_are_all_made(house: House) -> None:
    hear(house, "roof")
    changing = [
        ensureDeferred(house.commands.devices.change_gateway(ROOF, changes, TESTER))
        for changes in ({"name": "Roof"}, {"note": "ours"}, {"tags": ["north"]})
    ]
    house.settle()
    gateway = [result_of(each) for each in changing][0]
    assert (gateway.name, gateway.note, gateway.tags) == ("Roof", "ours", ["north"])


def test_what_cannot_be_stored_is_not_in_force(house: House) -> None:
    hear(house, "roof")
    forgotten: list[str] = []
    house.center.watch_forgotten(lambda state: forgotten.append(state.gateway))
    house.journal.broken = True
    changing = [
        ensureDeferred(house.center.gateways.change(ROOF, {"name": "Roof"})),
        ensureDeferred(house.center.gateways.forget(ROOF)),
    ]
    house.settle()
    house.journal.broken = False
    for each in changing:
        with pytest.raises(StorageError):
            result_of(each)
    assert house.center.gateways.get(ROOF).name == "" and forgotten == []
    house.advance(31, step=31)
    house.crash()
    assert [(each.id, each.name) for each in house.center.gateways] == [(ROOF, "")]


def test_a_gateway_is_told_of_as_forgotten_when_that_is_on_disk_and_does_not_come_back(house: House) -> None:
    hear(house, "roof")
    house.settle()
    forgotten: list[str] = []
    house.center.watch_forgotten(lambda state: forgotten.append(state.gateway))
    forgetting = ensureDeferred(house.center.gateways.forget(ROOF))
    changing = ensureDeferred(house.center.gateways.change(ROOF, {"name": "Roof"}))
    hear(house, "roof")
    house.clock.advance(write_behind.INTERVAL)
    assert forgotten == []
    house.settle()
    result_of(forgetting)
    with pytest.raises(CommandError, match="there is no gateway"):
        result_of(changing)
    assert forgotten == ["roof"]
    house.crash()
    assert len(house.center.gateways) == 0


def test_a_gateway_whose_entry_is_being_stored_is_not_displaced(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateways, "MAX_GATEWAYS", 2)
    hear(house, "roof", "cellar")
    ensureDeferred(house.center.gateways.change(ROOF, {"name": "Roof"}))
    hear(house, "a", "b")
    house.settle()
    hear(house, "c")
    assert [each.id for each in house.center.gateways] == [ROOF, "scanner:c"]
