"""Settings by name become those of a connection."""

from __future__ import annotations

from bssci.mqtt.from_settings import connection_settings
from tests.support.settings import settings_of

OPTIONS = {
    "mqtt-broker": "broker.example",
    "mqtt-port": "8883",
    "mqtt-username": "user",
    "mqtt-password": "Pa55word",
    "mqtt-tls": "true",
    "mqtt-ca-file": "ca.pem",
    "mqtt-client-id": "center",
}


def test_each_setting_has_its_place() -> None:
    settings = connection_settings(settings_of(OPTIONS).values(), "MQTT_")
    assert (settings.host, settings.port, settings.client_id) == ("broker.example", 8883, "center")
    assert (settings.username, settings.password) == ("user", "Pa55word")
    assert (settings.tls, settings.ca_file, settings.cert_file) == (True, "ca.pem", "")


def test_the_embedded_broker_is_here_and_knows_nobody() -> None:
    options = OPTIONS | {"mqtt-broker": "embedded", "mqtt-tls": "false", "mqtt-version": "auto"}
    settings = connection_settings(settings_of(options).values(), "MQTT_")
    assert (settings.host, settings.username, settings.ca_file) == ("127.0.0.1", "", "")
    assert settings.version == "3.1.1" and settings.starts_with_us
