"""All that may happen to a service, drawn at random: steps that can be taken again, and fewer of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from bssci.model import EUI, DownlinkRequest, Sensor, eui_to_int, parse_sensor
from bssci.model.base_station import StationChange
from bssci.model.sensor_edit import SensorEdit
from bssci.stations.comings import MANY
from tests.center.sequences.base_station import BaseStation
from tests.center.sequences.service import SINKS
from tests.center.sequences.world import SENSORS, STATIONS, WRONG_KEY, World
from tests.support.center import KEY, TESTER, sensor_entry, sensor_eui

NUMBERS = range(len(STATIONS))
EUIS = [EUI(sensor_eui(number)) for number in range(1, SENSORS + 1)]
NAMES = ("Attic", "Cellar")
"""names of sensors and stations, and tags of sensors"""
EXPIRIES = (None, None, 1.0, 5.0, 20.0, 60.0)
EDITS = (
    {},
    {"bidi": True},
    {"bidi": False},
    {"bidi": True, "name": "Attic"},
    {"bidi": True, "nwKey": KEY[::-1]},
    {"nwKey": WRONG_KEY},
)
"""entries of endpoints.json that are made by hand; the first: none"""
NOW_OR_LATER = (True, True, True, False)
"""whether it is carried to the other side before the next step"""


class Step(NamedTuple):
    """One step of a sequence: a method of :class:`Happenings`, and its arguments."""

    name: str
    arguments: dict[str, Any]

    def __repr__(self) -> str:
        return f"Step({self.name!r}, {self.arguments!r})"


_ways: list[tuple[int, str, dict[str, Sequence[Any]]]] = []
"""weight, name and values of the arguments of everything that may happen"""


def happens(weight: int, **values: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a method be drawn, with these values of its arguments, as often as its weight says."""

    def note(method: Callable[..., None]) -> Callable[..., None]:
        _ways.append((weight, method.__name__, values))
        return method

    return note


