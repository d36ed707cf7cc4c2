"""Every command on a disk that fills up after its entry: it is refused, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from bssci.center.alarms.conditions import Condition
from bssci.center.commands import Commands
from bssci.journal import AuditEntry
from bssci.model import EUI, DownlinkRequest, parse_sensor
from bssci.model.base_station import StationChange, parse_station_change
from bssci.model.commands import CommandError
from tests.support.center import STATION, TESTER, House, Line, result_of, sensor_entry, sensor_eui
from tests.support.telegrams import telegram

ONE, TWO = EUI(sensor_eui(1)), EUI(sensor_eui(2))
ROOF, CELLAR = EUI(f"{STATION:016X}"), EUI(f"{STATION + 1:016X}")
TAG, PIN, NEXT = "ble:AA:BB:CC:DD:EE:01", "f2:0a1b2c3d4e5f/J1/3", "f2:0a1b2c3d4e5f/J1/4"
ALARM = Condition("sink-failing:mqtt", "error", "mqtt cannot deliver", "/")
Command = Callable[[Commands], Coroutine[Deferred[Any], Any, Any]]

COMMANDS: dict[str, Command] = {
    "attach": lambda commands: commands.attach([ONE], TESTER),
    "detach": lambda commands: commands.detach([TWO], TESTER),
    "configure": lambda commands: commands.configure(rekeyed(), TESTER),
    "import sensors": lambda commands: commands.import_([rekeyed()], TESTER),
    "remove": lambda commands: commands.remove([ONE], TESTER),
    "clear": lambda commands: commands.clear(TESTER),
    "queue downlink": lambda commands: commands.queue_downlink(downlink(b"new"), TESTER),
    "revoke downlink": lambda commands: commands.revoke_downlink(TWO, 1, TESTER),
    "acknowledge": lambda commands: commands.acknowledge_alarm(ALARM.id, TESTER),
    "enter device": lambda commands: commands.devices.change(TAG, {"name": "Fridge"}, TESTER),
    "change device": lambda commands: commands.devices.change(PIN, {"blocked": True}, TESTER),
    "import devices": lambda commands: commands.devices.import_({TAG: {}, PIN: {"tags": ["a"]}}, TESTER),
    "move device": lambda commands: commands.devices.move(PIN, NEXT, TESTER),
    "forget device": lambda commands: commands.devices.forget(PIN, TESTER),
    "change gateway": lambda commands: commands.devices.change_gateway("scanner:a", {"name": "A"}, TESTER),
    "forget gateway": lambda commands: commands.devices.forget_gateway("scanner:a", TESTER),
    "register station": lambda commands: commands.stations.change(station(CELLAR), TESTER, is_new=True),
    "block station": lambda commands: commands.stations.change(station(ROOF, blocked=True), TESTER),
    "import stations": lambda commands: commands.stations.import_([station(ROOF), station(CELLAR)], TESTER),
    "forget station": lambda commands: commands.stations.forget(ROOF, TESTER),
}


def rekeyed() -> Any:
    return parse_sensor(sensor_entry(1, nwKey="F" * 32))


def downlink(data: bytes) -> DownlinkRequest:
    return DownlinkRequest(end_point_eui=TWO, data=(data,))


def station(eui: EUI, **values: Any) -> StationChange:
    return parse_station_change({"eui": eui, "note": "ours", **values})


def run(house: House, command: Coroutine[Deferred[Any], Any, Any]) -> Any:
    """Run a command that may wait for stations."""
    running = ensureDeferred(command)
    house.advance(35.0, step=5.0)
    return result_of(running)


@pytest.fixture
def house(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> House:
    """A service center with some of everything; the first sensor is detached."""
    monkeypatch.setattr("bssci.center.service_center.deferToThread", maybeDeferred)
    house = make_house([sensor_entry(1), sensor_entry(2, bidi=True)])
    line = Line(house)
    line.connect()
    line.answer_everything()
    run(house, house.commands.stations.change(station(ROOF, name="Roof"), TESTER))
    run(house, house.commands.detach([ONE], TESTER))
    run(house, house.commands.queue_downlink(downlink(b"old"), TESTER))
    run(house, house.commands.devices.change(PIN, {"name": "Bed"}, TESTER))
    for device in (TAG, PIN):
        heard = [telegram(device=device, gateway="a", at=house.now())]
        house.center.devices.heard(heard)
        house.center.gateways.heard(heard)
    house.center.alarms.evaluate({"sink-failing"}, [ALARM])
    house.advance(31.0, step=31.0)
    return house


def picture(house: House) -> dict[str, object]:
    """Return what commands change."""
    center = house.center
    reading = center.downlinks.of(TWO)
    house.settle()
    return {
        "devices": sorted(map(str, center.devices)),
        "gateways": sorted(str((each.id, each.name, each.count)) for each in center.gateways),
        "stations": sorted((each.eui, each.state.name) for each in center.stations),
        "entries": sorted(map(str, center.entries)),
        "sensors": sorted(map(str, center.sensors)),
        "wanted": [str(center.attachments.wanted(eui)) for eui in (ONE, TWO)],
        "attachments": [center.attachments.get(eui) for eui in (ONE, TWO)],
        "silences": [str(center.silence.standing(eui)).partition("silent_since")[2] for eui in (ONE, TWO)],
        "alarms": center.alarms.listed(),
        "downlinks": [(each.queue_id, each.request.data, each.state) for each in result_of(reading)],
        "file": house.sensors_file.read_text(),
    }


def fill_up_after_an_entry(house: House) -> None:
    """Let the disk be full as soon as the next entry of the audit log is stored."""
    append = house.journal.audit.append

    def append_once(entry: AuditEntry) -> Deferred[None]:
        house.journal.audit.append = append  # type: ignore[method-assign]
        return append(entry).addCallback(lambda _: setattr(house.journal, "broken", True))

    house.journal.audit.append = append_once  # type: ignore[method-assign]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_refused_on_a_full_disk_has_not_happened(house: House, name: str) -> None:
    before, states = picture(house), house.states()
    fill_up_after_an_entry(house)
    running = ensureDeferred(COMMANDS[name](house.commands))
    house.settle()
    assert house.journal.broken
    with pytest.raises(CommandError) as refused:
        result_of(running)
    assert refused.value.code == "unavailable"
    house.journal.broken = False
    assert picture(house) == before and house.states() == states
    house.advance(31.0, step=31.0)
    house.crash()
    assert picture(house) == before


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_not_refused_has_happened_also_after_a_crash(house: House, name: str) -> None:
    before = picture(house)
    run(house, COMMANDS[name](house.commands))
    after = picture(house)
    assert after != before
    house.crash()
    again = picture(house)
    assert {each: again[each] for each in after if after[each] != before[each]} == {
        each: after[each] for each in after if after[each] != before[each]
    }
