"""All that must be true of a service: at any time, and once nothing hinders it any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import pairwise
from typing import Any

import msgspec
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from bssci.center.devices.endpoints import read
from bssci.journal import StorageError
from bssci.model import EUI, AnyEvent, CommandResponse, DownlinkStatus, StationState, eui_from_int, eui_to_int
from bssci.model.commands import CommandError
from tests.center.sequences.base_station import BaseStation
from tests.center.sequences.world import SENSORS, World
from tests.support.center import result_of, sensor_eui

FOLLOWING = {
    "queued": ("sent", "expired", "invalid", "revoked", "failed"),
    "sent": ("acknowledged",),
    "acknowledged": (),
    "expired": ("sent",),
    "invalid": ("sent",),
    "revoked": ("sent",),
    "failed": ("sent",),
}
"""states that a downlink may enter after each"""
PASSING = ("state", "last_seen", "inactive_seconds", "seconds_until_detach", "seconds_until_warning")
"""facts about a sensor's activity that a restart may change: times are rounded, the clock was set"""


def check(world: World) -> None:
    """Check what is true at any time: nothing fails, and questions are answered."""
    service, center = world.service, world.house.center
    assert not service.failures, "\n".join(service.failures)
    for station in world.stations:
        is_blocked = center.registry.is_blocked(eui_from_int(station.eui))
        assert not station.online or not is_blocked, f"{station.eui:X} is blocked, and connected"
    center.health()
    center.station_states()
    center.unknown_sensors()
    for pump in service.pumps.values():
        pump.statistics()
    for results in service.commands:
        for result in results:
            if isinstance(result, Failure):
                assert result.check(CommandError, StorageError), result.getTraceback()


def check_peace(world: World) -> None:
    """Check what is true once nothing hinders the service any more."""
    check(world)
    for station in world.stations:
        if station.online:
            _check_station(world, station)
            _check_held(world, station)
    _check_states(world)
    _check_requests(world)
    _check_silences(world)
    _check_file(world)
    _check_kept(world)
    _check_rests(world)
    _check_placed(world)
    _check_downlinks(world)
    _check_uplinks(world)
    _check_sinks(world)


def _check_station(world: World, station: BaseStation) -> None:
    """Check that a station has every answer, and serves what it should, but what it refused to."""
    assert not station.operations.unfinished(), station.operations.unfinished()
    wanted = {}
    for number in range(1, SENSORS + 1):
        sensor = world.house.center.attachments.wanted(EUI(sensor_eui(number)))
        if sensor is not None:
            wanted[eui_to_int(sensor.eui)] = (sensor.network_key, sensor.short_address)
    served = {eui: as_ for eui, as_ in station.served.items() if eui not in station.refused}
    wanted = {eui: as_ for eui, as_ in wanted.items() if eui not in station.refused}
    assert served == wanted, f"station {station.eui:X} serves {served}, but {wanted} is wanted"
    known = _known(world, station) - {eui_from_int(eui) for eui in station.refused}
    assert known == {eui_from_int(eui) for eui in served}, f"{station.eui:X} serves {served}, not {known}"


def _known(world: World, station: BaseStation) -> set[EUI]:
    """Return the sensors that a station serves as the journal has it."""
    registrations = world.house.journal.sessions.registrations_at(eui_from_int(station.eui))
    world.house.settle()
    return {each.end_point_eui for each in result_of(registrations) if each.state == "attached"}


def _check_states(world: World) -> None:
    """Check that of each station that came or went since the start, its present state was published last."""
    last = {event.base_station_eui: event.state for event in _since(world) if isinstance(event, StationState)}
    for station in world.stations:
        eui = eui_from_int(station.eui)
        state = "online" if station.online else "offline"
        assert last.get(eui, state) == state, f"{eui} is {state}, but {last[eui]} was published"


def _since(world: World) -> list[AnyEvent]:
    """Return the events since the start."""
    return [event for seq, event in world.house.events if seq > world.service.started_after]


