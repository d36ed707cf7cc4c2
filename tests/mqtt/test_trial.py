"""A broker is tried with a connection of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore, Event, Thread
from types import SimpleNamespace

import pytest

from bssci.mqtt import trial as broker_trial
from bssci.mqtt.live import LiveFile
from bssci.mqtt.trial import try_broker
from bssci.settings.groups import Values
from bssci.sinks.mqtt.settings import client_settings
from tests.mqtt.mosquitto import Mosquitto, mosquitto
from tests.support.settings import settings_of
from tests.support.tls import Authority, TLSFiles, tls_files

__all__ = ["mosquitto", "tls_files"]
pytestmark = pytest.mark.parts

Start = Callable[..., Mosquitto]


def settings_for(port: int, **more: object) -> Values:
    options = {"mqtt-broker": "127.0.0.1", "mqtt-port": port}
    options |= {name.replace("_", "-"): value for name, value in more.items()}
    return settings_of({name: str(value) for name, value in options.items()}).values()


def with_tls(port: int, files: TLSFiles, **more: object) -> Values:
    bundle = files.station_bundle()
    certificate = {"mqtt_cert_file": bundle / "station_cert.pem", "mqtt_key_file": bundle / "station_key.pem"}
    return settings_for(port, mqtt_tls="true", **{"mqtt_ca_file": files.ca} | certificate | more)


def tried(settings: Values, prefix: str = "MQTT_") -> str:
    return try_broker(settings, prefix, lambda values: client_settings(values, values["SC_EUI"] or ""))


def trouble(settings: Values) -> str:
    """What is said of the broker there."""
    place, _, text = tried(settings).partition(" ")
    assert place == f"{settings['MQTT_BROKER']}:{settings['MQTT_PORT']}"
    return text


def test_nobody_there_is_said() -> None:
    with socket.socket() as taken:
        # Bound, but nobody listens.
        taken.bind(("127.0.0.1", 0))
        said = trouble(settings_for(taken.getsockname()[1]))
    assert said.startswith("does not answer: connection refused; start it, or set MQTT_BROKER (embedded: ")


def test_an_abbreviation_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.CompletedProcess([], 0, b'{"kind":"unreachable","text":"DNS lookup failed: x."}', b"")
    monkeypatch.setattr(broker_trial.subprocess, "run", lambda *_, **__: ended)
    assert trouble(settings_for(1)).startswith("does not answer: DNS lookup failed: x; start it")


def test_somebody_who_says_nothing_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial, "TIME", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert trouble(settings_for(port)).startswith("did not accept the connection within")


def test_somebody_who_comes_to_no_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial, "TIME", 0.3)
    over = Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
            while not over.wait(0.05):
                connection.sendall(b"X-More: yes\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = Thread(target=drip, args=(listener,))
        dripping.start()
        settings = settings_for(listener.getsockname()[1], mqtt_transport="websockets")
        assert trouble(settings).startswith("did not accept the connection within")
        over.set()
        dripping.join()


def test_trials_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial, "_trials", BoundedSemaphore(1))
    with broker_trial._trials:
        assert trouble(settings_for(1)) == "was not tried: 4 other trials are under way"


def test_a_trial_that_breaks_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial.sys, "executable", "/bin/false")
    assert trouble(settings_for(1)) == "could not be tried: status 1"


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"mqtt_username": "center", "mqtt_password": "wrong"}, "MQTT_USERNAME or MQTT_PASSWORD is wrong"),
        ({}, "set MQTT_USERNAME and MQTT_PASSWORD"),
    ],
)
def test_wrong_credentials_are_told(mosquitto: Start, credentials: dict[str, str], said: str) -> None:  # noqa: F811
    port = mosquitto(users={"center": "right"}).port
    assert tried(settings_for(port, mqtt_username="center", mqtt_password="right")) == ""
    refused = trouble(settings_for(port, **credentials))
    assert refused.startswith("refuses: Not authorized; ") and said in refused


@pytest.mark.mosquitto
@pytest.mark.parametrize("websockets", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_tls_as_the_service_speaks_it(
    mosquitto: Start,  # noqa: F811
    tls_files: TLSFiles,  # noqa: F811
    websockets: bool,
    host: str,
) -> None:
    port = mosquitto(tls=tls_files, websockets=websockets).port
    transport = "websockets" if websockets else "tcp"
    assert tried(with_tls(port, tls_files, mqtt_transport=transport, mqtt_broker=host)) == ""


@pytest.mark.mosquitto
def test_a_certificate_of_another_authority_is_told(
    mosquitto: Start,  # noqa: F811
    tls_files: TLSFiles,  # noqa: F811
    tmp_path: Path,
) -> None:
    Authority(tmp_path, "somebody else")
    port = mosquitto(tls=tls_files).port
    said = trouble(with_tls(port, tls_files, mqtt_ca_file=tmp_path / "ca_cert.pem"))
    assert said.startswith("shows a certificate that is not trusted (") and "MQTT_CA_FILE" in said


@pytest.mark.mosquitto
def test_a_certificate_for_another_name_is_told(
    mosquitto: Start,  # noqa: F811
    tls_files: TLSFiles,  # noqa: F811
    tmp_path: Path,
) -> None:
    files = SimpleNamespace(ca=tls_files.ca, certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    tls_files.authority.issue("another host", files.certificate, files.key, host="elsewhere.example")
    port = mosquitto(tls=files).port
    for name in ("localhost", "127.0.0.1"):
        said = trouble(with_tls(port, tls_files, mqtt_broker=name))
        assert said == "shows a certificate for another name; set MQTT_BROKER to a name that it holds"


@pytest.mark.mosquitto
def test_a_broker_that_wants_a_certificate_is_told(mosquitto: Start, tls_files: TLSFiles) -> None:  # noqa: F811
    port = mosquitto(tls=tls_files).port
    said = trouble(settings_for(port, mqtt_tls="true", mqtt_ca_file=tls_files.ca))
    assert said == "requires a client certificate: set MQTT_CERT_FILE and MQTT_KEY_FILE"


@pytest.mark.mosquitto
def test_tls_where_there_is_none_and_none_where_there_is(mosquitto: Start, tls_files: TLSFiles) -> None:  # noqa: F811
    plain, encrypted = mosquitto().port, mosquitto(tls=tls_files).port
    assert trouble(with_tls(plain, tls_files)).startswith("closed the connection;")
    said = trouble(settings_for(encrypted))
    assert said.startswith("closed the connection;") and "MQTT_TLS" in said


@pytest.mark.parametrize("setting", ["MQTT_CA_FILE", "MQTT_CERT_FILE", "MQTT_KEY_FILE"])
def test_a_file_that_is_not_there_is_named_with_its_setting(
    tls_files: TLSFiles,  # noqa: F811
    tmp_path: Path,
    setting: str,
) -> None:
    missing = tmp_path / "missing.pem"
    settings = with_tls(1, tls_files, **{setting.lower(): missing})
    assert tried(settings) == f"{missing}: does not exist; set {setting}"


# Beside the service


class Connected:
    """Another client, as the service would be."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(10)
        name = client_id.encode()
        self.socket.sendall(
            b"\x10" + bytes([12 + len(name)]) + b"\0\4MQTT\4\2\0\x3c\0" + bytes([len(name)]) + name
        )
        assert self.socket.recv(4) == b"\x20\2\0\0"

    def __enter__(self) -> Connected:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def is_there(self) -> bool:
        try:
            self.socket.sendall(b"\xc0\0")
            return self.socket.recv(2) == b"\xd0\0"
        except OSError:
            return False


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Has a service tell the state of its connection."""
    file = LiveFile(tmp_path / "mqtt_connection.json")
    yield lambda settings, trouble="": file.tell(client_settings(settings), trouble)
    file.close()


@pytest.mark.mosquitto
def test_the_service_keeps_its_connection(
    mosquitto: Start,  # noqa: F811
    running: Callable[..., None],
    tmp_path: Path,
) -> None:
    port = mosquitto().port
    settings = settings_for(port, mqtt_client_id="center", state_dir=tmp_path)
    with Connected(port, "center") as service:
        running(settings)
        assert tried(settings) == ""
        running(settings, "not connected to 127.0.0.1: nobody there")
        said = "the running service is not connected to 127.0.0.1: nobody there"
        assert trouble(settings) == said
        # Not the same connection: tried beside it.
        others = settings_for(port, mqtt_client_id="center", state_dir=tmp_path, mqtt_username="somebody")
        assert tried(others) == ""
        by_another_name = settings_for(
            port, mqtt_client_id="center", state_dir=tmp_path, mqtt_broker="localhost"
        )
        assert tried(by_another_name) == ""
        assert service.is_there


@pytest.mark.mosquitto
def test_the_client_identifier_of_the_service_is_tried_while_it_does_not_run(
    mosquitto: Start,  # noqa: F811
    running: Callable[..., None],
    tmp_path: Path,
) -> None:
    port = mosquitto(more=["clientid_prefixes bssci-0200"]).port
    assert trouble(settings_for(port, state_dir=tmp_path)).startswith("refuses: ")
    known = settings_for(port, mqtt_client_id="bssci-0200000000000001")
    file = LiveFile(tmp_path / "mqtt_connection.json")
    file.tell(client_settings(known), "")
    file.close()
    assert tried(settings_for(port, state_dir=tmp_path)) == ""


@pytest.mark.mosquitto
def test_another_service_with_the_same_client_identifier_is_named(mosquitto: Start) -> None:  # noqa: F811
    port = mosquitto().port
    over = Event()

    def stay_connected() -> None:
        while not over.is_set():
            with Connected(port, "center") as client:
                while not over.is_set() and client.is_there:
                    over.wait(0.1)
            over.wait(1.0)

    other = Thread(target=stay_connected)
    other.start()
    time.sleep(0.2)
    said = trouble(settings_for(port, mqtt_client_id="center"))
    over.set()
    other.join()
    assert said.startswith("accepted the connection and ended it at once: another client")
    assert "'center'" in said and "MQTT_CLIENT_ID" in said


@pytest.mark.mosquitto
def test_a_trial_takes_nothing_and_leaves_nothing(mosquitto: Start) -> None:  # noqa: F811
    """Neither a will, nor the acknowledgement of what the broker keeps for the service."""
    broker = mosquitto()
    listen = [
        "mosquitto_sub",
        "-p",
        str(broker.port),
        "-i",
        "center",
        "-c",
        "-q",
        "1",
        "-t",
        "asked/#",
        "-W",
        "2",
    ]
    subprocess.run([*listen, "-E"], check=True)
    subprocess.run(
        ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "asked/1", "-m", "request"], check=True
    )
    assert tried(settings_for(broker.port, mqtt_client_id="center")) == ""
    kept = subprocess.run([*listen, "-C", "1"], check=True, capture_output=True, text=True)
    assert kept.stdout == "request\n"
    will = ["mosquitto_sub", "-p", str(broker.port), "-t", "mioty/service/status", "-W", "1"]
    assert subprocess.run(will, capture_output=True, check=False).stdout == b""


@pytest.mark.mosquitto
def test_a_broker_that_goes_by_the_client_identifier_lets_the_trial_in(mosquitto: Start) -> None:  # noqa: F811
    port = mosquitto(more=["clientid_prefixes center"]).port
    assert tried(settings_for(port, mqtt_client_id="center")) == ""
    assert trouble(settings_for(port)).startswith("refuses: ")


def test_the_embedded_broker_needs_its_package_and_a_free_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_trial, "find_spec", lambda name: object())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = settings_for(taken.getsockname()[1], mqtt_broker="embedded")
        assert "cannot be used: address already in use" in tried(settings)
    assert tried(settings) == ""
    monkeypatch.setattr(broker_trial, "find_spec", lambda name: None)
    assert "not installed" in tried(settings)
