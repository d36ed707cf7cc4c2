"""Tries whether the MQTT broker of some settings takes us: a connection of its own, closed again at once."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from importlib.util import find_spec
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from bssci.settings import Settings

EMBEDDED = "embedded"
"""as MQTT_BROKER"""
TIME = 5.0
"""s"""


def try_broker(settings: Settings) -> str:
    """What is wrong, one line; empty if all is well. Blocks for some seconds: belongs in a thread.

    Of the embedded broker: whether it could be started.
    """
    if settings.mqtt_broker == EMBEDDED:
        return _embedded_trouble(settings.mqtt_port)
    answers: list[Any] = []
    try:
        client = _client(settings)
        client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
        client.connect(settings.mqtt_broker, settings.mqtt_port)
        end = time.monotonic() + TIME
        while not answers and time.monotonic() < end:
            client.loop(0.2)
        client.disconnect()
    except (OSError, ValueError) as error:
        return f"{settings.mqtt_broker}:{settings.mqtt_port}: {_reason(error)}"
    if not answers:
        return f"{settings.mqtt_broker}:{settings.mqtt_port} did not answer within {TIME:.0f} s"
    return f"the broker refuses: {answers[0]}" if answers[0].is_failure else ""


def _embedded_trouble(port: int) -> str:
    if find_spec("amqtt") is None:
        return "the embedded broker is not installed: pip install bssci[broker]"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return f"amqtt is installed, but port {port} of 127.0.0.1 cannot be used: {_reason(error)}"
    return ""


def _client(settings: Settings) -> Client:
    transport: Any = settings.mqtt_transport
    # Its own name: with the service's, the broker would end the service's connection.
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=f"bssci-trial-{uuid.uuid4().hex[:8]}", transport=transport
    )
    client.connect_timeout = TIME
    if settings.mqtt_username:
        client.username_pw_set(settings.mqtt_username, settings.mqtt_password)
    if settings.mqtt_transport == "websockets":
        client.ws_set_options(path=settings.mqtt_path)
    if settings.mqtt_tls:
        context = ssl.create_default_context(
            cafile=str(settings.mqtt_ca_file) if settings.mqtt_ca_file else None
        )
        if settings.mqtt_cert_file:
            context.load_cert_chain(settings.mqtt_cert_file, settings.mqtt_key_file)
        client.tls_set_context(context)
    return client


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
