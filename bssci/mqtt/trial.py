"""Trial connections to an MQTT broker, made exactly as the service would make them.

They use the service's own client, client identifier, will, credentials and certificates. While a service
runs with the same settings, the state of its connection is read instead: a second one would end it.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import BoundedSemaphore

import msgspec

from bssci.certificates.reading import CertificateError, read_certificates, read_client_pair
from bssci.mqtt.from_settings import EMBEDDED
from bssci.mqtt.live import LiveState, read_live
from bssci.mqtt.values import MqttSettings, TrialOutcome
from bssci.settings.groups import Values
from bssci.settings.trial import cannot_listen

TIME = 5.0
"""s that a broker has to accept the connection"""
START_TIME = 10.0
"""s that the start of the child process may take in addition"""
TRIALS = 4
"""trials that run at the same time"""
CREDENTIALS = ("Bad user name or password", "Not authorized")
"""answers to a wrong password: not every broker distinguishes it from a user who may not connect"""

_trials = BoundedSemaphore(TRIALS)

Connects = Callable[[Values], MqttSettings]
"""Returns the service's connection settings; without a client identifier if one is drawn at its start."""


def try_broker(values: Values, prefix: str, connects: Connects) -> str:
    """Return what is wrong in one line, or an empty text. Blocks for some seconds: call it in a thread.

    For the embedded broker, this checks that it could be started.

    :param prefix: begins the names of the connection's settings.
    """
    settings = connects(values)
    if values[f"{prefix}BROKER"] == EMBEDDED:
        trouble = _embedded_trouble(settings.port)
        if not trouble or not _is_broker(settings.port):
            return trouble
        return ""
    try:
        _read_files(settings)
    except CertificateError as error:
        return str(error)
    live, runs = read_live(live_path(values, prefix))
    trouble = _trouble(settings, live, runs)
    return trouble and f"{settings.host}:{settings.port} {trouble}"


def live_path(values: Values, prefix: str) -> Path:
    """Return the file in which the service keeps the state of the connection with these settings."""
    directory: Path = values["STATE_DIR"]
    return directory / f"{prefix.lower()}connection.json"


def _trouble(settings: MqttSettings, live: LiveState | None, runs: bool) -> str:
    if live is not None and not settings.client_id:
        settings = replace(settings, client_id=live.client_id)
    if not settings.client_id:
        settings = _beside(settings)
    if live is None or not runs or not live.may_be_ended_by(settings):
        return _in_words(_try(settings), settings)
    if live.has(settings):
        return live.trouble and f"the running service is {live.trouble}"
    # Perhaps the same broker, with other credentials or by another name: never with the service's identifier.
    return _in_words(_try(_beside(settings)), settings)


def _beside(settings: MqttSettings) -> MqttSettings:
    """Return settings for a connection that does not end the service's, and leaves nothing at the broker.

    The client identifier begins with the service's, because some brokers grant rights by its prefix.
    """
    return replace(settings, client_id=_trial_name(settings.client_id), will=None, persistent=False)


def _try(settings: MqttSettings) -> TrialOutcome:
    if not _trials.acquire(blocking=False):
        return TrialOutcome("busy")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "bssci.mqtt.trial_process", "--time", str(TIME)],
            input=msgspec.json.encode(settings),
            capture_output=True,
            timeout=TIME + START_TIME,
            check=False,
        )
        return msgspec.json.decode(ended.stdout, type=TrialOutcome)
    except subprocess.TimeoutExpired:
        return TrialOutcome("silent")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        return TrialOutcome("failed", said[-1] if said else f"status {ended.returncode}")
    finally:
        _trials.release()


def _in_words(outcome: TrialOutcome, settings: MqttSettings) -> str:
    prefix, text = settings.prefix, outcome.text
    match outcome.kind:
        case "accepted":
            return ""
        case "refused":
            return _refusal(text, settings)
        case "taken":
            return (
                "accepted the connection and ended it at once: another client, perhaps another service, uses"
                f" the client identifier {settings.client_id!r}; give each its own {prefix}CLIENT_ID"
            )
        case "other name":
            return f"shows a certificate for another name; set {prefix}BROKER to a name that it holds"
        case "untrusted":
            return f"shows a certificate that is not trusted ({text}); check {prefix}CA_FILE"
        case "tls" if "certificate required" in text:
            return f"requires a client certificate: set {prefix}CERT_FILE and {prefix}KEY_FILE"
        case "tls":
            names = f"{prefix}PORT, {prefix}TLS and {prefix}CERT_FILE"
            return f"does not complete the TLS handshake ({text.removeprefix('TLS: ')}); check {names}"
        case "unreachable":
            return (
                f"does not answer: {_continued(text).rstrip('.')};"
                f" start it, or set {prefix}BROKER (embedded: one of our own) and {prefix}PORT"
            )
        case "silent":
            return f"did not accept the connection within {TIME:.0f} s; check {prefix}PORT"
        case "closed" if settings.tls:
            return (
                "closed the connection; it may want a certificate that it trusts, or speak no TLS there:"
                f" check {prefix}CERT_FILE, {prefix}PORT and {prefix}TLS"
            )
        case "closed":
            return f"closed the connection; it may want TLS: check {prefix}PORT and {prefix}TLS"
        case "busy":
            return f"was not tried: {TRIALS} other trials are under way"
    return f"could not be tried: {text}"


def _refusal(reason: str, settings: MqttSettings) -> str:
    prefix = settings.prefix
    if reason not in CREDENTIALS:
        return f"refuses: {reason}"
    if not settings.username:
        return f"refuses: {reason}; set {prefix}USERNAME and {prefix}PASSWORD"
    wrong = f"{prefix}USERNAME or {prefix}PASSWORD is wrong"
    return f"refuses: {reason}; {wrong}, or this user may not connect"


def _read_files(settings: MqttSettings) -> None:
    """Read the files that TLS needs.

    :raises CertificateError: naming file and setting.
    """
    if settings.tls and settings.ca_file:
        read_certificates(Path(settings.ca_file), f"{settings.prefix}CA_FILE")
    if settings.tls and settings.cert_file:
        read_client_pair(Path(settings.cert_file), Path(settings.key_file), settings.prefix)


def _embedded_trouble(port: int) -> str:
    if find_spec("amqtt") is None:
        return "the embedded broker is not installed: pip install bssci[broker]"
    reason = cannot_listen("127.0.0.1", port)
    if reason is not None:
        return f"amqtt is installed, but port {port} of 127.0.0.1 cannot be used: {reason}"
    return ""


def _is_broker(port: int) -> bool:
    """Return whether a broker takes connections there: our own, if the service is running."""
    return _try(_beside(MqttSettings(host="127.0.0.1", port=port))).kind == "accepted"


def _trial_name(client_id: str) -> str:
    return f"{client_id or 'bssci'}-trial-{uuid.uuid4().hex[:8]}"


def _continued(text: str) -> str:
    """Return a sentence to go on with: its first letter small, unless an abbreviation begins it (DNS)."""
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"
