from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bssci.mqtt.values import Publication, Received
from bssci.scanner import agent as module
from bssci.scanner.advertisement import HeardAdvertisement
from bssci.scanner.agent import LARGEST_COMMAND, Agent, ended
from bssci.scanner.configuration import ConfigurationError, ScannerConfiguration
from tests.scanner.test_advertisement import UUID, advertisement
from tests.support.log_lines import log_lines

__all__ = ["log_lines"]

STATUS = "bt-mqtt/scanner/roof/status"


class Client:
    def __init__(self, **callbacks: Any) -> None:
        self.callbacks = callbacks
        self.online = False
        self.topics: list[str] = []
        self.published: list[Publication] = []
        self.history = SimpleNamespace(reconnects=3)

    def subscribe(self, topics: Sequence[str]) -> None:
        self.topics += topics

    def start(self) -> None:
        self.online = True
        self.callbacks["on_online"]()

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self.published += messages
        return succeed(None)

    def stop(self, deadline: float, last: Publication) -> Deferred[None]:
        self.published.append(last)
        self.online = False
        return succeed(None)


class Fixture:
    def __init__(self, **parts: dict[str, Any]) -> None:
        self.clock = Clock()
        self.configuration = configured(**parts)
        self.say: Callable[[HeardAdvertisement], None] = lambda advertisement: None
        self.wrong = ""
        self.agent = Agent(
            self.clock, self.configuration, self._reread, self._start, self._make_client, lambda: 1e9
        )
        self.agent.start()

    def _reread(self) -> ScannerConfiguration:
        if self.wrong:
            raise ConfigurationError(self.wrong)
        return self.configuration

    def _start(self, passive: bool, heard: Callable[[HeardAdvertisement], None]) -> Deferred[Any]:
        self.say = heard
        return succeed(SimpleNamespace(stop=lambda: succeed(None)))

    def _make_client(self, **callbacks: Any) -> Client:
        self.client = Client(**callbacks)
        return self.client

    def command(self, body: Any, **how: Any) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.client.callbacks["on_message"](Received("bt-mqtt/command/roof", payload, **how))

    @property
    def raw(self) -> list[dict[str, Any]]:
        return [
            json.loads(each.payload) for each in self.client.published if each.topic == "bt-mqtt/raw/roof"
        ]

    @property
    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(each.payload) for each in self.client.published if each.topic == STATUS]


def configured(**parts: dict[str, Any]) -> ScannerConfiguration:
    return msgspec.convert({"scanner": {"id": "roof"}, **parts}, ScannerConfiguration)


def test_an_advertisement_is_published_once_until_something_is_new() -> None:
    it = Fixture()
    it.say(advertisement())
    it.say(advertisement(rssi=-20))
    it.say(advertisement(service_data={UUID: b"\1\3"}))
    assert [each["device"]["rssi"] for each in it.raw] == [-71, -71]
    assert it.agent.report("online")["metrics"] == {
        "messages_sent": 2,
        "messages_dropped": 0,
        "devices_seen": 1,
        "devices_blocked": 0,
        "advertisements_received": 3,
        "deduplication_rate": 0.3333,
    }


def test_without_thinning_everything_passes() -> None:
    it = Fixture(deduplication={"enabled": False})
    it.say(advertisement())
    it.say(advertisement())
    assert len(it.raw) == 2


def test_who_is_blocked_is_counted_and_not_told() -> None:
    it = Fixture(blocklist={"devices": ["A4:C1:38", "nonsense"]})
    it.say(advertisement())
    assert it.raw == []
    report = it.agent.report("online")
    assert report["metrics"]["devices_blocked"] == 1
    assert (report["config"]["blocklist_count"], report["config"]["wrong_entries"]) == (1, 1)


def test_it_reports_itself_retained_at_once_and_again_and_again() -> None:
    it = Fixture(heartbeat={"interval_seconds": 60})
    assert [each.retain for each in it.client.published] == [True]
    it.clock.advance(60)
    it.clock.advance(60)
    assert [each["status"] for each in it.reports] == ["online"] * 3
    report = it.reports[-1]
    assert report["uptime_seconds"] == 120
    assert report["mqtt"] == {"connected": True, "reconnections": 3}
    assert report["bluetooth"]["status"] == "scanning"
    assert set(report["system"]) == {"memory_usage_mb", "cpu_percent", "platform"}


def test_who_cannot_scan_is_degraded() -> None:
    it = Fixture()
    it.command({"command": "pause"})
    assert (it.reports[-1]["status"], it.reports[-1]["bluetooth"]["status"]) == ("degraded", "stopped")


def test_a_clean_end_says_offline() -> None:
    it = Fixture()
    ended(it.agent)
    assert it.reports[-1]["status"] == "offline"
    assert it.client.published[-1].retain
    assert it.clock.getDelayedCalls() == []


def test_pause_and_resume() -> None:
    it = Fixture()
    assert it.client.topics == ["bt-mqtt/command/roof"]
    it.command({"version": "1.0", "command": "pause", "timestamp": "", "parameters": {}})
    it.say(advertisement())
    assert it.raw == []
    it.command({"command": "resume"})
    it.say(advertisement())
    assert len(it.raw) == 1


def test_the_file_is_read_again_and_a_wrong_one_changes_nothing() -> None:
    it = Fixture()
    it.configuration = configured(blocklist={"devices": ["A4:C1:38"]})
    it.wrong = "mqtt.port: is wrong"
    it.command({"command": "reload_config"})
    it.say(advertisement())
    assert len(it.raw) == 1
    it.wrong = ""
    it.command({"command": "reload_config"})
    it.say(advertisement(name="another"))
    assert len(it.raw) == 1


@pytest.mark.parametrize(
    ("parameters", "passes"),
    [
        ({"devices": ["A4:C1:38"]}, False),
        ({"add": ["A4:C1:38"]}, False),
        ({"remove": ["A4:C1:38:00:00:01"]}, True),
        ({"devices": []}, True),
    ],
)
def test_another_block_list(parameters: dict[str, Any], passes: bool) -> None:
    it = Fixture(blocklist={"devices": ["A4:C1:38:00:00:01"]})
    it.command({"command": "update_blocklist", "parameters": parameters})
    it.say(advertisement())
    assert bool(it.raw) is passes


@pytest.mark.parametrize(
    "body",
    [
        b"no",
        b"\xff",
        [],
        {},
        {"command": "explode"},
        {"command": "pause", "version": "2.0"},
        {"command": "update_blocklist"},
        {"command": "update_blocklist", "parameters": {"devices": "x"}},
        b'{"command": "pause", "parameters": {"x": "' + b"y" * LARGEST_COMMAND + b'"}}',
    ],
)
def test_a_command_that_is_none_changes_nothing(body: Any) -> None:
    it = Fixture()
    it.command(body)
    it.say(advertisement())
    assert len(it.raw) == 1


def test_commands_that_are_none_do_not_fill_the_log(log_lines: list[str]) -> None:
    it = Fixture()
    for _ in range(100):
        it.command(b"[")
        it.command({"command": "pause"}, retained=True)
    assert len([line for line in log_lines if "ignored" in line]) == 20


def test_a_kept_command_is_not_carried_out_at_each_connection() -> None:
    it = Fixture()
    it.command({"command": "pause"}, retained=True)
    it.say(advertisement())
    assert len(it.raw) == 1


def test_the_devices_that_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEVICES", 2)
    it = Fixture()
    for number in range(5):
        it.say(advertisement(address=f"A4:C1:38:00:00:0{number}"))
    assert len(it.agent._seen) == 2
    assert it.agent.report("online")["metrics"]["devices_seen"] == 5
