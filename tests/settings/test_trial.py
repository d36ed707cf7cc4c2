"""Settings that would keep the service from starting again are refused, naming the one to blame."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bssci.certificates import bundles
from bssci.settings.rows import SettingsError
from bssci.settings.table import Settings
from bssci.tap import try_kept_files
from tests.support.settings import CATALOGUE, settings_with


def refuse_unusable(settings: Settings, names: Collection[str], held: Collection[int] = ()) -> None:
    """Try everything that is tried before a change is taken."""
    CATALOGUE.refuse_unusable(settings, names, held)
    try_kept_files(settings, names)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority and what it signed, another authority, and a file that is no PEM."""
    certs, now = tmp_path_factory.mktemp("certs"), datetime.now(UTC)
    (certs / "other").mkdir()
    for directory in (certs, certs / "other"):
        authority = directory / "ca.pem"
        list(bundles.make_authority(authority, now))
        list(bundles.make_server(authority, directory / "server.pem", directory / "server_key.pem", [], now))
    (certs / "text.pem").write_text("no certificate")
    return certs


def tried(certs: Path, changes: dict[str, Any]) -> None:
    ours = {"cert_file": "server.pem", "key_file": "server_key.pem", "ca_file": "ca.pem"}
    values = ours | {name.lower(): value for name, value in changes.items()}
    paths = {
        name: certs / value if name.endswith("_file") and value else value for name, value in values.items()
    }
    refuse_unusable(settings_with(**paths), changes)


@pytest.mark.parametrize(
    ("changes", "blamed", "reason"),
    [
        ({"CERT_FILE": "absent.pem"}, "CERT_FILE", "does not exist"),
        ({"KEY_FILE": "other/server_key.pem"}, "KEY_FILE", "is not the key of"),
        ({"CA_FILE": "other/ca.pem"}, "CA_FILE", "is not signed by"),
        ({"CA_FILE": "text.pem", "CERT_FILE": "server.pem"}, "CA_FILE", "holds no PEM certificate"),
        ({"WEB_TLS": True, "WEB_CERT_FILE": "text.pem"}, "WEB_CERT_FILE", "holds no PEM certificate"),
        ({"WEB_CERT_FILE": "other/server.pem"}, "WEB_CERT_FILE", "is not the key of"),
        (
            {"WEB_CERT_FILE": "server.pem", "WEB_KEY_FILE": "other/server_key.pem"},
            "WEB_KEY_FILE",
            "is not the key of",
        ),
        ({"MQTT_CA_FILE": "text.pem"}, "MQTT_CA_FILE", "holds no PEM certificate"),
        (
            {"MQTT_CERT_FILE": "other/ca.pem", "MQTT_KEY_FILE": "server_key.pem"},
            "MQTT_KEY_FILE",
            "set MQTT_KEY_FILE and MQTT_CERT_FILE to a pair",
        ),
    ],
)
def test_files_that_could_not_be_used(certs: Path, changes: dict[str, Any], blamed: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as raised:
        tried(certs, changes)
    assert str(raised.value).startswith(f"{blamed}: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"CERT_FILE": "other/server.pem", "KEY_FILE": "other/server_key.pem", "CA_FILE": "other/ca.pem"},
        {"WEB_TLS": True},
        {"WEB_TLS": False, "WEB_CERT_FILE": None},
        {"WEB_CERT_FILE": "other/server.pem", "WEB_KEY_FILE": "other/server_key.pem"},
        {"MQTT_CA_FILE": "ca.pem", "MQTT_CERT_FILE": "server.pem", "MQTT_KEY_FILE": "server_key.pem"},
        {"MQTT_CA_FILE": None},
    ],
)
def test_files_that_fit(certs: Path, changes: dict[str, Any]) -> None:
    tried(certs, changes)


def test_what_was_wrong_before_hinders_no_other_change() -> None:
    refuse_unusable(
        settings_with(cert_file=Path("absent.pem"), mqtt_ca_file=Path("absent.pem")), {"LOG_LEVEL"}
    )


ABSENT = {"mqtt_ca_file": Path("absent.pem"), "web_cert_file": Path("absent.pem")}


@pytest.mark.parametrize(
    "changes",
    [
        {"MQTT_TLS": False},
        {"WEB_TLS": False},
        {"WEB_PORT": 0, "WEB_TLS": True},
        {"SINKS": ("log",), "MQTT_TLS": True},
    ],
)
def test_a_file_that_is_not_used_hinders_nobody_from_leaving_it(changes: dict[str, Any]) -> None:
    refuse_unusable(
        settings_with(**ABSENT | {name.lower(): value for name, value in changes.items()}), changes
    )


