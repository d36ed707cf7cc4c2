"""The settings of a connection to a broker, as the MQTT client takes them."""

from __future__ import annotations

from dataclasses import replace

from bssci.mqtt.values import MqttSettings
from bssci.settings.groups import Values

EMBEDDED = "embedded"
"""broker's name that stands for our own, beside the service"""


def connection_settings(values: Values, prefix: str) -> MqttSettings:
    """Return the settings of a connection; the embedded broker needs neither a user nor TLS.

    :param prefix: begins the name of each setting: ``MQTT_``.
    """
    embedded = values[f"{prefix}BROKER"] == EMBEDDED
    settings = MqttSettings(
        host="127.0.0.1" if embedded else values[f"{prefix}BROKER"],
        port=values[f"{prefix}PORT"],
        qos=values[f"{prefix}QOS"],
        client_id=values[f"{prefix}CLIENT_ID"],
        # The embedded broker does not answer a CONNECT of MQTT 5.
        version="3.1.1" if embedded else values[f"{prefix}VERSION"],
        starts_with_us=embedded,
        prefix=prefix,
    )
    if embedded:
        return settings
    return replace(
        settings,
        username=values[f"{prefix}USERNAME"],
        password=values[f"{prefix}PASSWORD"],
        tls=values[f"{prefix}TLS"],
        ca_file=str(values[f"{prefix}CA_FILE"] or ""),
        cert_file=str(values[f"{prefix}CERT_FILE"] or ""),
        key_file=str(values[f"{prefix}KEY_FILE"] or ""),
        transport=values[f"{prefix}TRANSPORT"],
        path=values[f"{prefix}PATH"],
    )
