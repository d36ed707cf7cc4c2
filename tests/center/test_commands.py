"""Attach, detach, configure and remove, for one sensor and for many."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, maybeDeferred
from twisted.logger import capturedLogs

from bssci.journal import StorageError
from bssci.model import EUI, DownlinkRequest, Sensor, parse_sensor, sensor_to_json
from bssci.model.commands import DONE, Actor, CommandError, Outcomes
from bssci.model.sensor_edit import SensorEdit
from bssci.wire.messages import AttPrp, AttPrpRsp, DetPrp, DetPrpRsp
from tests.support.center import KEY, TESTER, House, Line, result_of, sensor_entry, sensor_eui

HERE, THERE = EUI("CAFE000000000001"), EUI("CAFE000000000002")
ONE, TWO, NOBODY = EUI(sensor_eui(1)), EUI(sensor_eui(2)), EUI("0" * 15 + "9")


@pytest.fixture
def house(make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("bssci.center.service_center.deferToThread", maybeDeferred)
    return make_house(3)


@pytest.fixture
def lines(house: House) -> list[Line]:
    """Two stations, which hold every sensor."""
    both = [Line(house), Line(house, int(THERE, 16))]
    for line in both:
        line.connect()
        line.answer_everything()
    return both


def obey(house: House, *lines: Line) -> list[AttPrp | DetPrp]:
    """Stations answer what they were told about sensors; all of it, as long as more comes."""
    seen: list[AttPrp | DetPrp] = []
    while True:
        house.settle()
        asked = [(line, told) for line in lines for told in (*line.take(AttPrp), *line.take(DetPrp))]
        if not asked:
            return seen
        for line, told in asked:
            seen.append(told)
            answer = AttPrpRsp if isinstance(told, AttPrp) else DetPrpRsp
            line.say(answer(opId=told.opId))


def begin(command: Any) -> Deferred[Any]:
    return ensureDeferred(command)


def test_sensors_that_were_removed_meanwhile_do_not_keep_others_from_being_cleared(house: House) -> None:
    done = [begin(house.commands.remove([ONE], TESTER)), *(begin(house.commands.clear(TESTER)) for _ in "12")]
    house.settle()
    for each in done:
        result_of(each)
    assert house.center.sensors.euis() == []


def test_many_at_once_everywhere(house: House, lines: list[Line]) -> None:
    euis = [EUI(sensor_eui(number)) for number in (1, 2, 3)]
    detaching = begin(house.commands.detach(euis, TESTER))
    assert len(obey(house, *lines)) == 6
    assert result_of(detaching) == Outcomes({eui: {HERE: DONE, THERE: DONE} for eui in euis})
    assert not any(house.center.attachments.is_attached(eui) for eui in euis)
    attaching = begin(house.commands.attach(euis, TESTER))
    assert len(obey(house, *lines)) == 6
    assert result_of(attaching) == Outcomes({eui: {HERE: DONE, THERE: DONE} for eui in euis})


def test_a_station_that_was_away_detaches_when_it_is_back(house: House, lines: list[Line]) -> None:
    lines[1].lose()
    removing = begin(house.commands.remove([ONE], TESTER))
    obey(house, lines[0])
    assert result_of(removing) == Outcomes({ONE: {HERE: DONE}}, [THERE])
    assert ONE not in house.center.sensors
    house.crash()
    back = Line(house, int(THERE, 16))
    back.connect()
    assert [told.epEui for told in back.take(DetPrp)] == [int(ONE, 16)]
    assert not back.take(AttPrp)


def test_another_key_is_told_to_every_station(house: House, lines: list[Line]) -> None:
    changed = parse_sensor(sensor_entry(1, nwKey="F" * 32))
    changing = begin(house.commands.configure(changed, TESTER))
    told = obey(house, *lines)
    assert [request.nwkSnKey for request in told] == [[255] * 16] * 2
    assert result_of(changing) == Outcomes({ONE: {HERE: DONE, THERE: DONE}})


def test_a_sensor_detached_by_command_that_is_configured_anew_is_attached(
    house: House, lines: list[Line]
) -> None:
    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    begin(house.commands.configure(parse_sensor(sensor_entry(1)), TESTER))
    assert [type(told) for told in obey(house, *lines)] == [AttPrp, AttPrp]
    assert house.center.attachments.is_attached(ONE)


@pytest.mark.parametrize(("again", "told"), [(True, [AttPrp, AttPrp]), (False, [])])
def test_what_stations_do_not_see_is_changed_with_or_without_attaching_again(
    house: House, lines: list[Line], again: bool, told: list[type]
) -> None:
    unseen = parse_sensor(sensor_entry(1, name="Cellar", tags=["a"], autoDetach=False))
    changing = begin(house.commands.configure(unseen, TESTER, again=again))
    assert [type(request) for request in obey(house, *lines)] == told
    assert bool(result_of(changing)) is again
    assert house.center.sensors.get(ONE) == unseen


def test_a_detached_sensor_is_attached_even_if_only_its_name_changes(house: House, lines: list[Line]) -> None:
    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    changing = begin(
        house.commands.configure(parse_sensor(sensor_entry(1, name="Cellar")), TESTER, again=False)
    )
    assert [type(told) for told in obey(house, *lines)] == [AttPrp, AttPrp]
    assert result_of(changing) == Outcomes({ONE: {HERE: DONE, THERE: DONE}})


def test_changes_of_one_sensor_at_the_same_time_are_all_made(house: House, lines: list[Line]) -> None:
    def with_(**changes: Any) -> Callable[[Sensor | None], Sensor]:
        def make(known: Sensor | None) -> Sensor:
            assert known is not None
            return parse_sensor(sensor_to_json(known) | changes)

        return make

    changing = [
        begin(house.commands.change_sensor(ONE, with_(**changes), TESTER, again=False))
        for changes in ({"name": "Cellar"}, {"tags": ["a"]}, {"autoDetach": False})
    ]
    obey(house, *lines)
    for each in changing:
        result_of(each)
    sensor = house.center.sensors.get(ONE)
    assert sensor is not None
    assert (sensor.name, list(sensor.tags), sensor.auto_detach) == ("Cellar", ["a"], False)


def test_commands_for_one_sensor_are_done_in_order(house: House, lines: list[Line]) -> None:
    new = parse_sensor({"eui": NOBODY, "nwKey": KEY, "shortAddr": "0009", "bidi": False})
    doing = [
        begin(command)
        for command in (
            house.commands.configure(new, TESTER),
            house.commands.detach([NOBODY], TESTER),
            house.commands.attach([NOBODY], TESTER),
            house.commands.remove([NOBODY], TESTER),
        )
    ]
    told = obey(house, *lines)
    assert [type(request) for request in told[::2]] == [AttPrp, DetPrp, AttPrp, DetPrp]
    for command in doing:
        assert result_of(command) == Outcomes({NOBODY: {HERE: DONE, THERE: DONE}})


@pytest.mark.parametrize("command", ["attach", "detach", "remove", "sensor_report"])
def test_an_unknown_sensor(house: House, lines: list[Line], command: str) -> None:
    if command == "sensor_report":
        asked = begin(house.center.sensor_report(EUI(NOBODY)))
    else:
        asked = begin(getattr(house.commands, command)([ONE, NOBODY], TESTER))
    house.settle()
    with pytest.raises(CommandError) as raised:
        result_of(asked)
    assert (raised.value.code, raised.value.field) == ("unknown_sensor", "eui")
    assert not lines[0].take(DetPrp) and not lines[0].take(AttPrp)
    assert house.center.attachments.is_attached(ONE)


def test_done_means_on_disk(house: House, lines: list[Line]) -> None:
    attaching = begin(house.commands.detach([ONE], TESTER))
    house.settle()
    for line in lines:
        for told in line.take(DetPrp):
            line.give(DetPrpRsp(opId=told.opId))
    house.clock.advance(0)
    assert not attaching.called
    house.settle()
    assert result_of(attaching)


def test_a_disk_that_is_full_changes_nothing(house: House, lines: list[Line]) -> None:
    house.journal.broken = True
    detaching = begin(house.commands.detach([ONE], TESTER))
    house.settle()
    house.journal.broken = False
    with pytest.raises(CommandError) as raised:
        result_of(detaching)
    assert raised.value.code == "unavailable"
    assert house.center.attachments.is_attached(ONE)


def test_a_file_that_cannot_be_written_changes_nothing(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    monkeypatch.setattr("bssci.center.devices.endpoints.write", refuse)
    removing = begin(house.commands.remove([ONE], TESTER))
    house.settle()
    with pytest.raises(CommandError) as raised:
        result_of(removing)
    assert raised.value.code == "unavailable"
    assert ONE in house.center.sensors
    house.crash()
    assert ONE in house.center.sensors and not house.center.attachments.is_attached(ONE)


def refused(house: House, command: Any) -> CommandError:
    doing = begin(command)
    house.settle()
    with pytest.raises(CommandError) as raised:
        result_of(doing)
    return raised.value


@pytest.mark.parametrize("by_hand", [json.dumps([sensor_entry(1), sensor_entry(9)]), "[ half an ed", None])
def test_a_file_that_was_changed_by_hand_is_not_overwritten(
    house: House, lines: list[Line], by_hand: str | None
) -> None:
    house.sensors_file.unlink()
    if by_hand is not None:
        house.sensors_file.write_text(by_hand)
    before = list(house.center.sensors)
    with capturedLogs() as told:
        error = refused(
            house, house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER)
        )
    assert error.code == "conflict" and "SIGHUP" in error.message
    assert [event["log_level"].name for event in told] == ["info", "warn", "warn"]
    assert refused(house, house.commands.remove([ONE], TESTER)).code == "conflict"
    assert list(house.center.sensors) == before
    assert by_hand == (house.sensors_file.read_text() if house.sensors_file.exists() else None)
    assert not lines[0].take(AttPrp) and not lines[0].take(DetPrp)


def test_what_was_changed_by_hand_is_kept_by_commands_after_a_reload(house: House, lines: list[Line]) -> None:
    house.sensors_file.write_text("[ half an ed")
    assert refused(house, house.commands.reload_sensors(TESTER)).code == "invalid"
    assert refused(house, house.commands.remove([ONE], TESTER)).code == "conflict"
    house.configure([sensor_entry(1), sensor_entry(9)])
    begin(house.commands.reload_sensors(TESTER))
    obey(house, *lines)
    for number in (7, 8):
        configuring = begin(house.commands.configure(parse_sensor(sensor_entry(number)), TESTER))
        obey(house, *lines)
        assert result_of(configuring)
    kept = [entry["eui"] for entry in json.loads(house.sensors_file.read_text())]
    assert kept == [sensor_eui(number) for number in (1, 9, 7, 8)]


@pytest.mark.parametrize("many", [False, True])
def test_a_change_does_not_undo_what_was_changed_by_hand_while_it_waited(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    reading = Deferred[Any]()

    def run_in_thread(call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done = Deferred[Any]()
        reading.addCallback(lambda _: done.callback(call(*args)))
        return done

    monkeypatch.setattr(house.center.sensors, "_run_in_thread", run_in_thread)
    house.configure([sensor_entry(1, nwKey="F" * 32)])
    reloading = begin(house.commands.reload_sensors(TESTER))
    house.settle()
    commands, edit = house.commands, SensorEdit(add_tags=("roof",))

    def add_tag(known: Sensor | None) -> Sensor:
        assert known is not None
        return edit.apply(known)

    changing = begin(
        commands.edit([ONE], edit, TESTER) if many else commands.change_sensor(ONE, add_tag, TESTER)
    )
    house.settle()
    reading.callback(None)
    obey(house, *lines)
    result_of(reloading)
    with pytest.raises(CommandError, match="changed meanwhile"):
        result_of(changing)
    sensor = house.center.sensors.get(ONE)
    assert sensor is not None and (sensor.network_key, sensor.tags) == (b"\xff" * 16, ())


def test_a_full_disk_refuses_a_change_that_makes_an_attachment_void(house: House, lines: list[Line]) -> None:
    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    file = house.sensors_file.read_text()
    rekeyed = parse_sensor(sensor_entry(1, nwKey="F" * 32))
    house.journal.broken = True
    for command in (house.commands.configure(rekeyed, TESTER), house.commands.remove([ONE], TESTER)):
        assert refused(house, command).code == "unavailable"
    assert house.sensors_file.read_text() == file
    assert house.center.attachments.wanted(ONE) is None and ONE in house.center.sensors
    house.configure([entry for entry in json.loads(file) if entry["eui"] != ONE])
    assert refused(house, house.commands.reload_sensors(TESTER)).code == "unavailable"
    assert ONE in house.center.sensors
    house.journal.broken = False
    house.sensors_file.write_text(file)
    changing = begin(house.commands.configure(rekeyed, TESTER, again=False))
    assert [type(told) for told in obey(house, *lines)] == [AttPrp, AttPrp]
    assert result_of(changing) == Outcomes({ONE: {HERE: DONE, THERE: DONE}})
    house.crash()
    assert house.center.attachments.wanted(ONE) == rekeyed


def test_a_disk_that_fills_up_after_the_entry_changes_nothing(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record(*_: object) -> None:
        """The disk is full right after this."""
        house.journal.broken = True

    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    monkeypatch.setattr(house.center.audit, "record", record)
    house.configure([sensor_entry(2)])
    for command in (
        house.commands.reload_sensors(TESTER),
        house.commands.attach([ONE], TESTER),
        house.commands.detach([TWO], TESTER),
    ):
        assert refused(house, command).code == "unavailable"
        house.journal.broken = False
    assert ONE in house.center.sensors and house.center.attachments.wanted(ONE) is None
    assert house.center.attachments.is_attached(TWO)


def test_what_is_written_is_told_when_a_full_disk_has_room_again(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def record(*_: object) -> None:
        """The disk is full right after this."""
        house.journal.broken = True

    monkeypatch.setattr(house.center.audit, "record", record)
    house.configure([sensor_entry(2, nwKey="F" * 32), sensor_entry(3)])
    reloading = begin(house.commands.reload_sensors(TESTER))
    house.advance(31.0)
    house.journal.broken = False
    assert result_of(reloading).detach == [ONE]
    house.advance(6.0)
    told = [(type(request), request.epEui) for request in obey(house, lines[0])]
    assert sorted(told, key=str) == [(AttPrp, int(sensor_eui(2), 16)), (DetPrp, int(ONE, 16))]


def test_a_command_that_is_in_force_succeeds_though_the_stations_answers_cannot_be_stored(
    house: House, lines: list[Line]
) -> None:
    detaching = begin(house.commands.detach([ONE], TESTER))
    house.settle()
    house.journal.broken = True
    obey(house, *lines)
    house.advance(1.0)
    house.journal.broken = False
    assert result_of(detaching) == Outcomes({ONE: {HERE: DONE, THERE: DONE}})
    house.crash()
    assert not house.center.attachments.is_attached(ONE)
    back = Line(house)
    back.connect()
    assert [told.epEui for told in back.take(DetPrp)] == [int(ONE, 16)]


def test_an_attach_that_cannot_be_stored_begins_no_silence(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    before = house.center.silence.standing(ONE)
    house.advance(5.0)
    monkeypatch.setattr(house.journal.tables, "apply", lambda *_, **__: fail(StorageError("disk full")))
    assert refused(house, house.commands.attach([ONE], TESTER)).code == "unavailable"
    assert house.center.silence.standing(ONE) == before
    monkeypatch.undo()
    begin(house.commands.attach([ONE], TESTER))
    obey(house, *lines)
    assert house.center.silence.standing(ONE).silent_since == house.now()


def test_a_sensor_that_is_new_is_not_found_detached(house: House, lines: list[Line]) -> None:
    begin(house.commands.detach([ONE], TESTER))
    obey(house, *lines)
    entries = json.loads(house.sensors_file.read_text())
    house.configure([entry for entry in entries if entry["eui"] != ONE])
    house.crash()
    house.configure(entries)
    reloading = begin(house.commands.reload_sensors(TESTER))
    house.settle()
    result_of(reloading)
    assert house.center.attachments.get(ONE) is None
    house.crash()
    assert house.center.attachments.is_attached(ONE)


def test_a_report_tells_what_stations_hold(house: House, lines: list[Line]) -> None:
    asked = begin(house.center.sensor_report(ONE))
    house.settle()
    report = result_of(asked)
    registration = report["registration"]
    assert registration["attached"] is True and registration["over_the_air"] is False
    assert {eui: each["state"] for eui, each in registration["base_stations"].items()} == {
        HERE: "attached",
        THERE: "attached",
    }
    assert report["activity"]["state"] == "never seen"
    assert report["preferred_path"] is None


# the audit log


def audited(house: House) -> list[tuple[str, str, str]]:
    """Action, target and detail, oldest first; all of the tester."""
    reading = begin(house.center.audit.read())
    house.settle()
    entries = result_of(reading)["entries"]
    assert {(entry["who"], entry["address"]) for entry in entries} <= {("tester", "192.0.2.7")}
    return [(entry["action"], entry["target"], entry["detail"]) for entry in reversed(entries)]


def test_every_change_is_in_the_audit_log_under_the_name_of_whoever_asked(
    house: House, lines: list[Line]
) -> None:
    by = Actor("tester", "web", "192.0.2.7")
    new, one = parse_sensor(sensor_entry(7, name="cellar", bidi=True)), EUI(ONE)
    for command in (
        lambda: house.commands.configure(new, by),
        lambda: house.commands.configure(parse_sensor(sensor_entry(7, name="attic", bidi=True)), by),
        lambda: house.commands.import_([parse_sensor(sensor_entry(8)), new], by),
        lambda: house.commands.detach([one], by),
        lambda: house.commands.attach([one, new.eui], by),
        lambda: house.commands.queue_downlink(DownlinkRequest(end_point_eui=new.eui, data=(b"x",)), by),
        lambda: house.commands.revoke_downlink(new.eui, 1, by),
        lambda: house.commands.reload_sensors(by),
        lambda: house.commands.settings.change_remotely({"STATUS_INTERVAL": 60}, by),
        lambda: house.commands.remove([one], by),
        lambda: house.commands.clear(by),
    ):
        cleared = house.center.sensors.euis()
        done = begin(command())
        obey(house, *lines)
        result_of(done)
    assert audited(house) == [
        ("sensor.add", new.eui, "cellar"),
        ("sensor.update", new.eui, "name: cellar → attic"),
        ("sensor.import", "", f"1 added, 1 changed: {sensor_eui(8)}, {new.eui}"),
        ("sensor.detach", ONE, ""),
        ("sensor.attach", "", f"2 sensors: {ONE}, {new.eui}"),
        ("downlink.queue", new.eui, "queId 1"),
        ("downlink.revoke", new.eui, "queId 1"),
        ("sensor.reload", "", ""),
        ("config.change", "STATUS_INTERVAL", "300 → 60"),
        ("sensor.remove", ONE, ""),
        ("sensor.clear", "", f"4 sensors: {', '.join(cleared)}"),
    ]


def test_a_command_that_fails_after_its_entry_says_so_there(house: House) -> None:
    house.sensors_file.write_text("[ half an ed")
    by = Actor("tester", "web", "192.0.2.7")
    assert refused(house, house.commands.reload_sensors(by)).code == "invalid"
    first, second = audited(house)
    assert first == ("sensor.reload", "", "")
    assert second[:2] == (f"{first[0]}.failed", first[1]) and "endpoints.json" in second[2]


def test_what_cannot_be_recorded_does_not_happen(
    house: House, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.journal.audit, "append", lambda entry: fail(StorageError("disk full")))
    for command in (
        house.commands.detach([ONE], TESTER),
        house.commands.remove([ONE], TESTER),
        house.commands.configure(parse_sensor(sensor_entry(1, nwKey="F" * 32)), TESTER),
        house.commands.reload_sensors(TESTER),
    ):
        assert refused(house, command).code == "unavailable"
    assert obey(house, *lines) == []
    assert house.center.attachments.is_attached(ONE)


def test_a_downlink_that_cannot_be_recorded_is_neither_queued_nor_revoked(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, one = make_house([sensor_entry(1, bidi=True)]), ONE
    request = DownlinkRequest(end_point_eui=one, data=(b"x",))
    house.do(house.commands.queue_downlink(request, TESTER))
    monkeypatch.setattr(house.journal.audit, "append", lambda entry: fail(StorageError("disk full")))
    for command in (
        lambda: house.commands.queue_downlink(request, TESTER),
        lambda: house.commands.revoke_downlink(one, 1, TESTER),
    ):
        with pytest.raises(CommandError, match="cannot be stored now"):
            house.do(command())
    assert house.center.downlinks.queued == 1


def test_a_device_is_not_made_without_room_for_its_files(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bssci.certificates.provisioning.hold_room", full)
    for command in (house.commands.renew_provisioned, house.commands.revoke_provisioned):
        with pytest.raises(CommandError, match="No space left"):
            house.do(command("roof", TESTER))
    with pytest.raises(CommandError, match="No space left"):
        house.do(house.commands.provision("roof", TESTER))
    assert house.audited() == []


def test_a_change_without_room_for_the_file_is_not_in_the_audit_log(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before, sensor = house.audited(), parse_sensor(sensor_entry(7))
    monkeypatch.setattr("bssci.center.devices.sensors.hold_room", full)
    commands: list[Callable[[], Any]] = [
        lambda: house.commands.configure(sensor, TESTER),
        lambda: house.commands.import_([sensor], TESTER),
        lambda: house.commands.clear(TESTER),
    ]
    for command in commands:
        with pytest.raises(CommandError, match="endpoints.json: No space left"):
            house.do(command())
    assert house.audited() == before