def draw(random: Random, length: int) -> list[Step]:
    """Return a sequence of steps: of all kinds, or of some kinds only, which then meet more often."""
    ways = random.choice((_ways, random.sample(_ways, k=len(_ways) // 3)))
    weights = [weight for weight, _, _ in ways]
    return [
        Step(name, {argument: random.choice(among) for argument, among in values.items()})
        for _, name, values in random.choices(ways, weights, k=length)
    ]


def shortest(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool], attempts: int) -> list[Step]:
    """Return a part of a sequence that still fails, without what is not needed for it.

    :param attempts: how often it may be tried.
    """
    kept, size = list(steps), len(steps) // 2
    while size and attempts > 0:
        place = 0
        while place < len(kept) and attempts > 0:
            rest, attempts = kept[:place] + kept[place + size :], attempts - 1
            if fails(rest):
                kept = rest
            else:
                place += size
        size //= 2
    return kept


class Happenings:
    """What may happen in a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def do(self, step: Step) -> None:
        getattr(self, step.name)(**step.arguments)

    def _station(self, number: int) -> BaseStation:
        return self.world.stations[number]

    def _command(self, name: str, *arguments: Any) -> None:
        self.world.service.do(getattr(self.world.house.center.commands, name)(*arguments, TESTER))

    def _carry(self, carried: bool) -> None:
        if carried:
            self.world.carry()

    # stations

    @happens(4, station=NUMBERS)
    def a_station_connects(self, station: int) -> None:
        self.world.connect(self._station(station))

    @happens(3, station=NUMBERS)
    def a_connection_breaks(self, station: int) -> None:
        self._station(station).lose()
        self.world.carry()

    @happens(1, station=NUMBERS)
    def another_station_comes_until_it_must_wait(self, station: int) -> None:
        other = self.world.others[station]
        for _ in range(MANY + 1):
            other.boot()
            other.connect(self.world.service.factory)
            self.world.carry()

    @happens(2, station=NUMBERS, comes_back=(True, True, False))
    def a_connection_is_left_half_open(self, station: int, comes_back: bool) -> None:
        self._station(station).desert()
        if comes_back:
            self.world.connect(self._station(station))

    @happens(2, station=NUMBERS)
    def the_answer_to_con_is_lost(self, station: int) -> None:
        self._station(station).connect(self.world.service.factory)
        self.world.house.settle()
        self._station(station).lose()
        self.world.carry()

    @happens(2, station=NUMBERS)
    def a_station_boots(self, station: int) -> None:
        self._station(station).boot()
        self.world.connect(self._station(station))

    @happens(3, station=NUMBERS, manner=("eager", "slow", "slow", "mute"))
    def a_station_becomes(self, station: int, manner: str) -> None:
        self.world.manners[self._station(station).eui] = manner
        self.world.carry()

    @happens(8, station=NUMBERS, code=(0, 0, 0, 0, 2, 5, 11, 11, 95), reaches=(True, True, True, False))
    def a_station_answers(self, station: int, code: int, reaches: bool) -> None:
        self._station(station).answer(code, reaches=reaches)
        self.world.carry()

    @happens(1, station=NUMBERS, is_complete=(True, True, False))
    def another_station_comes(self, station: int, is_complete: bool) -> None:
        """One with the same EUI and certificate, which answers nothing."""
        other = self.world.others[station]
        other.connect(self.world.service.factory)
        if is_complete:
            self.world.carry()

    @happens(1, station=NUMBERS)
    def another_station_goes(self, station: int) -> None:
        self.world.others[station].lose()
        self.world.carry()

    @happens(1, station=NUMBERS, is_renewed=(True, True, False))
    def a_certificate_is_revoked(self, station: int, is_renewed: bool) -> None:
        self.world.revoke_certificate(self._station(station))
        if is_renewed:
            self.world.renew_certificate(self._station(station))
        self.world.carry()

    @happens(1, station=NUMBERS, does=(True, False))
    def a_station_completes_operations(self, station: int, does: bool) -> None:
        self._station(station).completes = does

    @happens(1, station=NUMBERS)
    def a_station_cancels(self, station: int) -> None:
        self._station(station).cancel()
        self.world.carry()

    # sensors

    @happens(6, station=NUMBERS, sensor=EUIS, carried=NOW_OR_LATER)
    def a_sensor_sends(self, station: int, sensor: EUI, carried: bool) -> None:
        self.world.send_uplink(self._station(station), eui_to_int(sensor))
        self._carry(carried)

    @happens(4, station=NUMBERS, back=range(1, 5), carried=NOW_OR_LATER)
    def another_station_hears_it(self, station: int, back: int, carried: bool) -> None:
        if back <= len(self.world.heard):
            self.world.hear(self._station(station), self.world.heard[-back])
            self._carry(carried)

    @happens(2, station=NUMBERS, sensor=EUIS, ahead=(1, 1, 1, 0, -1), carried=NOW_OR_LATER)
    def a_sensor_attaches(self, station: int, sensor: EUI, ahead: int, carried: bool) -> None:
        self.world.attach(self._station(station), eui_to_int(sensor), ahead)
        self._carry(carried)

    @happens(2, station=NUMBERS, sensor=EUIS, is_copy=(False, False, True), carried=NOW_OR_LATER)
    def a_sensor_detaches(self, station: int, sensor: EUI, is_copy: bool, carried: bool) -> None:
        self.world.detach(self._station(station), eui_to_int(sensor), is_copy=is_copy)
        self._carry(carried)

    @happens(5, station=NUMBERS, result=("sent", "sent", "sent", "expired", "invalid"))
    def a_station_ends_a_downlink(self, station: int, result: Any) -> None:
        self.world.end_downlink(self._station(station), result)
        self.world.carry()

    # people

    @happens(2, sensor=EUIS, command=("attach", "detach"))
    def a_command_is_given(self, sensor: EUI, command: str) -> None:
        self._command(command, [sensor])
        self.world.carry()

    @happens(3, sensor=EUIS, command=("attach", "attach", "detach", "status", "reception"))
    def a_command_comes_by_mqtt(self, sensor: EUI, command: str) -> None:
        self.world.service.ask(f"mioty/ep/{sensor}/cmd", command=command)
        self.world.carry()

    @happens(2, number=range(1, SENSORS + 1), key=(KEY, KEY, KEY[::-1]))
    def a_sensor_is_configured(self, number: int, key: str) -> None:
        self.world.begin_anew()
        topic = f"mioty/ep/{sensor_eui(number)}/config"
        self.world.service.ask(topic, nwKey=key, shortAddr=f"{number:04X}", bidi=True)
        self.world.carry()

    @happens(1, sensor=EUIS)
    def a_sensor_is_deleted(self, sensor: EUI) -> None:
        self._command("remove", [sensor])
        self.world.carry()

    @happens(1)
    def all_sensors_are_deleted(self) -> None:
        self._command("clear")
        self.world.carry()

    @happens(2, number=range(1, SENSORS + 1), name=NAMES, again=(True, False), carried=NOW_OR_LATER)
    def a_sensor_is_renamed(self, number: int, name: str, again: bool, carried: bool) -> None:
        """It is made if there is none."""

        def renamed(known: Sensor | None) -> Sensor:
            return replace(known or parse_sensor(sensor_entry(number)), name=name)

        self.world.begin_anew()
        commands = self.world.house.center.commands
        eui = EUI(sensor_eui(number))
        self.world.service.do(commands.change_sensor(eui, renamed, TESTER, again=again))
        self._carry(carried)

    @happens(2, sensors=(EUIS, EUIS[:1], EUIS[1:]), tag=NAMES, carried=NOW_OR_LATER)
    def sensors_are_edited_together(self, sensors: Sequence[EUI], tag: str, carried: bool) -> None:
        edit = SensorEdit(add_tags=(tag,), remove_tags=tuple(each for each in NAMES if each != tag))
        self._command("edit", sensors, edit)
        self._carry(carried)

    @happens(1, first=(1, 2), bidi=(True, False), key=(KEY, KEY, KEY[::-1]), carried=NOW_OR_LATER)
    def sensors_are_imported(self, first: int, bidi: bool, key: str, carried: bool) -> None:
        self.world.begin_anew()
        entries = [sensor_entry(each, bidi=bidi, nwKey=key) for each in range(first, SENSORS + 1)]
        self._command("import_", [parse_sensor(entry) for entry in entries])
        self._carry(carried)

    @happens(2, seconds=(8.0, 30.0, 90.0))
    def sensors_may_be_silent_for(self, seconds: float) -> None:
        self.world.let_sensors_be_silent(seconds)
        self.world.carry()

    @happens(2, number=range(1, SENSORS + 1), changes=EDITS, how=("command", "watch", ""))
    def the_file_of_sensors_is_edited(self, number: int, changes: dict[str, Any], how: str) -> None:
        self.world.edit_sensor(number, **changes)
        self._reload(how)

    @happens(1, how=("command", "watch", ""))
    def the_file_of_sensors_is_broken(self, how: str) -> None:
        self.world.break_file()
        self._reload(how)

    @happens(1, how=("command", "watch", ""))
    def the_file_of_sensors_is_mended(self, how: str) -> None:
        self.world.mend_file()
        self._reload(how)

    def _reload(self, how: str) -> None:
        if how == "command":
            self._command("reload_sensors")
        elif how:
            self.world.service.reloads.sensors_changed()
        self._carry(bool(how))

    @happens(4, sensor=EUIS, expires_in=EXPIRIES, priority=(0.0, 0.0, 1.0))
    def a_downlink_is_queued(self, sensor: EUI, expires_in: float | None, priority: float) -> None:
        data = (b"\1",)
        request = DownlinkRequest(end_point_eui=sensor, data=data, expires_in=expires_in, priority=priority)
        self.world.queue(request)
        self.world.carry()

    @happens(1, sensor=EUIS, ahead=range(1, 4))
    def a_downlink_for_certain_uplinks_is_queued(self, sensor: EUI, ahead: int) -> None:
        counter = self.world.counters[eui_to_int(sensor)] + ahead
        request = DownlinkRequest(end_point_eui=sensor, data=(b"\1",), packet_counters=(counter,))
        self.world.queue(request)
        self.world.carry()

    @happens(4, sensor=EUIS, expires_in=EXPIRIES)
    def a_downlink_comes_by_mqtt(self, sensor: EUI, expires_in: float | None) -> None:
        self.world.service.ask(f"mioty/ep/{sensor}/dl", data=[1], expires_in=expires_in)
        self.world.carry()

    @happens(2, sensor=EUIS, back=range(4), mqtt=(True, False))
    def a_downlink_is_revoked(self, sensor: EUI, back: int, mqtt: bool) -> None:
        queue_id = max(1, self.world.house.center.downlinks._last_queue_id - back)
        if mqtt:
            self.world.service.ask(f"mioty/ep/{sensor}/dl", revoke=queue_id)
        else:
            self._command("revoke_downlink", sensor, queue_id)
        self.world.carry()

    @happens(1, seconds=range(1, 4))
    def a_setting_is_changed_by_mqtt(self, seconds: int) -> None:
        self.world.service.ask("mioty/config/set", DEDUPLICATION_DELAY=seconds)
        self.world.carry()

    @happens(2, station=NUMBERS, what=("block", "unblock", "unblock", "forget"), carried=NOW_OR_LATER)
    def a_station_is(self, station: int, what: str, carried: bool) -> None:
        eui = EUI(f"{self._station(station).eui:016X}")
        commands = self.world.house.center.commands.stations
        if what == "forget":
            self.world.service.do(commands.forget(eui, TESTER))
        else:
            change = StationChange(eui=eui, blocked=what == "block")
            self.world.service.do(commands.change(change, TESTER, is_new=True))
        self._carry(carried)

    @happens(1, numbers=((0,), (1,), tuple(NUMBERS)), name=NAMES, carried=NOW_OR_LATER)
    def stations_are_registered(self, numbers: Sequence[int], name: str, carried: bool) -> None:
        """Those that are known are renamed."""
        euis = [EUI(f"{self._station(number).eui:016X}") for number in numbers]
        commands = self.world.house.center.commands.stations
        changes = [StationChange(eui=eui, name=name) for eui in euis]
        self.world.service.do(commands.import_(changes, TESTER))
        self._carry(carried)

    # the machine

    @happens(2, state=("full", "gone", "slow", "slow", "slow"))
    def the_disk_is(self, state: str) -> None:
        self.world.house.set_disk(state)
        self.world.carry()

    @happens(4)
    def the_disk_is_well(self) -> None:
        self.world.house.set_disk("well")
        self.world.carry()

    @happens(3, writes=(1, 2, 3, 5, None))
    def one_commit_is_made(self, writes: int | None) -> None:
        self.world.house.commit_once(writes)

    @happens(2, writes=(1, 1, 2, 5))
    def one_commit_fails(self, writes: int) -> None:
        self.world.house.fail_once(writes)

    @happens(2, mode=("fails", "slow", "takes", "takes"))
    def the_bad_sink(self, mode: str) -> None:
        if "bad" in self.world.service.sinks:
            self.world.service.sinks["bad"].set(mode)
            self.world.carry()

    @happens(2, sinks=((), (), ("good",), ("bad",), SINKS, (*SINKS, "new")))
    def the_service_is_killed(self, sinks: Sequence[str]) -> None:
        self.world.kill(sinks)
        self.world.carry()

    @happens(2)
    def the_service_is_killed_as_a_thread_ends(self) -> None:
        self.world.house.end_one_unseen()
        self.world.kill()
        self.world.carry()

    @happens(1, sinks=((), ("good",), SINKS))
    def the_service_is_stopped(self, sinks: Sequence[str]) -> None:
        self.world.stop(sinks)
        self.world.carry()

    @happens(2, are_slow=(True, True, False))
    def the_threads(self, are_slow: bool) -> None:
        self.world.house.set_threads(are_slow=are_slow)
        self.world.carry()

    @happens(3)
    def a_thread_ends(self) -> None:
        self.world.house.end_one_in_thread()
        self.world.carry()

    @happens(3)
    def the_journal_may_hardly_grow(self) -> None:
        self.world.keep_journal_small()

    @happens(1, age=(0.0, 2.0, 20.0, 100.0))
    def old_events_are_forgotten(self, age: float) -> None:
        self.world.forget_events(age)
        self.world.carry()

    @happens(8, seconds=(0.5, 0.5, 2.0, 2.0, 6.0, 6.0, 35.0, 100.0))
    def time_passes(self, seconds: float) -> None:
        self.world.advance(seconds)

    @happens(1, seconds=(-4000.0, -30.0, 30.0, 4000.0))
    def the_clock_is_set(self, seconds: float) -> None:
        self.world.set_clock(seconds)
        self.world.carry()
