"""Settings of the source mqtt: what is allowed, and the connection that they say."""

from __future__ import annotations

import pytest

from bssci.settings.rows import SettingsError
from bssci.sources.mqtt.settings import GROUP, client_settings
from tests.support.telegrams import settings_of


@pytest.mark.parametrize("text", ["a/b#", "a/#/b", "+a", "a/b+", ",", "x" * 600, "a\tb"])
def test_filters_that_mqtt_does_not_allow(text: str) -> None:
    with pytest.raises(SettingsError, match="SOURCE_MQTT_TOPICS"):
        settings_of(SOURCE_MQTT_TOPICS=text)


def test_filters_are_taken_once_each() -> None:
    found = settings_of(SOURCE_MQTT_TOPICS=" a/# , b/+/c,a/#").value("SOURCE_MQTT_TOPICS")
    assert found == ("a/#", "b/+/c")


def test_the_broker_of_our_own_is_the_sinks() -> None:
    settings = settings_of(
        SOURCES="mqtt", SINKS="mqtt", MQTT_BROKER="embedded", SOURCE_MQTT_BROKER="embedded",
        SOURCE_MQTT_PORT="1883",
    )  # fmt: skip
    client = client_settings(settings.values(), "name")
    assert (client.host, client.port, client.client_id) == ("127.0.0.1", 1883, "name")
    assert not list(GROUP.places(settings.values()))
    with pytest.raises(SettingsError, match="needs the sink mqtt with MQTT_BROKER=embedded"):
        settings_of(SOURCES="mqtt", SINKS="log", SOURCE_MQTT_BROKER="embedded")
    with pytest.raises(SettingsError, match="the embedded broker listens on MQTT_PORT=1884"):
        settings_of(
            SOURCES="mqtt", SINKS="mqtt", MQTT_BROKER="embedded", MQTT_PORT="1884",
            SOURCE_MQTT_BROKER="embedded",
        )  # fmt: skip


def test_a_connection_with_a_password() -> None:
    settings = settings_of(SOURCE_MQTT_USERNAME="u", SOURCE_MQTT_PASSWORD="p", SOURCE_MQTT_CLIENT_ID="c")
    client = client_settings(settings.values(), "name")
    assert (client.username, client.password, client.client_id, client.qos) == ("u", "p", "c", 1)