def _check_held(world: World, station: BaseStation) -> None:
    """Check that a station holds no downlink that has ended, or lies elsewhere."""
    for queue_id, order in station.held.items():
        downlinks = _downlinks(world, eui_from_int(order.epEui))
        [found] = [each for each in downlinks if each.queue_id == queue_id]
        assert found.state == "queued", f"downlink {queue_id} is held, but {found.state}"
        assert found.base_station_eui == eui_from_int(station.eui), f"downlink {queue_id} lies elsewhere"


def _check_placed(world: World) -> None:
    """Check that of each sensor with downlinks that wait, one lies at a station, if one could take it."""
    center = world.house.center
    worker, attached_at = center.downlinks._worker, _attached_at(world)
    able_to_receive = {each.eui for each in center.sensors if each.bidirectional}
    in_vain = center.downlinks._queued.keys() - able_to_receive
    assert not in_vain, f"downlinks are queued for {in_vain}, which cannot receive"
    for eui, count in center.downlinks._queued.items():
        able = [
            station
            for station in map(center.stations.get, center.paths.ranked(eui))
            if station is not None
            and station.can_send
            and station.eui not in worker._unable
            and (station.eui, eui) not in worker._unknown
            and (station.eui, eui) in attached_at
        ]
        held = [order for station in world.stations for order in station.held.values()]
        places = sum(eui_from_int(order.epEui) == eui for order in held)
        assert places or not able, f"{count} downlinks of {eui} wait, but {able[0].eui} could take one"


def _attached_at(world: World) -> Collection[tuple[EUI, EUI]]:
    """Return which station serves which sensor, as the journal has it."""
    euis = [EUI(sensor_eui(number)) for number in range(1, SENSORS + 1)]
    picture = world.house.journal.downlinks.picture(sensors=euis, limit=1)
    world.house.settle()
    return result_of(picture).attached_at.keys()


def _check_requests(world: World) -> None:
    """Check that every command has ended, and that every request has one last answer."""
    service = world.service
    assert all(service.commands), "a command never ended"
    assert not service.at_broker, "a request was never acknowledged"
    answers = world.house.happened(CommandResponse)
    ended = Counter(answer.ref for answer in answers if answer.status != "received")
    ended.update(service.settings_answered)
    wrong = {ref: ended[ref] for ref in service.refs if ended[ref] != 1}
    assert not wrong, f"last answers by request: {wrong}"
    assert service.intake.figures()["queued"] == 0


def _check_file(world: World) -> None:
    """Check that endpoints.json holds the sensors that are in force."""
    in_file = {sensor.eui: sensor for sensor in read(world.house.sensors_file)}
    assert in_file == {sensor.eui: sensor for sensor in world.house.center.sensors}
    assert not world.house.center.sensors.wrong


def _check_silences(world: World) -> None:
    """Check that no sensor is about to be detached, or attached again."""
    silence = world.house.center.silence
    states = {sensor.eui: silence.state(sensor.eui) for sensor in world.house.center.sensors}
    assert "auto-detach pending" not in states.values(), states
    assert not silence._under_way
    gone = {eui for eui, state in states.items() if state == "auto-detached"}
    assert silence._gone == gone, f"{silence._gone} are to be attached when heard, but {gone} are gone"


def _check_kept(world: World) -> None:
    """Check that the journal holds what the service has in memory; what it has of others is stored later."""
    center, kept = world.house.center, world.house.journal.kept()
    assert not kept.requests
    assert kept.attachments == center.attachments._stored
    assert dict(kept.downlinks.queued) == center.downlinks._queued
    for station in center.stations:
        if station.is_online and station.session is not None:
            stored = kept.sessions[station.eui]
            assert {op_id for op_id, _ in stored.open_operations} == set(station.session.open_requests)
            assert stored.last_bs_op_id == station.session.last_bs_op_id


