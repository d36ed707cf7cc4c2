"""bssci.stations.variable_mac: commands to a station, its telegrams, and stations that have no such thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bssci.model import Subpackets, VariableMacUplink
from bssci.model.commands import AWAY, DONE, UNANSWERED, Outcome
from bssci.stations.station import Station
from bssci.stations.variable_mac import ANSWER_TIME, MacTypes
from bssci.wire import fields as wire_fields
from bssci.wire import messages as m
from bssci.wire import variable_mac as vm
from bssci.wire.codec import Codec, Encoding
from bssci.wire.errors import ErrorCode, ProtocolError
from tests.stations.air_house import NOW, STATIONS, AirHouse
from tests.support.center import result_of
from tests.support.wire import pack

HERE, THERE, _ = STATIONS


@pytest.fixture
def house(tmp_path: Path, whole_service: None) -> Iterator[AirHouse]:
    with closing(AirHouse(tmp_path)) as house:
        house.connect(HERE)
        yield house


@pytest.fixture
def station(house: AirHouse) -> Station:
    return house.station(HERE)


def telegram(**changes: Any) -> vm.VmUlData:
    fields: dict[str, Any] = {
        "macType": 2,
        "userData": [15, 0x44, 0x2D],
        "trxTime": 123,
        "sysTime": 1_700_000_000_000_000_000,
        "freqOff": 868_950_000.0,
        "snr": 11.5,
        "rssi": -90.25,
        "eqSnr": 12.0,
        "subpackets": wire_fields.Subpackets(snr=[1.0], rssi=[-90.0], frequency=[868e6]),
        "carrSpace": 1,
        "pattGrp": 2,
        "pattNum": 3,
        "crc": [4, 5],
    }
    return vm.VmUlData(opId=1, **(fields | changes))


def asked(house: AirHouse) -> list[m.Message]:
    return house.links[HERE].of(vm.VmActivate, vm.VmDeactivate, vm.VmStatus)


def test_activate_and_deactivate(house: AirHouse, station: Station) -> None:
    timers = len(house.clock.getDelayedCalls())
    activated = house.center.variable_mac.activate(station, 2)
    house.settle()
    (request,) = asked(house)
    assert isinstance(request, vm.VmActivate)
    assert request.macType == 2
    assert house.say(HERE, vm.VmActivateRsp(opId=request.opId)) == [vm.VmActivateCmp(opId=request.opId)]
    assert result_of(activated) == DONE

    deactivated = house.center.variable_mac.deactivate(station, 2)
    house.settle()
    house.say(HERE, vm.VmDeactivateRsp(opId=request.opId - 1))
    assert result_of(deactivated) == DONE
    assert len(house.clock.getDelayedCalls()) == timers


def test_a_station_says_which_macs_it_receives(house: AirHouse, station: Station) -> None:
    status = house.center.variable_mac.status(station)
    house.settle()
    house.say(HERE, vm.VmStatusRsp(opId=asked(house)[0].opId, macTypes=[2, 7]))
    assert result_of(status) == MacTypes("done", mac_types=(2, 7))


def test_the_same_question_goes_out_once(house: AirHouse, station: Station) -> None:
    answers = [house.center.variable_mac.status(station) for _ in range(3)]
    house.settle()
    (request,) = asked(house)
    house.say(HERE, vm.VmStatusRsp(opId=request.opId, macTypes=[]))
    assert {result_of(answer) for answer in answers} == {MacTypes("done")}


def test_without_an_answer_the_command_ends_all_the_same(house: AirHouse, station: Station) -> None:
    activated = house.center.variable_mac.activate(station, 2)
    house.settle()
    house.clock.advance(ANSWER_TIME)
    assert result_of(activated) == UNANSWERED
    house.say(HERE, vm.VmActivateRsp(opId=asked(house)[0].opId))
    house.center.variable_mac.activate(station, 2)
    house.settle()
    assert len(asked(house)) == 2
    house.clock.advance(ANSWER_TIME)


def test_a_station_that_is_away_is_not_asked(house: AirHouse, station: Station) -> None:
    house.lose(HERE)
    assert result_of(house.center.variable_mac.activate(station, 2)) == AWAY


@pytest.mark.parametrize("code", [ErrorCode.ENOTSUP, ErrorCode.EINVAL])
def test_a_station_that_refuses_is_not_asked_again_on_this_connection(
    house: AirHouse, station: Station, code: ErrorCode
) -> None:
    activated = house.center.variable_mac.activate(station, 2)
    house.settle()
    answers = house.say(HERE, m.Error(opId=asked(house)[0].opId, code=int(code), message="what?"))
    assert [type(answer) for answer in answers] == [m.ErrorAck]
    assert result_of(activated) == Outcome("failed", int(code), "what?")
    assert result_of(house.center.variable_mac.status(station)).state == "failed"
    house.settle()
    assert len(asked(house)) == 1

    house.lose(HERE)
    house.connect(HERE)
    house.center.variable_mac.status(station)
    house.settle()
    assert len(asked(house)) == 1, "another connection, perhaps other software"
    house.clock.advance(ANSWER_TIME)


def test_a_busy_station_may_be_asked_again(house: AirHouse, station: Station) -> None:
    house.center.variable_mac.activate(station, 2)
    house.settle()
    house.say(HERE, m.Error(opId=asked(house)[0].opId, code=int(ErrorCode.EAGAIN), message="busy"))
    house.center.variable_mac.activate(station, 2)
    house.settle()
    assert len(asked(house)) == 2
    house.clock.advance(ANSWER_TIME)


def test_commands_issued_before_a_crash_are_answered_after_it(house: AirHouse, station: Station) -> None:
    house.center.variable_mac.activate(station, 2)
    house.settle()
    house.crash()
    house.connect(HERE)
    (request,) = asked(house)
    assert house.say(HERE, vm.VmActivateRsp(opId=request.opId)) == [vm.VmActivateCmp(opId=request.opId)]


def test_a_telegram_is_stored_before_it_is_answered(house: AirHouse, station: Station) -> None:
    station.receive([telegram()])
    assert house.links[HERE].of(vm.VmUlDataRsp) == []
    house.settle()
    assert house.links[HERE].of(vm.VmUlDataRsp) == [vm.VmUlDataRsp(opId=1)]
    (event,) = house.happened(VariableMacUplink)
    assert event == VariableMacUplink(
        at=NOW,
        base_station_eui=HERE,
        mac_type=2,
        payload=bytes([15, 0x44, 0x2D]),
        trx_time=123,
        system_time=1_700_000_000_000_000_000,
        frequency=868_950_000.0,
        snr=11.5,
        rssi=-90.25,
        equivalent_snr=12.0,
        subpackets=Subpackets(snr=[1.0], rssi=[-90.0], frequency=[868e6]),
        carrier_spacing=1,
        pattern_group=2,
        pattern_number=3,
        crc=[4, 5],
        device=f"vm:{HERE}",
    )


def test_a_telegram_that_cannot_be_stored_stays_at_the_station(house: AirHouse) -> None:
    house.journal.broken = True
    (answer,) = house.say(HERE, telegram())
    assert isinstance(answer, m.Error)
    assert answer.code == ErrorCode.EAGAIN
    house.journal.broken = False
    assert house.happened(VariableMacUplink) == []


@pytest.mark.parametrize("command", ["rc.ulData", "vm.x"])
def test_other_sub_channels_are_not_supported(house: AirHouse, command: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        Codec(Encoding.MESSAGEPACK).decode(pack({"command": command, "opId": 1}))
    (answer,) = house.say(HERE, caught.value)
    assert isinstance(answer, m.Error)
    assert (answer.opId, answer.code) == (1, ErrorCode.ENOTSUP)
    assert [type(answer) for answer in house.say(HERE, m.Ping(opId=2))] == [m.PingRsp]
