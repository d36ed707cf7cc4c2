"""What is an alarm, and what is none."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from bssci.center.alarms import conditions
from bssci.center.alarms.conditions import MANY, MAX_OF_KIND, CertificateSpan, Condition, bounded
from bssci.center.devices.endpoints import WrongEntry
from bssci.center.silence.standing import Standing
from bssci.journal import RefusedConnection, Usage
from bssci.model import EUI
from bssci.model.events import GatewayState, StationState
from bssci.model.sensor import parse_sensor
from bssci.stations.causes import UNTRUSTED_SERVER
from tests.support.center import House, Line, sensor_entry

NOW = 1_700_000_000.0
ROOT = Path(__file__).parents[3]


def texts(found) -> list[str]:
    return [each.text for each in found]


def test_stations_that_went_are_offline_since_then_or_since_the_start(house: House) -> None:
    stations = house.center.stations
    line = Line(house)
    line.connect()
    assert not list(conditions.of_stations(stations, lambda eui: False, NOW, 60))
    line.lose()
    [condition] = conditions.of_stations(stations, lambda eui: False, house.now() - 5, 60)
    assert condition.text == "Base station CAFE000000000001 is offline"
    line.station.change_state(name="Roof")
    [condition] = conditions.of_stations(stations, lambda eui: False, house.now() - 5, 60)
    assert condition.text == "Base station Roof (CAFE000000000001) is offline"
    assert (condition.id, condition.since) == ("station-offline:CAFE000000000001", house.now())
    [condition] = conditions.of_stations(stations, lambda eui: False, house.now() + 5, 60)
    assert condition.since == house.now() + 5
    assert not list(conditions.of_stations(stations, lambda eui: True, NOW, 60))


def test_many_protocol_errors_within_ten_minutes(house: House) -> None:
    line = Line(house)
    line.connect()
    faults = line.station.faults
    for number in range(10):
        faults.note("received", 71, "", NOW + 30 * number)
    assert list(conditions.of_protocol_errors(house.center.stations, NOW + 400))
    assert not list(conditions.of_protocol_errors(house.center.stations, NOW + 900))


def test_a_station_that_comes_and_goes(house: House) -> None:
    stations = house.center.stations
    line = Line(house)
    for count in range(1, 7):
        line.connect()
        line.lose()
        found = list(conditions.of_unsteady_stations(stations, lambda eui: False, house.now()))
        assert len(found) == (count == 6)
        line = Line(house)
    assert texts(found) == ["Base station CAFE000000000001 keeps losing its connection"]
    assert not list(conditions.of_unsteady_stations(stations, lambda eui: True, house.now()))
    assert not list(conditions.of_unsteady_stations(stations, lambda eui: False, house.now() + 660))


def refusal(**more: object) -> RefusedConnection:
    values = {"key": "k", "address": "192.0.2.1", "reason": "it was revoked", "count": 1, "first_at": NOW}
    return RefusedConnection(**{**values, "at": NOW, **more})


def refused(
    *found: RefusedConnection, now: float = NOW, state: str = "offline", since: float = 0.0
) -> list[str]:
    return texts(
        conditions.of_refusals(
            found, now, lambda eui: StationState(at=since, base_station_eui=eui, state=state)
        )
    )


def test_a_refused_station_counts_and_a_scanner_does_not() -> None:
    station = EUI("CAFE000000000001")
    found = refused(refusal(base_station_eui=station), refusal(), now=NOW + 10)
    assert found == ["CAFE000000000001 is refused: it was revoked"]
    assert refused(refusal(subject="CN=x"))
    assert not refused(refusal(base_station_eui=station), now=NOW + 1000)
    assert refused(refusal(reason=UNTRUSTED_SERVER))
    assert not refused(refusal(base_station_eui=station, reason="it is blocked"))


def test_a_station_that_got_in_since_is_refused_no_more() -> None:
    named = refusal(base_station_eui=EUI("CAFE000000000001"))
    assert not refused(named, now=NOW + 10, state="online", since=NOW + 5)
    # It was in, and is away again for another reason.
    assert not refused(named, now=NOW + 10, state="offline", since=NOW + 7)
    # Somebody else speaks in the name of one that is online.
    assert refused(named, now=NOW + 10, state="online", since=NOW - 5) == [
        "A connection that calls itself CAFE000000000001, which is online, is refused: it was revoked"
    ]


@pytest.mark.parametrize(
    ("state", "words"),
    [("active", None), ("warning", "is silent"), ("auto-detached", "was detached because it is silent")],
)
def test_a_silent_or_detached_sensor_is_a_condition_and_an_active_one_is_none(
    state, words: str | None
) -> None:
    condition = conditions.of_sensor(parse_sensor(sensor_entry()), Standing(state, 1.0, None, NOW))
    assert (condition is None) == (words is None)
    assert condition is None or (words in condition.text and condition.since == NOW)


def sink(**more: object) -> dict[str, object]:
    return {"failing": False, "trouble": "", "warning": "", "oldest_seconds": 1.0, **more}


def test_sinks_that_fail_or_are_behind() -> None:
    statistics = {
        "mqtt": sink(failing=True, trouble="refused", oldest_seconds=400.0),
        "log": sink(),
        "file": sink(oldest_seconds=301.0),
        "postgres": sink(warning="nothing is deleted"),
    }
    assert texts(conditions.of_sinks(statistics, 300)) == [
        "mqtt cannot deliver: refused",
        "mqtt is behind: events wait for more than 300 s",
        "file is behind: events wait for more than 300 s",
        "postgres delivers, but something is wrong: nothing is deleted",
    ]


@pytest.mark.parametrize(
    ("undelivered", "severity"), [(79, None), (80, "warning"), (96, "warning"), (97, "error")]
)
def test_the_journal_fills_up(undelivered: int, severity: str | None) -> None:
    usage = Usage(size=100, max_size=100, undelivered=undelivered, unreadable=0)
    assert [each.severity for each in conditions.of_journal(usage, 0)] == ([severity] if severity else [])
    assert "journal-failing" in {each.id for each in conditions.of_journal(usage, 1)}


def test_a_journal_that_fills_up_says_when_it_is_full() -> None:
    usage = Usage(size=100, max_size=100, undelivered=85, unreadable=0)
    [found] = conditions.of_journal(usage, 0, ", full in 2.5 days")
    text = "The journal is more than 80 % full of events that sinks have yet to take, full in 2.5 days"
    assert found.text == text
    assert "full in" not in "".join(each.text for each in conditions.of_journal(usage, 1, ", full in 1 h"))


def test_certificates_that_end() -> None:
    day = 86400.0
    ends = [
        CertificateSpan("server", "Service center", 0.0, NOW + 29 * day),
        CertificateSpan("ca", "Authority", 0.0, NOW - day),
        CertificateSpan("x", "X", 0.0, NOW + 31 * day),
        CertificateSpan("early", "Early", NOW + day, NOW + 31 * day, "/stations/early"),
    ]
    found = list(conditions.of_certificates(ends, NOW, 30))
    assert [(each.id, each.severity, each.href) for each in found] == [
        ("certificate-ends:server", "warning", "/certificates"),
        ("certificate-ends:ca", "error", "/certificates"),
        ("certificate-ends:early", "error", "/stations/early"),
    ]
    assert texts(found) == [
        "Service center: the certificate expires on 2023-12-13",
        "Authority: the certificate expired on 2023-11-13",
        "Early: the certificate is valid only from 2023-11-15",
    ]


def test_wrong_entries_resting_decoders_and_closed_ports() -> None:
    wrong = WrongEntry(3, None, "eui must be 16 hexadecimal digits", "{}")
    assert "the first: entry 3" in texts(conditions.of_wrong_entries([wrong]))[0]
    trouble = "endpoints.json: is not valid JSON"
    assert trouble in texts(conditions.of_wrong_entries([wrong], trouble))[0]
    assert trouble in texts(conditions.of_wrong_entries([], trouble))[0]
    assert not texts(conditions.of_wrong_entries([]))
    report = {"resting": [{"decoder": "a/b", "reason": "too slow"}], "problems": ["x.json: bad"]}
    assert [each.id for each in conditions.of_decoders(report)] == ["decoder-rests:a%2Fb", "decoder-unusable"]
    assert not list(conditions.of_decoders(None))
    assert texts(conditions.of_listening(False)) and not texts(conditions.of_listening(True))


def test_of_many_at_once_one_stands_for_all() -> None:
    found = [Condition(f"a:{number}", "warning", f"{number} is bad", f"/a/{number}") for number in range(500)]
    known = {f"a:{number}" for number in (3, 4)}
    shown = list(bounded([*found, Condition("b", "error", "b", "/")], known))
    assert [each.id for each in shown] == ["a:3", "a:4", f"a:{MANY}", "b"]
    assert shown[2].text == "0 is bad, and 499 more like it" and shown[2].href == "/a"
    assert len(list(bounded(found[:MAX_OF_KIND], ()))) == MAX_OF_KIND


def test_gateways_and_sources() -> None:
    states = [
        GatewayState(at=NOW, gateway="roof/1", gateway_kind="scanner", state=state, reason="silent")
        for state in ("online", "offline")
    ]
    [condition] = conditions.of_gateways(states)
    assert (condition.id, condition.since) == ("gateway-offline:roof%2F1", NOW)
    assert condition.text == "Scanner roof/1 is offline: silent"
    found = conditions.of_sources({"mqtt": {"trouble": "no broker"}, "kafka": {"trouble": ""}})
    assert texts(found) == ["The source mqtt delivers nothing: no broker"]


def test_ways_that_tell_nobody() -> None:
    channels = [
        conditions.ChannelState("mail", "ALARM_MAIL_HOST and ALARM_MAIL_TO", "550 no such user"),
        conditions.ChannelState("webhook", "ALARM_WEBHOOK_URL", ""),
    ]
    [condition] = conditions.of_channels(channels)
    assert (condition.id, condition.href) == ("alarms-not-told:mail", "/config#ALARM_MAIL_HOST")
    assert condition.text == "Alarms are not sent by mail: 550 no such user"


def test_devices_whose_certificates_end() -> None:
    found = list(conditions.of_provisioned([(NOW - 1, "roof"), (NOW + 1, "wall")], NOW))
    assert [(each.id, each.text) for each in found] == [
        ("device-certificate-ends:roof", "Device roof: the certificate has expired"),
        ("device-certificate-ends:wall", "Device wall: the certificate expires soon"),
    ]
    assert found[0].href == "/provisioned/roof"
    assert texts(conditions.of_device_registry("x.json: is damaged")) == [
        "The registry of devices cannot be read: x.json: is damaged"
    ]
    assert texts(conditions.of_device_registry("")) == []


def test_every_kind_is_documented_and_every_documented_one_is_a_kind() -> None:
    kinds = set(re.findall(r'Condition\(\s*f?"([a-z-]+)[:"]', Path(conditions.__file__).read_text()))
    text = (ROOT / "docs" / "operations.md").read_text()
    _, _, rows = text.partition("| Kind | When |\n")
    documented = {
        kind
        for row in rows.partition("\n\n")[0].splitlines()
        for kind in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    assert kinds == documented


def test_a_log_file_that_cannot_be_written_is_told_of_where_it_can_be_read() -> None:
    [found] = conditions.of_log("No space left on device")
    assert (found.id, found.severity) == ("log-failing", "warning") and "No space left" in found.text
    assert list(conditions.of_log("")) == []


def test_files_that_somebody_changed_and_that_cannot_be_used() -> None:
    [found] = conditions.of_unused_settings("PORT='x'")
    assert found.id == "settings-unusable" and "PORT='x'" in found.text
    [found] = conditions.of_unused_certificates(
        SimpleNamespace(trouble=trouble) for trouble in ("", "server.pem: no PEM", "other")
    )
    assert found.id == "certificates-unusable" and "server.pem: no PEM" in found.text
    assert not list(conditions.of_unused_settings("")) and not list(
        conditions.of_unused_certificates([SimpleNamespace(trouble="")])
    )
