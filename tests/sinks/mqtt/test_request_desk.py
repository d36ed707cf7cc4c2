from __future__ import annotations

from typing import Any

import pytest

from tests.sinks.mqtt.sink_house import STATION, SinkHouse


def test_what_is_too_large_to_be_taken_in_is_refused_where_it_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = SinkHouse(monkeypatch)
    it.sink.start()
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr(it.sink._requests._of_sensors, "too_large", lambda *skipped: told.append(skipped))
    monkeypatch.setattr(it.sink._requests._of_stations, "too_large", lambda *skipped: told.append(skipped))
    it.accept()
    for topic in ("mioty/ep/70B3D56770110001/dl", f"mioty/bs/{STATION}/vm/cmd"):
        it.broker.publish(topic, bytes(2_000_000))
    assert told == [
        ("mioty/ep/70B3D56770110001/dl", 2_000_000, False),
        (f"mioty/bs/{STATION}/vm/cmd", 2_000_000),
    ]


@pytest.mark.parametrize(
    ("topic", "taken"),
    [
        (f"mioty/bs/{STATION}/vm/cmd", "_of_stations"),
        ("mioty/ep/70B3D56770110001/cmd", "_of_sensors"),
        ("mioty/config/get", "_of_sensors"),
    ],
)
def test_each_request_is_taken_by_whom_it_is_for(
    monkeypatch: pytest.MonkeyPatch, topic: str, taken: str
) -> None:
    it = SinkHouse(monkeypatch)
    came: list[tuple[str, str]] = []
    for name in ("_of_sensors", "_of_stations"):
        part = getattr(it.sink._requests, name)
        monkeypatch.setattr(part, "received", lambda message, name=name: came.append((name, message.topic)))
    it.sink.start()
    it.accept()
    it.broker.publish(topic, b"{}")
    assert came == [(taken, topic)]


@pytest.mark.parametrize(
    ("topic", "who"),
    [("ep/70B3D56770110001/cmd", "_of_sensors"), ("config/set", "_of_sensors"), ("bs/x/vm", "_of_stations")],
)
def test_a_request_of_an_earlier_run_is_carried_out_by_whom_it_is_for(
    monkeypatch: pytest.MonkeyPatch, topic: str, who: str
) -> None:
    desk = SinkHouse(monkeypatch).sink._requests
    assert desk._who_carries_out(topic) == getattr(desk, who).carry_out
    assert desk._who_carries_out("elsewhere") is None
