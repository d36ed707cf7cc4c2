"""Sensors are announced as they come, and forgotten as they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from twisted.logger import LogEvent, globalLogPublisher

from bssci.model import EUI, Reading, Sensor, Uplink, parse_sensor
from bssci.model.reading import Decoded
from bssci.mqtt.homeassistant import Source
from bssci.mqtt.values import Publication, Received
from bssci.sinks.mqtt.discovery import MAX_MODELS, MAX_VALUES, Discovery, Undo
from tests.support.center import sensor_entry
from tests.support.journal import SENSOR, uplink

OTHER = EUI("FCA84A0300005678")
PREFIX = f"homeassistant/sensor/bssci_{SENSOR}"


class Fixture:
    """Discovery between a broker that keeps messages and sensors that come and go.

    :ivar kept: retained messages by topic.
    """

    def __init__(self, kept: dict[str, bytes] | None = None) -> None:
        self.sensors: dict[EUI, Sensor] = {}
        self.configure(SENSOR, "Cellar")
        self.kept = {} if kept is None else kept
        self.filters: list[str] = []
        self.discovery = Discovery(
            Source("homeassistant", "mioty/service/status", "1.0"),
            self.sensors.get,
            lambda eui: f"mioty/ep/{eui}/ul",
            self._subscribe,
            lambda topics: None,
            self.publish,
            lambda: 0.0,
        )

    def configure(self, eui: EUI, name: str) -> None:
        self.sensors[eui] = parse_sensor(sensor_entry(eui=eui, name=name))

    def _subscribe(self, filters: Sequence[str]) -> None:
        self.filters += filters

    def publish(self, messages: Sequence[Publication]) -> None:
        for each in messages:
            assert each.retain
            if each.payload:
                self.kept[each.topic] = each.payload
            else:
                del self.kept[each.topic]

    def hear(
        self, *readings: Reading, known: bool = True, decoder: str = "meter@1", undo: Undo | None = None
    ) -> list[str]:
        """Topics of what is announced with an uplink."""
        decoded = Decoded(decoder=decoder, readings=readings)
        event: Uplink = msgspec.structs.replace(uplink(1), decoded=decoded, known=known)
        messages = self.discovery.announce(event, {} if undo is None else undo)
        self.publish(messages)
        return [each.topic for each in messages]

    def turn(self) -> None:
        """The broker hands out what was subscribed to."""
        filters, self.filters = self.filters, []
        for filter_ in filters:
            wanted = filter_.split("/")
            for topic, payload in list(self.kept.items()):
                parts = zip(wanted, topic.split("/"), strict=True)
                if all(one in ("+", other) for one, other in parts):
                    assert self.discovery.is_for_us(topic)
                    self.discovery.received(Received(topic, payload, True))


@pytest.fixture
def caught() -> Iterator[list[LogEvent]]:
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


TEMPERATURE, LEAK = Reading("temperature", 21.5, "°C"), Reading("leak", True)


def test_each_value_is_announced_once() -> None:
    it = Fixture()
    assert it.hear(TEMPERATURE) == [
        f"{PREFIX}/{key}/config" for key in ("rssi", "snr", "last_seen", "temperature")
    ]
    assert it.hear(TEMPERATURE) == []
    assert it.hear(TEMPERATURE, LEAK) == [f"homeassistant/binary_sensor/bssci_{SENSOR}/leak/config"]
    assert it.hear(LEAK) == []
    assert it.hear(known=False) == []


def test_another_name_is_told() -> None:
    it = Fixture()
    it.hear(TEMPERATURE)
    it.configure(SENSOR, "Attic")
    assert f"{PREFIX}/temperature/config" in it.hear(TEMPERATURE)
    assert b'"Attic"' in it.kept[f"{PREFIX}/temperature/config"]


def test_another_decoder_is_told_once_also_if_decoders_take_turns() -> None:
    it = Fixture()
    it.hear(TEMPERATURE)
    assert f"{PREFIX}/temperature/config" in it.hear(TEMPERATURE, decoder="meter_v2@1")
    assert b'"meter_v2"' in it.kept[f"{PREFIX}/temperature/config"]
    for _ in range(3):
        assert it.hear(TEMPERATURE) == []
        assert it.hear(TEMPERATURE, decoder="meter_v2@2") == []
    assert it.hear(LEAK) == [f"homeassistant/binary_sensor/bssci_{SENSOR}/leak/config"]


def test_decoders_without_end_are_not_told_without_end() -> None:
    it = Fixture()
    announced = [it.hear(TEMPERATURE, decoder=f"meter{number}@1") for number in range(MAX_MODELS + 5)]
    assert [bool(each) for each in announced] == [True] * MAX_MODELS + [False] * 5


def test_all_is_announced_once_more_when_the_broker_may_have_lost_it() -> None:
    it = Fixture()
    everything = it.hear(TEMPERATURE)
    it.discovery.announce_again()
    assert it.hear(TEMPERATURE) == everything
    assert it.hear(TEMPERATURE) == []


def test_what_was_not_published_is_announced_again_as_it_was() -> None:
    it = Fixture()
    for outdated in (False, True):
        for readings in ((TEMPERATURE,), (TEMPERATURE, LEAK)):
            undo = Undo()
            announced = [it.hear(*readings, undo=undo), it.hear(*readings, undo=undo)]
            it.discovery.take_back(undo)
            assert [it.hear(*readings), it.hear(*readings)] == announced
            assert announced[0] or outdated
        it.discovery.announce_again()


def test_what_others_announce_in_our_names_is_passed_over() -> None:
    topic = f"homeassistant/sensor/bssci_{SENSOR}/x/config"
    it = Fixture({topic: b""})
    for payload in (b"{", b"[]", b'{"a": "\xff"}', b'{"a": ' + b"[" * 100_000, b"{}"):
        it.discovery.received(Received(topic, payload, True))
    assert it.kept == {topic: b""} and it.filters == []


def test_names_without_end_are_not_announced_without_end() -> None:
    it = Fixture()
    it.hear(*(Reading(f"value {number}", 1) for number in range(2 * MAX_VALUES)))
    assert len(it.kept) == MAX_VALUES + 3


def test_a_sensor_that_is_removed_is_forgotten_with_what_earlier_runs_announced() -> None:
    before = Fixture()
    before.hear(TEMPERATURE, LEAK)
    it = Fixture(before.kept)
    it.hear()
    del it.sensors[SENSOR]
    it.discovery.look()
    it.turn()
    assert it.kept == {}
    assert it.hear(TEMPERATURE) == []


def test_one_that_was_removed_meanwhile_is_forgotten_at_the_start() -> None:
    before = Fixture()
    before.hear(TEMPERATURE, LEAK)
    it = Fixture(before.kept)
    it.sensors.clear()
    it.discovery.start()
    it.turn()
    it.turn()
    assert it.kept == {}


def test_what_is_not_ours_is_left_alone() -> None:
    devices: dict[str, bytes] = {
        "zigbee_1": b'{"availability_topic": "mioty/service/status"}',
        f"bssci_{OTHER}": b'{"availability_topic": "another/service/status"}',
        "bssci_nobody": b"{}",
        f"bssci_{SENSOR}": b"\xff",
    }
    kept = {f"homeassistant/sensor/{each}/last_seen/config": said for each, said in devices.items()}
    it = Fixture(dict(kept))
    it.sensors.clear()
    it.discovery.start()
    it.turn()
    it.turn()
    assert it.kept == kept


def test_made_up_sensors_do_not_fill_the_log(caught: list[LogEvent]) -> None:
    it = Fixture()
    for number in range(1000):
        topic = f"homeassistant/sensor/bssci_{number:016X}/last_seen/config"
        it.discovery.received(Received(topic, b'{"availability_topic": "mioty/service/status"}'))
    assert len(caught) == 20
