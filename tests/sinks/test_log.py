from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from bssci.model import EUI, SensorStatus, StationState
from bssci.sinks.log import LogSink, LogSinkFactory
from bssci.sinks.testing_events import every_event, uplink
from bssci.system import logs

STATION = EUI("CAFE000000000001")


@pytest.fixture
def written() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


def level_and_text(events: list[LogEvent]) -> list[tuple[LogLevel, str]]:
    return [(event["log_level"], formatEvent(event)) for event in events]


def test_comings_and_goings_and_refusals_are_told(written: list[LogEvent]) -> None:
    sink = LogSinkFactory().build({}, None)
    refused = SensorStatus(
        at=2.0, action="attach_failed", end_point_eui=EUI("70B3D56770110001"), base_station_eui=STATION,
        code=5, message="no room",
    )  # fmt: skip
    sink.deliver(
        [
            StationState(at=1.0, base_station_eui=STATION, state="offline", reason="cable cut"),
            refused,
            StationState(at=3.0, base_station_eui=STATION, state="online"),
            StationState(at=3.0, base_station_eui=STATION, state="online", attached=7),
            StationState(at=4.0, base_station_eui=STATION, state="online", resumed=True, attached=0),
        ]
    )
    assert level_and_text(written) == [
        (LogLevel.info, f"station offline {STATION} cable cut"),
        (LogLevel.info, f"sensor attach_failed 70B3D56770110001 {STATION} 5 no room"),
        (LogLevel.info, f"station online {STATION} new session"),
        (LogLevel.info, f"sensors attached {STATION} 7"),
        (LogLevel.info, f"station online {STATION} resumed session"),
        (LogLevel.info, f"sensors attached {STATION} 0"),
    ]


@pytest.mark.parametrize(("level", "count"), [("info", 0), ("debug", 1)])
def test_an_uplink_is_a_line_at_debug_level_only(
    written: list[LogEvent], monkeypatch: pytest.MonkeyPatch, level: str, count: int
) -> None:
    monkeypatch.setattr(logs, "is_enabled", lambda asked: level == asked)
    LogSink().deliver([uplink(7)])
    assert [each.split()[0] for _, each in level_and_text(written)] == ["uplink"] * count


def test_every_event_is_delivered(written: list[LogEvent]) -> None:
    assert LogSink().deliver(every_event()).called
