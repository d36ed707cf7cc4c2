"""Retained states at the broker; what the sink makes of them is in test_sink."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from bssci.model import EUI, GatewayState, StationState
from bssci.mqtt.values import MessagesRefused, Publication, Received
from bssci.sinks.mqtt.present import PresentStates
from bssci.sinks.mqtt.states import RetainedStates
from tests.sinks.mqtt.sink_house import STATION, Center, state

SPARE = Publication("mioty/service/status", b"")
ROOF = GatewayState(at=7.0, gateway="roof", gateway_kind="scanner", state="online")
ROOF_TOPIC, STATION_TOPIC = "mioty/gateway/scanner/roof/state", f"mioty/bs/{STATION}/state"


class Client:
    """A connection that takes everything."""

    def __init__(self) -> None:
        self.online = True
        self.sent: list[Publication] = []
        self.filters: list[str] = []

    def publish(self, messages: Sequence[Publication]) -> Deferred[None]:
        self.sent += messages
        return succeed(None)

    def subscribe(self, topics: Sequence[str], *, alone: bool) -> None:
        self.filters += topics

    def unsubscribe(self, topics: Sequence[str]) -> None:
        self.filters.clear()


class Fixture:
    def __init__(self) -> None:
        self.center, self.client, self.retain = Center(), Client(), True
        self.states = RetainedStates(
            Clock(),
            self.center,
            "mioty",
            self.client,
            self.client.publish,
            PresentStates(self.client.publish, lambda: SPARE, self.refused, lambda: None),
            lambda: self.retain,
            lambda failure, messages: None,
        )
        self.states.start()

    def refused(self, messages: Sequence[Publication], error: MessagesRefused) -> None: ...

    def sent(self) -> list[tuple[str, object]]:
        """Topics, and the EUI that each message names."""
        sent, self.client.sent = self.client.sent, []
        return [(each.topic, each.payload and json.loads(each.payload)["sc_eui"]) for each in sent]


def test_present_states_name_who_publishes_them() -> None:
    it = Fixture()
    it.center.gateways = [ROOF]
    it.states.connected()
    assert it.sent() == [(STATION_TOPIC, it.center.eui), (ROOF_TOPIC, it.center.eui)]
    it.center.change(state("online"))
    assert it.sent() == [(STATION_TOPIC, it.center.eui)]


def test_a_state_that_is_skipped_is_not_published_when_it_changes_either() -> None:
    it = Fixture()
    it.states._present._skipped.add(STATION_TOPIC)
    it.states.connected()
    it.center.change(state("online"))
    assert it.sent() == []


def test_what_an_earlier_run_left_is_cleared_unless_it_is_known() -> None:
    it = Fixture()
    it.states.connected()
    it.sent()
    other = StationState(at=1.0, base_station_eui=EUI("CAFE000000000009"), state="online")
    for topic, kept in (
        (STATION_TOPIC, True),
        (ROOF_TOPIC, False),
        ("mioty/bs/CAFE000000000009/state", False),
    ):
        it.states.received(Received(topic, b'{"sc_eui": "0200000000000001"}', retained=True))
        assert it.sent() == ([] if kept else [(topic, b"")])
    it.center.states.append(other)
    it.states.received(
        Received("mioty/bs/CAFE000000000009/state", b'{"sc_eui": "0200000000000001"}', retained=True)
    )
    assert it.sent() == []


def test_nothing_is_cleared_or_fetched_where_nothing_may_be_retained() -> None:
    it = Fixture()
    it.retain = False
    it.states.connected()
    it.sent()
    for forget in it.center.of_forgotten:
        forget(state("offline"))
    assert it.sent() == [] and it.client.filters == []
    it.retain = True
    it.center.states = []
    it.states.connected()
    assert it.sent() == [(STATION_TOPIC, b"")] and it.client.filters


def test_after_a_stop_nobody_is_watched() -> None:
    it = Fixture()
    it.states.connected()
    it.states.stop()
    assert it.center.watchers == it.center.of_forgotten == []
