from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from bssci.cli.absent_center import AbsentCenter
from bssci.sinks import ISink
from bssci.sinks.mqtt import plugin
from bssci.sinks.mqtt.plugin import MqttSinkFactory
from bssci.sinks.mqtt.settings import NAMES
from tests.support.settings import settings_of


def values(**settings: str) -> dict[str, Any]:
    built = settings_of(settings)
    return {name: built.value(name) for name in NAMES}


def test_it_can_be_built_without_a_service_center_to_see_whether_it_can() -> None:
    assert verifyObject(ISink, MqttSinkFactory().build(values(), AbsentCenter()))


def test_an_embedded_broker_whose_port_is_taken_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "cannot_listen", lambda host, port: f"{host}:{port} is taken")
    embedded = values(**{"mqtt-broker": "embedded", "mqtt-port": "1884"})
    with pytest.raises(ValueError, match=r"^MQTT_PORT=1884: .*127\.0\.0\.1:1884 is taken.*set MQTT_PORT"):
        MqttSinkFactory().build(embedded, AbsentCenter())
    MqttSinkFactory().build(values(**{"mqtt-port": "1884"}), AbsentCenter())
