"""Which sensors shall be attached, and what is stored of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred

from bssci.center.devices import endpoints
from bssci.center.devices.sensors import Changes
from bssci.center.write_behind import INTERVAL
from bssci.journal import Attachment, StorageError
from bssci.model import EUI, SensorStatus, eui_to_int, parse_sensor
from tests.support.center import STATION, TESTER, House, Line, result_of, sensor_entry, sensor_eui
from tests.support.wire import uplink

ONE, TWO = EUI(sensor_eui(1)), EUI(sensor_eui(2))
SESSION_KEY = bytes(range(16))


@pytest.fixture
def house(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("bssci.center.service_center.deferToThread", maybeDeferred)
    return make_house(2)


def attach_over_the_air(house: House, eui: EUI = ONE, counter: int = 5) -> Deferred[None]:
    return house.center.attachments.attached_over_the_air(
        over_the_air("attached", 1.0, eui),
        session_key=SESSION_KEY,
        short_address=0xABCD,
        attach_counter=counter,
    )


def over_the_air(action: Literal["attached", "detached"], at: float, eui: EUI = ONE) -> SensorStatus:
    station = EUI(f"{STATION:016X}")
    return SensorStatus(at=at, action=action, end_point_eui=eui, base_station_eui=station, over_the_air=True)


def done(house: House, command: object) -> object:
    doing = ensureDeferred(command)  # type: ignore[arg-type]
    house.settle()
    return result_of(doing)


def test_configured_means_attached(house: House) -> None:
    attachments = house.center.attachments
    assert attachments.is_attached(ONE) and attachments.get(ONE) is None
    assert attachments.wanted(ONE) == house.center.sensors.get(ONE)
    assert {eui for eui, _ in attachments.fingerprints()} == {ONE, TWO}
    assert attachments.wanted(EUI("0" * 16)) is None and not attachments.is_attached(EUI("0" * 16))


def test_over_the_air_the_session_key_is_wanted_and_survives(house: House) -> None:
    before = dict(house.center.attachments.fingerprints())
    attach_over_the_air(house)
    house.settle()
    house.crash()
    wanted = house.center.attachments.wanted(ONE)
    assert wanted is not None
    assert (wanted.network_key, wanted.short_address) == (SESSION_KEY, 0xABCD)
    after = dict(house.center.attachments.fingerprints())
    assert after[ONE] != before[ONE] and after[TWO] == before[TWO]


def test_detached_survives_and_the_counter_with_it(house: House) -> None:
    attach_over_the_air(house)
    done(house, house.commands.detach([ONE, TWO], TESTER))
    house.crash()
    attachments = house.center.attachments
    assert attachments.wanted(ONE) is None and not attachments.is_attached(TWO)
    assert list(attachments.fingerprints()) == []
    done(house, house.commands.attach([ONE, TWO], TESTER))
    stored = attachments.get(ONE)
    assert stored is not None
    assert (stored.state, stored.attach_counter, stored.session_key) == ("attached", 5, None)
    assert attachments.wanted(ONE) == house.center.sensors.get(ONE)


def test_another_key_makes_an_attachment_over_the_air_void(house: House) -> None:
    attach_over_the_air(house)
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER))
    house.crash()
    wanted = house.center.attachments.wanted(ONE)
    assert wanted is not None and wanted.network_key == b"\xff" * 16
    assert house.center.attachments.get(ONE) is None


def test_stations_are_told_that_a_sensor_with_another_key_counts_from_0_again(house: House) -> None:
    line = Line(house)
    line.connect()
    line.answer_everything()
    line.say(uplink(1, epEui=eui_to_int(ONE), packetCnt=5000))
    house.advance(3)
    for entry, counter in (({"name": "Cellar"}, 5000), ({"nwKey": "F" * 32}, 0)):
        ensureDeferred(house.commands.configure(parse_sensor(sensor_entry(1, **entry)), TESTER))
        house.settle()
        assert [request.lastPacketCnt for request in line.answer_everything()] == [counter]
    house.crash()
    assert house.center.attachments.last_counter(ONE) == 0


def test_the_same_uplink_of_a_sensor_with_another_key_is_a_new_one(house: House) -> None:
    line = Line(house)
    line.connect()
    for op_id, change in enumerate(({}, {"name": "Cellar"}, {"nwKey": "F" * 32}), 1):
        ensureDeferred(house.commands.configure(parse_sensor(sensor_entry(1, **change)), TESTER))
        house.settle()
        line.answer_everything()
        line.say(uplink(op_id, epEui=eui_to_int(ONE), packetCnt=4))
        house.advance(3)
    assert len(house.uplinks()) == 2


@pytest.mark.parametrize("is_detached", [False, True])
def test_another_key_makes_it_void_also_if_the_service_was_down_when_it_was_entered(
    house: House, is_detached: bool
) -> None:
    line = Line(house)
    line.connect()
    line.say(uplink(1, epEui=eui_to_int(ONE), packetCnt=5000))
    house.advance(3)
    attach_over_the_air(house)
    house.settle()
    if is_detached:
        ensureDeferred(house.commands.detach([ONE], TESTER))
        house.settle()
    before = house.center.attachments.get(ONE)
    house.kill()
    house.configure([sensor_entry(1, name="Cellar"), sensor_entry(2)])
    house.open()
    assert house.center.attachments.get(ONE) == before
    house.kill()
    house.configure([sensor_entry(2)])
    house.open()
    house.kill()
    house.configure([sensor_entry(1, nwKey="F" * 32), sensor_entry(2)])
    house.open()
    attachments = house.center.attachments
    assert attachments.is_attached(ONE) and attachments.get(ONE) is None
    assert attachments.last_counter(ONE) == 0
    house.advance(INTERVAL + 1, step=1.0)
    assert house.journal.kept().attachments == {}


def test_an_attachment_that_an_earlier_version_stored_is_valid(house: House) -> None:
    attach_over_the_air(house)
    house.settle()
    before = house.center.attachments.get(ONE)
    assert before is not None
    house.journal.tables.put([replace(before, key_digest=None)])
    house.settle()
    house.crash()
    assert house.center.attachments.get(ONE) == before
    house.advance(INTERVAL + 1, step=1.0)
    assert house.journal.kept().attachments == {ONE: before}


def test_another_name_changes_nothing_on_the_air(house: House) -> None:
    attach_over_the_air(house)
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, name="cellar")), TESTER))
    wanted = house.center.attachments.wanted(ONE)
    assert wanted is not None and wanted.network_key == SESSION_KEY


def test_what_cannot_be_stored_never_happened(house: House) -> None:
    attach_over_the_air(house)
    house.settle()
    before = house.center.attachments.get(ONE)
    house.journal.broken = True
    failing = [
        attach_over_the_air(house, ONE, 6),
        attach_over_the_air(house, ONE, 7),
        attach_over_the_air(house, TWO, 1),
    ]
    house.settle()
    house.journal.broken = False
    for each in failing:
        with pytest.raises(StorageError):
            result_of(each)
    assert house.center.attachments.get(ONE) == before
    assert house.center.attachments.get(TWO) is None


def test_a_change_is_in_force_once_it_is_on_disk(house: House) -> None:
    attachments = house.center.attachments
    before = dict(attachments.fingerprints())
    ensureDeferred(attachments.detach([ONE], at=1.0))
    attach_over_the_air(house, TWO)
    assert attachments.is_attached(ONE) and dict(attachments.fingerprints()) == before
    assert attachments.newest(ONE).state == "detached"
    house.journal.commit()
    assert not attachments.is_attached(ONE) and attachments.wanted(TWO).network_key == SESSION_KEY


def test_changes_of_one_sensor_at_the_same_time_build_on_each_other(house: House) -> None:
    attachments = house.center.attachments
    attach_over_the_air(house)
    attachments.detached_over_the_air(over_the_air("detached", 2.0), (1, b"sign"))
    ensureDeferred(attachments.attach([ONE], at=3.0))
    house.settle()
    for _ in range(2):
        stored = attachments.get(ONE)
        assert (stored.state, stored.attach_counter, stored.since) == ("attached", 5, 3.0)
        assert attachments.newest(ONE) is stored
        house.crash()
        attachments = house.center.attachments


def test_a_command_for_many_sensors_builds_on_what_comes_over_the_air_meanwhile(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bssci.center.attachments.attachments.SLICE", 1)
    detaching = ensureDeferred(house.center.attachments.detach([ONE, TWO], at=2.0))
    attach_over_the_air(house, counter=7)
    house.clock.advance(0)
    house.clock.advance(0)
    house.settle()
    result_of(detaching)
    stored = house.center.attachments.get(ONE)
    assert (stored.state, stored.attach_counter, stored.since) == ("detached", 7, 2.0)


def test_an_edit_keeps_what_was_attached_over_the_air_and_a_new_key_makes_it_void(house: House) -> None:
    attach_over_the_air(house)
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, bidi=True)), TESTER))
    wanted = house.center.attachments.wanted(ONE)
    assert wanted is not None
    assert (wanted.network_key, wanted.bidirectional) == (SESSION_KEY, True)
    done(house, house.commands.detach([ONE], TESTER))
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, bidi=False)), TESTER))
    stored = house.center.attachments.get(ONE)
    assert stored is not None
    assert (stored.state, stored.attach_counter) == ("attached", 5)
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER))
    assert house.center.attachments.get(ONE) is None


def test_an_attachment_with_the_old_key_while_that_is_replaced_is_void(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn: Deferred[None] = Deferred()

    def run_in_thread(call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        turn.addCallback(lambda _: done.callback(call(*args)))
        return done

    monkeypatch.setattr(house.center.sensors, "_run_in_thread", run_in_thread)
    attach_over_the_air(house)
    house.settle()
    changing = ensureDeferred(house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER))
    house.settle()
    attach_over_the_air(house, counter=6)
    house.settle()
    turn.callback(None)
    house.settle()
    result_of(changing)
    assert house.center.attachments.get(ONE) is None
    house.crash()
    assert house.center.attachments.get(ONE) is None


def test_an_attachment_with_the_old_key_that_is_not_on_disk_yet_is_void(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = endpoints.write

    def write_late(*values: Any) -> bytes:
        version = write(*values)
        attach_over_the_air(house)
        return version

    monkeypatch.setattr(endpoints, "write", write_late)
    done(house, house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER))
    assert house.center.attachments.get(ONE) is None
    house.crash()
    assert house.center.attachments.get(ONE) is None


def test_a_change_of_the_configuration_that_fails_leaves_the_attachments_on_disk(house: House) -> None:
    attach_over_the_air(house)
    house.settle()
    before = house.center.attachments.get(ONE)

    async def change() -> None:
        async with house.center.attachments.recording(Changes([ONE], [], frozenset([ONE])), at=2.0):
            assert house.journal.kept().attachments == {}
            raise OSError("endpoints.json cannot be written")

    with pytest.raises(OSError, match="cannot be written"):
        done(house, change())
    assert house.center.attachments.get(ONE) is before
    house.crash()
    assert house.center.attachments.get(ONE) == before


def test_whoever_asked_for_a_change_that_fails_on_a_full_disk_too_is_told_of_its_own_failure(
    house: House,
) -> None:
    attach_over_the_air(house)
    house.settle()
    before = house.center.attachments.get(ONE)

    async def change() -> None:
        async with house.center.attachments.recording(Changes([ONE], [], frozenset([ONE])), at=2.0):
            house.journal.broken = True
            raise OSError("endpoints.json cannot be written")

    with pytest.raises(OSError, match="cannot be written"):
        done(house, change())
    house.journal.broken = False
    assert house.center.attachments.get(ONE) is before
    house.advance(INTERVAL + 1, step=1.0)
    house.crash()
    assert house.center.attachments.get(ONE) == before


def test_a_change_that_fails_stores_no_attachment_that_cannot_be_stored_itself(house: House) -> None:
    attachments = house.center.attachments
    attach_over_the_air(house)
    house.settle()
    before = attachments.get(ONE)
    writer, queue = house.journal.queues[0]

    async def change() -> None:
        async with attachments.recording(Changes([], [ONE]), at=2.0):
            attaching = attach_over_the_air(house, counter=6)
            attaching.addErrback(lambda failure: failure.trap(StorageError))
            raise OSError("endpoints.json cannot be written")

    changing = ensureDeferred(change())
    writer.serve([queue.pop(0)])
    queue.pop(0).deferred.errback(StorageError("disk full"))
    house.settle()
    with pytest.raises(OSError, match="cannot be written"):
        result_of(changing)
    assert attachments.get(ONE) is before
    house.advance(INTERVAL + 1, step=1.0)
    assert house.journal.kept().attachments == {ONE: before}


def test_a_sensor_that_attaches_while_it_is_deleted_leaves_nothing_although_the_disk_fills_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = endpoints.write

    def write_late(*values: Any) -> bytes:
        version = write(*values)
        attach_over_the_air(house)
        house.settle()
        house.journal.full = True
        return version

    monkeypatch.setattr(endpoints, "write", write_late)
    done(house, house.commands.remove([ONE], TESTER))
    assert house.journal.kept().attachments.keys() == {ONE}
    house.journal.full = False
    house.advance(INTERVAL + 1, step=1.0)
    assert house.center.attachments.get(ONE) is None
    assert house.journal.kept().attachments == {}


def test_what_a_change_stored_on_top_of_what_could_not_be_stored_is_stored_as_it_is_in_force(
    house: House,
) -> None:
    attachments, queue = house.center.attachments, house.journal.queues[0][1]
    detached = attachments.detached_over_the_air(over_the_air("detached", 1.0), (1, b"sign"))

    async def change() -> None:
        async with attachments.recording(Changes([ONE], []), at=2.0):
            """The change itself is not looked at."""

    changing = ensureDeferred(change())
    queue.pop(0).deferred.errback(StorageError("disk full"))
    with pytest.raises(StorageError):
        result_of(detached)
    house.settle()
    result_of(changing)
    assert attachments.get(ONE) is None
    house.advance(INTERVAL + 1, step=1.0)
    assert house.journal.kept().attachments == {}


def test_what_was_not_stored_is_stored_later_beside_what_attaches_meanwhile(house: House) -> None:
    attachments = house.center.attachments
    house.journal.full = True
    done(house, attachments.changed(Changes([], []), at=1.0))
    attachments._late.update([ONE])
    house.journal.full = False
    attaching = attach_over_the_air(house)
    attachments._late.store()
    house.settle()
    result_of(attaching)
    house.advance(INTERVAL + 1, step=1.0)
    assert house.journal.kept().attachments == {ONE: attachments.get(ONE)}


def test_what_was_not_stored_waits_for_no_other_sensor_that_attaches(house: House) -> None:
    attachments = house.center.attachments
    attach_over_the_air(house)
    house.settle()
    # What a change left on the disk that could not be taken back.
    house.journal.tables.apply(Attachment, {ONE: None})
    house.settle()
    attachments._late.update([ONE])
    attach_over_the_air(house, TWO)
    attachments.stop()
    house.settle()
    assert house.journal.kept().attachments.keys() == {ONE, TWO}


def test_the_first_uplink_with_a_key_that_was_entered_while_the_service_was_down_is_a_new_one(
    house: House,
) -> None:
    attach_over_the_air(house)
    house.settle()
    for key in (sensor_entry(1)["nwKey"], "F" * 32):
        house.kill()
        house.configure([sensor_entry(1, nwKey=key), sensor_entry(2)])
        house.open()
        line = Line(house)
        line.connect()
        line.say(uplink(1, epEui=eui_to_int(ONE), packetCnt=0))
        house.advance(3)
    assert len(house.uplinks()) == 2
