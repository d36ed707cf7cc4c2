"""The layout decides which messages an event becomes."""

from __future__ import annotations

from types import SimpleNamespace

from bssci.model import EUI, CommandResponse
from bssci.sinks.mqtt.layout import MessageLayout
from tests.support.journal import SENSOR, uplink

CENTER = SimpleNamespace(
    eui=EUI("0200000000000001"), sensor=lambda eui: None, gateway_state=lambda kind, id: None
)


def layout(profile: str) -> MessageLayout:
    return MessageLayout(CENTER, {"BASE_TOPIC": "mioty", "MQTT_PROFILE": profile})


def test_each_profile_has_its_topics() -> None:
    native, center = layout("native"), layout("acmqtti")
    for each in (native, center):
        [message] = each.messages(uplink(1), False)
        assert message.topic == each.uplink_topic(SENSOR)
    assert native.uplink_topic(SENSOR) == f"mioty/ep/{SENSOR}/ul"
    assert center.uplink_topic(SENSOR) == "mioty/02-00-00-00-00-00-00-01/fc-a8-4a-03-00-00-12-34/uplink"
    assert native.downlink_topics() == []
    assert center.downlink_topics()[0] == "mioty/02-00-00-00-00-00-00-01/+/downlink"


def test_an_answer_goes_where_else_it_is_wanted_when_it_is_final() -> None:
    asked = {"at": 1.0, "end_point_eui": SENSOR, "command": "attach", "reply_to": "back", "correlation": b"7"}
    topics = {
        status: [
            each.topic for each in layout("native").messages(CommandResponse(status=status, **asked), False)
        ]
        for status in ("received", "done")
    }
    usual = f"mioty/ep/{SENSOR}/response"
    assert topics == {"received": [usual], "done": [usual, "back"]}