@pytest.mark.parametrize("names", [{"MQTT_TLS"}, {"SINKS"}, {"WEB_TLS"}, {"WEB_PORT"}])
def test_a_file_is_tried_when_it_comes_into_use(names: set[str]) -> None:
    settings = settings_with(**ABSENT, mqtt_tls=True, web_tls=True, web_port=5000, sinks=("mqtt",))
    with pytest.raises(SettingsError, match="absent.pem: does not exist"):
        refuse_unusable(settings, names)


def test_a_name_that_no_host_can_have(certs: Path) -> None:
    with pytest.raises(SettingsError, match=r"LISTEN_HOST=a\.\.b: is not an address of this machine"):
        tried(certs, {"LISTEN_HOST": "a..b"})


@pytest.mark.parts
@pytest.mark.parametrize("name", ["LISTEN_HOST", "WEB_HOST"])
def test_an_address_of_another_machine(certs: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}=192.0.2.77: is not an address of this machine"):
        tried(certs, {name: "192.0.2.77"})
    tried(certs, {name: "127.0.0.1", "LISTEN_PORT": (0,), "WEB_PORT": 0})


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parts
@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("LISTEN_PORT", {"listen_host": "127.0.0.1"}),
        ("LISTEN_HOST", {"listen_host": "127.0.0.1"}),
        ("WEB_PORT", {}),
        ("MQTT_PORT", {"mqtt_broker": "embedded"}),
        ("MQTT_BROKER", {"mqtt_broker": "embedded"}),
    ],
)
def test_a_port_of_another_process(taken_port: int, name: str, others: dict[str, Any]) -> None:
    port = {
        "listen_port": (taken_port,) if name.startswith("LISTEN_") else (16018,),
        "web_port": taken_port if name.startswith("WEB_") else 0,
        "mqtt_port": taken_port,
    }
    settings = settings_with(**port, **others)
    with pytest.raises(
        SettingsError, match=f"cannot listen on 127.0.0.1:{taken_port}: address already"
    ) as raised:
        refuse_unusable(settings, {name})
    assert str(raised.value).startswith(f"{name}: ")
    refuse_unusable(settings, {name}, held={taken_port})
    refuse_unusable(settings, {"LOG_LEVEL"})


@pytest.mark.parts
def test_a_port_of_a_broker_elsewhere(taken_port: int) -> None:
    refuse_unusable(
        settings_with(mqtt_broker="127.0.0.1", mqtt_port=taken_port), {"MQTT_BROKER", "MQTT_PORT"}
    )


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """Files and links, and nothing else."""
    (tmp_path / "file").write_text("a file")
    (tmp_path / "sensors.json").write_text("[]")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("STATE_DIR", "file", "file exists"),
        ("STATE_DIR", "file/below", "not a directory"),
        ("STATE_DIR", "link", "file exists"),
        ("STATE_DIR", "/proc/x", "cannot be used"),
        ("LOG_FILE", "/proc/x/bssci.log", "cannot be written"),
        ("LOG_FILE", "file/bssci.log", "not a directory"),
        ("LOG_FILE", ".", "is a directory"),
        ("SENSOR_CONFIG_FILE", "absent.json", "does not exist"),
        ("SENSOR_CONFIG_FILE", ".", "cannot be read: Is a directory"),
        ("SENSOR_CONFIG_FILE", "file", "is not valid JSON"),
    ],
)
def test_places_that_could_not_be_used(places: Path, name: str, place: str, reason: str) -> None:
    settings = settings_with(**{name.lower(): places / place})
    before = sorted(places.rglob("*"))
    with pytest.raises(SettingsError, match=reason) as raised:
        refuse_unusable(settings, {name})
    assert str(raised.value).startswith(name)
    assert sorted(places.rglob("*")) == before
    refuse_unusable(settings, {"LOG_LEVEL"})


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("STATE_DIR", "."),
        ("STATE_DIR", "new/below/it"),
        ("LOG_FILE", "new.log"),
        ("LOG_FILE", "file"),
        ("SENSOR_CONFIG_FILE", "sensors.json"),
    ],
)
def test_places_that_can_be_used_are_left_as_they_are(places: Path, name: str, place: str) -> None:
    before = sorted(places.rglob("*"))
    refuse_unusable(settings_with(**{name.lower(): places / place}), {name})
    assert sorted(places.rglob("*")) == before
    assert (places / "file").read_text() == "a file"
