from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bssci.certificates.bundles import make_authority, make_server
from bssci.certificates.provisioned import Broker, ProvisioningError, broker_of, device_name

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAC = "AA:BB:CC:DD:EE:01"
NAME = "f2-aabbccddee01"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MAC, NAME), ("aabbccddee01", NAME), ("aa-bb-cc-dd-ee-01", NAME), (NAME, NAME),
        ("F2-AABBCCDDEE01", NAME), ("roof.1", "roof.1"), (" roof ", "roof"),
    ],
)  # fmt: skip
def test_a_mac_address_in_any_spelling_is_one_name(text: str, name: str) -> None:
    assert device_name(text) == name


@pytest.mark.parametrize("text", ["", "a/b", "a+", "#", "-x", "x" * 64, "ä"])
def test_what_no_level_of_a_topic_can_be_is_refused(text: str) -> None:
    with pytest.raises(ProvisioningError, match="not a name of a device"):
        device_name(text)


def test_the_broker_of_devices_is_the_setting_or_where_the_service_is(tmp_path: Path) -> None:
    assert broker_of("mqtt.example:8884", tmp_path / "none") == Broker("mqtt.example", 8884)
    with pytest.raises(ProvisioningError, match="DEVICE_BROKER is empty"):
        broker_of("", tmp_path / "none")
    authority = tmp_path / "ca_cert.pem"
    list(make_authority(authority, NOW))
    certificate = tmp_path / "cert.pem"
    list(make_server(authority, certificate, tmp_path / "key.pem", ["localhost", "sc.example"], NOW))
    assert broker_of("", certificate) == Broker("sc.example", 8883)
