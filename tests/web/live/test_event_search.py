"""Events are found by what their JSON holds, and by what pages show."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bssci.model import AnyEvent, SensorStatus, StationState, StationStatus
from bssci.web.live.event_json import event_dict
from bssci.web.live.event_search import contains, text_of, wanted
from tests.support.journal import reception, uplink
from tests.support.web import EPOCH, SENSOR

STATION = "CAFEBA5E00000001"
NAMES = {SENSOR: 'Meter "7"', STATION: "Dach Süd"}
UPLINK = replace(
    uplink(5), receptions=[replace(reception(5, SENSOR), payload=b"\x01\x02\xfe", base_station_eui=STATION)]
)
ONLINE = StationState(at=EPOCH, base_station_eui=STATION, state="online", resumed=True)
STATUS = StationStatus(at=EPOCH, base_station_eui=STATION, cpu_load=0.5, temperature=-7.25)
REFUSED = SensorStatus(
    at=EPOCH,
    action="attach_failed",
    end_point_eui=SENSOR,
    base_station_eui="CAFEBA5E000000FF",
    message='no "x"',
)


def finds(query: str, event: AnyEvent) -> bool:
    described = event_dict(1, event, lambda eui: NAMES.get(eui, ""))
    return contains(text_of(described), wanted(query))


@pytest.mark.parametrize(
    ("query", "event"),
    [
        ("0102fe", UPLINK),
        ("01 02 FE", UPLINK),
        ("02 fe", UPLINK),
        ("0x0102", UPLINK),
        ("0x01 0x02", UPLINK),
        ("01:02:fe", UPLINK),
        ("01-02", UPLINK),
        ("uplink 5, 3 bytes", UPLINK),
        (SENSOR, UPLINK),
        ("70-B3-D5-67-70-11-00-01", UPLINK),
        ("70:b3:d5:67", UPLINK),
        ("dach süd", UPLINK),
        ('meter "7"', UPLINK),
        ("  Session Resumed ", ONLINE),
        ("station state", ONLINE),
        ("station-state", ONLINE),
        ("CPU 50 %", STATUS),
        ("cpu 50\N{NARROW NO-BREAK SPACE}%", STATUS),
        ("temperature -7.2", STATUS),
        ("temperature \N{MINUS SIGN}7.2", STATUS),
        ('"cpuLoad":0.5', STATUS),
        ('refused: no "x"', REFUSED),
    ],
)
def test_what_is_found(query: str, event: AnyEvent) -> None:
    assert finds(query, event)


@pytest.mark.parametrize(
    ("query", "event"),
    [
        ("01 03", UPLINK),
        ("10 2f", UPLINK),
        ("0x102f", UPLINK),
        ("uplink 6", UPLINK),
        ("dach süd", REFUSED),
        ("station state", STATUS),
        ("-3", UPLINK),
        ("-01", UPLINK),
        ("-70B3D5", UPLINK),
        ("0 1 0", UPLINK),
        ("0xf", UPLINK),
        ("0 10", UPLINK),
    ],
)
def test_what_is_not_found(query: str, event: AnyEvent) -> None:
    assert not finds(query, event)


@pytest.mark.parametrize("query", ["", "   "])
def test_without_a_text_nothing_is_looked_for(query: str) -> None:
    assert wanted(query) == ()


def test_only_the_names_of_those_in_it_go_with_an_event() -> None:
    assert event_dict(1, UPLINK, lambda eui: NAMES.get(eui, ""))["names"] == NAMES
    assert event_dict(1, REFUSED, lambda eui: NAMES.get(eui, ""))["names"] == {SENSOR: 'Meter "7"'}
    assert event_dict(1, UPLINK)["names"] == {}
