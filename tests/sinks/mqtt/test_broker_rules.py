"""The sink before a real mosquitto that does not take everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.task import deferLater

from bssci.model import EUI, SensorWarning
from bssci.mqtt import client as client_module
from bssci.mqtt.client import MqttClient, MqttOffline, MqttSettings
from bssci.sinks.mqtt import canary as canary_module
from bssci.sinks.mqtt import echo as echo_module
from bssci.sinks.mqtt import second_chance as second_chance_module
from bssci.sinks.mqtt.refusals import MessagesHeld
from bssci.sinks.mqtt.settings import NAMES
from bssci.sinks.mqtt.sink import MqttSink
from bssci.sinks.mqtt.suspects import LOSSES
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.journal import SENSOR, uplink
from tests.support.settings import settings_of

__all__ = ["mosquitto"]
pytestmark = [pytest.mark.parts, pytest.mark.mosquitto]

Start = Callable[..., Mosquitto]


class Center:
    eui = EUI("0200000000000001")
    version = "1.0"
    started_at = 5.0
    journal = SimpleNamespace()
    configuration = SimpleNamespace(watch=lambda names, watcher: lambda: None)

    def now(self) -> float:
        return 5.0

    def unanswered_requests(self) -> list[Any]:
        return []

    def gateway_states(self) -> list[Any]:
        return []

    def station_states(self) -> list[Any]:
        return []

    def watch_stations(self, watcher: Any) -> Callable[[], None]:
        return lambda: None

    def gateway_state(self, kind: str, id: str) -> None:
        return None

    def watch_forgotten(self, watcher: Any) -> Callable[[], None]:
        return lambda: None

    def announce(self, topic: str, payload: bytes) -> None:
        """Nobody is told."""

    def health(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def make_sink(monkeypatch: pytest.MonkeyPatch):
    """Builds sinks, ended with the test."""
    monkeypatch.setattr(client_module, "FIRST_DELAY", 0.05)
    monkeypatch.setattr(client_module, "LONGEST_DELAY", 0.1)
    monkeypatch.setattr(echo_module, "USUAL_TIME", 0.1)
    monkeypatch.setattr(echo_module, "ECHO_TIME", 0.3)
    monkeypatch.setattr(echo_module, "USUAL_TIME", 0.1)
    monkeypatch.setattr(canary_module, "CANARY_TIME", 0.3)
    monkeypatch.setattr(second_chance_module, "INTERVAL", 0.5)
    sinks: list[MqttSink] = []

    def make(broker: Mosquitto, **options: str) -> MqttSink:
        given = {"mqtt-broker": broker.host, "mqtt-port": str(broker.port)} | {
            name.replace("_", "-"): value for name, value in options.items()
        }
        settings = settings_of(given)
        sinks.append(MqttSink(reactor, {name: settings.value(name) for name in NAMES}, Center()))
        sinks[-1].start()
        return sinks[-1]

    yield make
    for sink in sinks:
        pytest_twisted.blockon(sink.stop())


async def watch(broker: Mosquitto, *topics: str) -> tuple[MqttClient, DeferredQueue]:
    """What arrives at another client: the counters of uplinks, or the messages of these topics."""
    messages, online = DeferredQueue(), Deferred()
    client = MqttClient(
        reactor,
        MqttSettings(host=broker.host, port=broker.port),
        on_online=lambda: online.callback(None),
        on_offline=lambda reason: None,
        on_message=lambda message: messages.put(_of_interest(json.loads(message.payload), topics)),
    )
    client.start()
    await online
    client.subscribe(topics or ["mioty/ep/+/ul"])
    await deferLater(reactor, 0.2)
    return client, messages


def _of_interest(payload: dict[str, Any], topics: tuple[str, ...]) -> Any:
    return payload if topics else payload["cnt"]


@pytest_twisted.ensureDeferred
async def test_a_broker_that_drops_what_it_acknowledges_is_not_delivered_to(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=["topic read #"]))
    delivery = sink.deliver([uplink(1)])
    await deferLater(reactor, 1.0)
    assert not delivery.called
    assert "did not send it back" in sink.trouble
    delivery.addErrback(lambda failure: failure.trap(MqttOffline))


@pytest_twisted.ensureDeferred
async def test_what_a_broker_drops_after_a_change_of_its_rules_is_noticed(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(canary_module, "PROOF_TIME", 0.0)
    broker = mosquitto(acl=["topic readwrite #"])
    sink = make_sink(broker)
    await sink.deliver([uplink(1)])
    broker.change_acl("topic readwrite mioty/service/#", "topic read #")
    await deferLater(reactor, 0.5)
    with pytest.raises(MqttOffline, match="did not send it back"):
        await sink.deliver([uplink(2)])
    broker.change_acl("topic readwrite #")
    await deferLater(reactor, 0.5)
    client, received = await watch(broker)
    await sink.deliver([uplink(2)])
    assert await received.get() == 2
    await client.stop(1.0)


@pytest_twisted.ensureDeferred
async def test_delivery_begins_when_the_broker_no_longer_drops_what_it_acknowledges(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(acl=["topic read #"])
    sink = make_sink(broker)
    delivery = sink.deliver([uplink(1)])
    await deferLater(reactor, 1.0)
    assert not delivery.called
    broker.change_acl("topic readwrite #")
    await delivery.addTimeout(10, reactor)
    assert sink.trouble == ""


@pytest_twisted.ensureDeferred
async def test_a_user_that_may_not_read_can_be_told_so(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=["topic write #"]), mqtt_confirm="false")
    await sink.deliver([uplink(1)]).addTimeout(5, reactor)
    assert sink.trouble == ""


@pytest_twisted.ensureDeferred
async def test_messages_above_the_size_that_the_broker_takes_are_set_aside(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(more=["max_packet_size 2000"])
    watcher, messages = await watch(broker)
    sink = make_sink(broker)
    large = {7, 8, 19}
    batch = [uplink(number, payload=bytes(3000 if number in large else 5)) for number in range(20)]
    for _ in range(LOSSES - 1):
        with pytest.raises(MqttOffline):
            await sink.deliver(batch).addTimeout(10, reactor)
    delivery = sink.deliver(batch)
    while "(" not in sink.trouble:
        await deferLater(reactor, 0.01)
    assert " bytes) is sent alone" in sink.trouble
    await delivery.addTimeout(20, reactor)
    seen = set()
    while seen != set(range(20)) - large:
        seen.add(await messages.get().addTimeout(5, reactor))
    assert sink.set_aside.count == len(large) and "bytes" in sink.set_aside.last_reason
    assert sink.trouble == ""
    await watcher.stop()


# Access rules for a part of the topics

OTHERS_ONLY = ["topic readwrite mioty/service/#", "topic write mioty/ep/+/warning", "topic read mioty/#"]
NO_WARNINGS = ["topic readwrite mioty/service/#", "topic write mioty/ep/+/ul", "topic read mioty/#"]
NO_READING = ["topic write mioty/#"]


def warning() -> SensorWarning:
    return SensorWarning(
        at=1.0,
        end_point_eui=SENSOR,
        inactive_hours=1.0,
        hours_until_detach=2.0,
        warning_threshold_hours=1.0,
        detach_threshold_hours=3.0,
    )


async def outcome_of(delivery: Deferred[None]) -> Any:
    """What a delivery ends with: None or an error."""
    try:
        return await delivery.addTimeout(10, reactor)
    except (MqttOffline, MessagesHeld) as error:
        return error


@pytest_twisted.ensureDeferred
async def test_rules_that_forbid_uplinks_are_found_where_the_birth_is_allowed(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=OTHERS_ONLY))
    assert isinstance(await outcome_of(sink.deliver([uplink(1)])), MqttOffline)
    assert "acknowledged an uplink on mioty/ep/+/ul and did not send it back" in sink.trouble
    assert "but not read" in sink.trouble and "MQTT_CONFIRM=false" in sink.trouble


@pytest_twisted.ensureDeferred
async def test_one_uplink_of_a_connection_proves_the_others(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(acl=NO_WARNINGS)
    watcher, messages = await watch(broker)
    sink = make_sink(broker)
    for counter in range(3):
        assert await outcome_of(sink.deliver([uplink(counter)])) is None
        assert await messages.get().addTimeout(5, reactor) == counter
    assert sink.trouble == ""
    assert not sink._client.listens_to(f"mioty/ep/{SENSOR}/ul")
    await watcher.stop()


@pytest.mark.parametrize("version", ["5", "auto"])
@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_uplinks_that_are_forbidden_wait_and_are_named(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
    version: str,
) -> None:
    sink = make_sink(mosquitto(acl=OTHERS_ONLY), mqtt_version=version)
    held = await outcome_of(sink.deliver([warning(), uplink(1)]))
    assert isinstance(held, MessagesHeld)
    assert str(held) == f"mioty/ep/{SENSOR}/ul: the broker refuses it: not authorized"
    assert sink.trouble.startswith(
        "the broker refuses what is published on mioty/ep/+/ul (not authorized; they wait)"
    )
    assert sink.set_aside.count == 0


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_other_messages_that_are_forbidden_are_set_aside_and_the_rest_is_delivered(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(acl=NO_WARNINGS)
    watcher, messages = await watch(broker)
    sink = make_sink(broker, mqtt_version="5")
    assert await outcome_of(sink.deliver([uplink(1), warning(), uplink(2)])) is None
    assert [await messages.get().addTimeout(5, reactor) for _ in range(2)] == [1, 2]
    assert sink.set_aside.count == 1
    assert f"not authorized: mioty/ep/{SENSOR}/warning" in sink.set_aside.last_reason
    assert "mioty/ep/+/warning (not authorized; they are set aside)" in sink.trouble
    await watcher.stop()


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_what_was_forbidden_is_published_once_it_is_allowed(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(acl=["topic write mioty/ep/+/ul", "topic read mioty/#"])
    watcher, messages = await watch(broker, "mioty/service/status", "mioty/ep/+/warning")
    sink = make_sink(broker, mqtt_version="5")
    assert await outcome_of(sink.deliver([uplink(1), warning()])) is None
    assert "mioty/service/status" in sink.trouble and "mioty/ep/+/warning" in sink.trouble
    broker.change_acl("topic readwrite #")
    got = [(await messages.get().addTimeout(10, reactor)) for _ in range(3)]
    assert {each.get("state") for each in got} == {"online", None}
    assert "inactivity_warning" in {each.get("action") for each in got}
    await deferLater(reactor, 0.2)
    assert sink.trouble == ""
    await watcher.stop()


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_a_user_that_may_not_read_needs_no_setting(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    sink = make_sink(mosquitto(acl=NO_READING), mqtt_version="auto")
    assert await outcome_of(sink.deliver([uplink(1), warning()])) is None
    assert sink.trouble == "" and sink.set_aside.count == 0


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_a_message_that_is_too_large_costs_no_connection(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(more=["max_packet_size 2000"])
    watcher, messages = await watch(broker)
    sink = make_sink(broker, mqtt_version="5")
    batch = [uplink(number, payload=bytes(3000 if number == 7 else 5)) for number in range(20)]
    assert await outcome_of(sink.deliver(batch)) is None
    seen = [await messages.get().addTimeout(5, reactor) for _ in range(19)]
    assert seen == [number for number in range(20) if number != 7]
    assert "packet too large" in sink.set_aside.last_reason
    assert sink._client.history.reconnects == 0
    await watcher.stop()


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_a_message_above_the_broker_s_own_limit_is_set_aside(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    """A limit of which the broker speaks only when it refuses."""
    sink = make_sink(mosquitto(more=["message_size_limit 1000"]), mqtt_version="5")
    batch = [uplink(1), uplink(2, payload=bytes(2000)), uplink(3)]
    assert await outcome_of(sink.deliver(batch)) is None
    assert "packet too large" in sink.set_aside.last_reason
    assert sink._client.history.reconnects == 0


@pytest_twisted.ensureDeferred
async def test_in_mqtt_5_no_more_is_under_way_than_the_broker_takes(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
) -> None:
    broker = mosquitto(more=["max_inflight_messages 3"])
    watcher, messages = await watch(broker)
    sink = make_sink(broker, mqtt_version="5")
    assert await outcome_of(sink.deliver([uplink(number) for number in range(50)])) is None
    assert [await messages.get().addTimeout(5, reactor) for _ in range(50)] == list(range(50))
    assert sink._client.history.reconnects == 0
    await watcher.stop()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest_twisted.ensureDeferred
async def test_another_client_with_our_identifier_is_named(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
    version: str,
) -> None:
    broker = mosquitto()
    sink = make_sink(broker, mqtt_version=version)
    await sink.deliver([uplink(1)]).addTimeout(5, reactor)
    other = make_sink(broker, mqtt_version=version)
    said = ""
    for _ in range(200):
        await deferLater(reactor, 0.02)
        said = sink.trouble or other.trouble
        if "another client" in said:
            break
    assert "the client identifier 'bssci-0200000000000001'" in said


ONE_SENSOR = [
    "topic readwrite mioty/service/#",
    f"topic deny mioty/ep/{SENSOR}/ul",
    "topic readwrite mioty/#",
]


@pytest.mark.parametrize(
    ("version", "reason"), [("3.1.1", "does not send it back"), ("5", "refuses it: not authorized")]
)
@pytest_twisted.ensureDeferred
async def test_rules_that_forbid_one_sensor_do_not_stop_the_others(
    mosquitto: Start,  # noqa: F811
    make_sink: Callable[..., MqttSink],
    version: str,
    reason: str,
) -> None:
    broker = mosquitto(acl=ONE_SENSOR)
    watcher, messages = await watch(broker)
    sink = make_sink(broker, mqtt_version=version)
    batch = [uplink(1), *(uplink(counter, EUI("FCA84A0300005678")) for counter in (2, 3))]
    for _ in range(20):
        if await outcome_of(sink.deliver(batch)) is None:
            break
    assert sink.set_aside.count == 1
    assert f"the broker {reason}: mioty/ep/{SENSOR}/ul" in sink.set_aside.last_reason
    assert sink.trouble == ""
    assert {await messages.get().addTimeout(5, reactor) for _ in range(2)} == {2, 3}
    await watcher.stop()