def _check_rests(world: World) -> None:
    """Check that nothing is under way any more."""
    center = world.house.center
    left: dict[str, object] = {
        "changes untold": center.over_the_air._untold,
        "requests over the air": center.over_the_air._under_way,
        "attachments": center.attachments._coming,
        "turns": center._turns._locks,
        "happenings": center.downlinks._worker.waiting,
        "revocations": center.downlinks._revoking._open,
        "windows": center.deduplication.open_windows,
        "stations that wait": center.downlinks._worker._blocked,
        "searches": center.downlinks._searches or center.downlinks._missed_stations,
        "timers": [
            call for call in world.house.clock.getDelayedCalls() if not isinstance(call.func, LoopingCall)
        ],
    }
    for station in center.stations:
        if station.is_online and station.session is not None:
            left |= {
                f"answers of {station.eui}": bool(station.unstored),
                f"operations of {station.eui}": station.session._received,
                f"commands at {station.eui}": station.propagation._waiting or station.propagation._asked_for,
                f"tries at {station.eui}": station.propagation._busy or station.propagation._put_off,
                f"requests at {station.eui}": station.propagation._asking or station.propagation._newest,
                f"orders for {station.eui}": station.propagation.outstanding,
            }
    assert not any(left.values()), {what: rest for what, rest in left.items() if rest}


def _check_downlinks(world: World) -> None:
    """Check that no downlink came to life again."""
    states: dict[int, list[str]] = {}
    for event in world.house.happened(DownlinkStatus):
        states.setdefault(event.queue_id, []).append(event.status)
    for queue_id, of_one in states.items():
        for before, after in pairwise(of_one):
            assert after in FOLLOWING[before], f"downlink {queue_id}: {of_one}"


def _check_uplinks(world: World) -> None:
    """Check that every uplink that was answered is published, and once."""
    uplinks = world.house.uplinks()
    assert len({uplink.id for uplink in uplinks}) == len(uplinks)
    found = Counter((uplink.end_point_eui, uplink.packet_counter, uplink.payload) for uplink in uplinks)
    for heard in world.heard:
        message = heard.message
        key = (eui_from_int(message.epEui), message.packetCnt, bytes(message.userData))
        most = 1 + heard.beginnings if not world.has_forgotten else len(uplinks)
        assert not heard.answered or 1 <= found[key] <= most, f"uplink {key} published {found[key]} times"


def _check_sinks(world: World) -> None:
    """Check that every sink has taken each event once since the start, in their order."""
    since = _since(world)
    for name, sink in world.service.sinks.items():
        events = sink.missed + since
        assert sink.taken == events, f"sink {name} took {len(sink.taken)} of {len(events)} events"


def _downlinks(world: World, eui: EUI) -> Any:
    async def asked() -> Any:
        return await world.house.center.downlinks.of(eui)

    return world.house.do(asked())


def report(world: World) -> dict[str, Any]:
    """Return what the service knows, as a restart must leave it."""
    center = world.house.center
    known: dict[str, Any] = {
        "queued": center.downlinks.queued,
        "unknown": {each.end_point_eui: each for each in center.unknown_sensors()},
        "stations": {each.base_station_eui: (each.name, each.vendor) for each in center.station_states()},
    }
    for sensor in center.sensors:
        of_sensor = world.house.do(center.sensor_report(sensor.eui))
        downlinks = [msgspec.to_builtins(each) for each in _downlinks(world, sensor.eui)]
        for each in downlinks:
            if each["state"] == "queued":
                del each["base_station_eui"]  # at a restart it may move to a better one
        known[sensor.eui] = {
            "registration": of_sensor["registration"],
            "activity": {key: it for key, it in of_sensor["activity"].items() if key not in PASSING},
            "signal": {each["base_station_eui"]: each["snr"] for each in of_sensor["signal"]},
            "downlinks": {each["queue_id"]: each for each in downlinks},
        }
    return known


def differences(before: object, after: object, place: str = "") -> list[str]:
    """Return what differs in two trees of dicts, and where."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [] if before == after else [f"{place}: {before!r} became {after!r}"]
    keys = dict.fromkeys([*before, *after])
    found = [differences(before.get(key), after.get(key), f"{place}/{key}") for key in keys]
    return [difference for each in found for difference in each]
