"""Settings that would keep the service from starting again are refused, naming the one to blame."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bssci import bundles
from bssci.settings import Settings, SettingsError
from bssci.settings_trial import refuse_unusable


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
    refuse_unusable(Settings(**paths), changes)


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
    refuse_unusable(Settings(cert_file=Path("absent.pem"), mqtt_ca_file=Path("absent.pem")), {"LOG_LEVEL"})


@pytest.mark.parts
@pytest.mark.parametrize("name", ["LISTEN_HOST", "WEB_HOST"])
def test_an_address_of_another_machine(certs: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}=192.0.2.77: is no address of this machine"):
        tried(certs, {name: "192.0.2.77"})
    tried(certs, {name: "127.0.0.1"})
