"""Tries whether the MQTT broker of some settings takes us: a connection of its own, closed again at once."""

from __future__ import annotations

import socket
import ssl
import time
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from threading import BoundedSemaphore, Thread
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from bssci.certificates.reading import CertificateError, read_certificates, read_client_pair
from bssci.settings.table import Settings

EMBEDDED = "embedded"
"""as MQTT_BROKER"""
TIME = 5.0
"""s"""
TRIALS = 4
"""at a time"""
OTHER_NAME = (62, 64)
"""what OpenSSL calls a certificate for another host name, or address"""
CREDENTIALS = ("Bad user name or password", "Not authorized")
"""answers to a wrong password: not every broker tells it from a user who may not connect"""

_trials = BoundedSemaphore(TRIALS)


def try_broker(settings: Settings) -> str:
    """What is wrong, one line; empty if all is well. Blocks for some seconds: belongs in a thread.

    Of the embedded broker: whether it could be started.
    """
    if settings.mqtt_broker == EMBEDDED:
        return _embedded_trouble(settings.mqtt_port)
    try:
        client = _client(settings)
    except CertificateError as error:
        return str(error)
    trouble = _in_time(lambda: _trouble(client, settings))
    return trouble and f"{settings.mqtt_broker}:{settings.mqtt_port} {trouble}"


def _in_time(trial: Callable[[], str]) -> str:
    """What a trial finds. One that does not come to its end, as with a server that sends a byte now
    and then, is left alone.
    """
    if not _trials.acquire(blocking=False):
        return f"was not tried: {TRIALS} others are under way"
    found: list[str] = []

    def run() -> None:
        try:
            found.append(trial())
        finally:
            _trials.release()

    # A daemon, so that it keeps no process alive.
    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(2 * TIME)
    return found[0] if found else f"came to no end within {2 * TIME:.0f} s; check MQTT_PORT"


def _trouble(client: Client, settings: Settings) -> str:
    answers: list[ReasonCode] = []
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    try:
        client.connect(settings.mqtt_broker, settings.mqtt_port)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in OTHER_NAME:
            return "shows a certificate for another name; set MQTT_BROKER to a name that it holds"
        return f"shows a certificate that is not trusted ({error.verify_message}); check MQTT_CA_FILE"
    except (OSError, ValueError) as error:
        if settings.mqtt_tls and isinstance(error, (ssl.SSLError, ConnectionResetError)):
            return f"does not agree on TLS ({_reason(error)}); check MQTT_PORT, MQTT_TLS and MQTT_CERT_FILE"
        return f"does not answer: {_reason(error)}; start it, or set MQTT_BROKER and MQTT_PORT"
    end = time.monotonic() + TIME
    closed = False
    while not answers and not closed and time.monotonic() < end:
        closed = bool(client.loop(0.2))
    client.disconnect()
    if answers:
        return _refusal(answers[0], settings) if answers[0].is_failure else ""
    if not closed:
        return f"said nothing within {TIME:.0f} s; check MQTT_PORT"
    if settings.mqtt_tls:
        return "closed the connection; it may want a certificate that it trusts: check MQTT_CERT_FILE"
    return "closed the connection; it may want TLS: check MQTT_PORT and MQTT_TLS"


def _refusal(reason: ReasonCode, settings: Settings) -> str:
    if str(reason) not in CREDENTIALS:
        return f"refuses: {reason}"
    if not settings.mqtt_username:
        return f"refuses: {reason}; set MQTT_USERNAME and MQTT_PASSWORD"
    return f"refuses: {reason}; MQTT_USERNAME or MQTT_PASSWORD is wrong, or this user may not connect"


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
    """:raises CertificateError: naming file and setting."""
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
        client.tls_set_context(_tls(settings))
    return client


def _tls(settings: Settings) -> ssl.SSLContext:
    """As strict as the service, which takes no name from the subject of a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    if settings.mqtt_ca_file:
        read_certificates(settings.mqtt_ca_file, "MQTT_CA_FILE")
        context.load_verify_locations(settings.mqtt_ca_file)
    else:
        context.load_default_certs()
    if settings.mqtt_cert_file and settings.mqtt_key_file:
        read_client_pair(settings.mqtt_cert_file, settings.mqtt_key_file, "MQTT_")
        context.load_cert_chain(settings.mqtt_cert_file, settings.mqtt_key_file)
    return context


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
