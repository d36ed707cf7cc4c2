"""Tries whether the MQTT broker of some settings takes us: a connection of its own, closed again at once."""

from __future__ import annotations

import ssl
import time
import uuid
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from bssci.certificates.reading import CertificateError, read_certificates, read_client_pair
from bssci.settings.groups import Values
from bssci.settings.trial import cannot_listen

EMBEDDED = "embedded"
"""broker's name that stands for our own, beside the service"""
TIME = 5.0
"""s"""
TRIALS = 4
"""trials that run at the same time"""
OTHER_NAME = (62, 64)
"""OpenSSL's numbers for a certificate of another host name, or address"""
CREDENTIALS = ("Bad user name or password", "Not authorized")
"""answers to a wrong password: not every broker tells it from a user who may not connect"""

_trials = BoundedSemaphore(TRIALS)


def try_broker(values: Values, prefix: str) -> str:
    """Return what is wrong, one line; nothing if all is well. Blocks for some seconds: belongs in a thread.

    Of the embedded broker: whether it could be started.

    :param prefix: begins the names of the connection's settings.
    """
    settings = _Values(values, prefix)
    if settings.broker == EMBEDDED:
        trouble = _embedded_trouble(settings.port)
        if not trouble or not _is_broker(settings.port):
            return trouble
        return ""
    try:
        client = _client(settings)
    except CertificateError as error:
        return str(error)
    trouble = _in_time(lambda: _trouble(client, settings), f"{prefix}PORT")
    return trouble and f"{settings.broker}:{settings.port} {trouble}"


class _Values:
    """The values of a connection's settings, and their names for messages."""

    def __init__(self, values: Values, prefix: str) -> None:
        self.prefix = prefix
        self.broker: str = values[f"{prefix}BROKER"]
        self.port: int = values[f"{prefix}PORT"]
        self.username: str = values[f"{prefix}USERNAME"]
        self.password: str = values[f"{prefix}PASSWORD"]
        self.tls: bool = values[f"{prefix}TLS"]
        self.ca_file: Path | None = values[f"{prefix}CA_FILE"]
        self.cert_file: Path | None = values[f"{prefix}CERT_FILE"]
        self.key_file: Path | None = values[f"{prefix}KEY_FILE"]
        self.transport: str = values[f"{prefix}TRANSPORT"]
        self.path: str = values[f"{prefix}PATH"]
        self.client_id: str = values[f"{prefix}CLIENT_ID"]


def _in_time(trial: Callable[[], str], port: str) -> str:
    """Return the trial's finding. A trial that does not end, as with a server that sends a byte now and
    then, is left alone.
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
    return found[0] if found else f"came to no end within {2 * TIME:.0f} s; check {port}"


def _trouble(client: Client, settings: _Values) -> str:
    prefix = settings.prefix
    answers: list[ReasonCode] = []
    client.on_connect = lambda client, userdata, flags, reason, properties: answers.append(reason)
    try:
        client.connect(settings.broker, settings.port)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in OTHER_NAME:
            return f"shows a certificate for another name; set {prefix}BROKER to a name that it holds"
        return f"shows a certificate that is not trusted ({error.verify_message}); check {prefix}CA_FILE"
    except (OSError, ValueError) as error:
        if settings.tls and isinstance(error, (ssl.SSLError, ConnectionResetError)):
            names = f"{prefix}PORT, {prefix}TLS and {prefix}CERT_FILE"
            return f"does not agree on TLS ({_reason(error)}); check {names}"
        return f"does not answer: {_reason(error)}; start it, or set {prefix}BROKER and {prefix}PORT"
    end = time.monotonic() + TIME
    closed = False
    while not answers and not closed and time.monotonic() < end:
        closed = bool(client.loop(0.2))
    client.disconnect()
    if answers:
        return _refusal(answers[0], settings) if answers[0].is_failure else ""
    if not closed:
        return f"said nothing within {TIME:.0f} s; check {prefix}PORT"
    if settings.tls:
        return f"closed the connection; it may want a certificate that it trusts: check {prefix}CERT_FILE"
    return f"closed the connection; it may want TLS: check {prefix}PORT and {prefix}TLS"


def _refusal(reason: ReasonCode, settings: _Values) -> str:
    prefix = settings.prefix
    if str(reason) not in CREDENTIALS:
        return f"refuses: {reason}"
    if not settings.username:
        return f"refuses: {reason}; set {prefix}USERNAME and {prefix}PASSWORD"
    wrong = f"{prefix}USERNAME or {prefix}PASSWORD is wrong"
    return f"refuses: {reason}; {wrong}, or this user may not connect"


def _embedded_trouble(port: int) -> str:
    if find_spec("amqtt") is None:
        return "the embedded broker is not installed: pip install bssci[broker]"
    reason = cannot_listen("127.0.0.1", port)
    if reason is not None:
        return f"amqtt is installed, but port {port} of 127.0.0.1 cannot be used: {reason}"
    return ""


def _is_broker(port: int) -> bool:
    """Return whether a broker takes connections there: our own, if the service is running."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=_trial_name())
    client.connect_timeout = TIME
    taken: list[bool] = []
    client.on_connect = lambda client, userdata, flags, reason, properties: taken.append(
        not reason.is_failure
    )
    try:
        client.connect("127.0.0.1", port)
        end = time.monotonic() + TIME
        while not taken and not client.loop(0.2) and time.monotonic() < end:
            continue
        client.disconnect()
    except (OSError, ValueError):
        return False
    return taken == [True]


def _trial_name(client_id: str = "") -> str:
    """Return a client identifier that is not the service's, whose connection the broker would end.

    It begins as the service's does, for brokers whose rules go by that.
    """
    return f"{client_id or 'bssci'}-trial-{uuid.uuid4().hex[:8]}"


def _client(settings: _Values) -> Client:
    """:raises CertificateError: naming file and setting."""
    transport: Any = settings.transport
    client = Client(
        CallbackAPIVersion.VERSION2, client_id=_trial_name(settings.client_id), transport=transport
    )
    client.connect_timeout = TIME
    if settings.username:
        client.username_pw_set(settings.username, settings.password)
    if settings.transport == "websockets":
        client.ws_set_options(path=settings.path)
    if settings.tls:
        client.tls_set_context(_tls(settings))
    return client


def _tls(settings: _Values) -> ssl.SSLContext:
    """Return a context as strict as the service's, which takes no name from the subject of a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    if settings.ca_file:
        read_certificates(settings.ca_file, f"{settings.prefix}CA_FILE")
        context.load_verify_locations(settings.ca_file)
    else:
        context.load_default_certs()
    if settings.cert_file and settings.key_file:
        read_client_pair(settings.cert_file, settings.key_file, settings.prefix)
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
