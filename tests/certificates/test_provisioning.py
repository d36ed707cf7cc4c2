from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from bssci.certificates import provisioning as module
from bssci.certificates.bundles import make_authority
from bssci.certificates.provisioning import Broker, Provisioning, ProvisioningError, device_name
from bssci.certificates.reading import CertificateError, read_certificates
from bssci.certificates.revoking import listed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BROKER = Broker("broker.example")
MAC = "AA:BB:CC:DD:EE:01"
NAME = "f2-aabbccddee01"


@pytest.fixture
def it(tmp_path: Path) -> Provisioning:
    list(make_authority(tmp_path / "certs" / "ca_cert.pem", NOW))
    return Provisioning(tmp_path / "certs" / "devices" / "ca_cert.pem", tmp_path / "certs" / "ca_cert.pem")


def serials(it: Provisioning) -> set[int]:
    return {each.serial_number for each in listed(it.ca_file)}


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
    with pytest.raises(ProvisioningError, match="no name of a device"):
        device_name(text)


def test_a_device_gets_key_certificate_and_configuration(it: Provisioning) -> None:
    assert it.add(MAC, BROKER, NOW, serial_number="S1") == NAME
    directory = it.directory_of(NAME)
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == dict.fromkeys(
        ("ca_cert.pem", "device_cert.pem", "device_key.pem", "mqtt_config.json"), 0o600
    )
    [certificate] = read_certificates(directory / "device_cert.pem", "")
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == NAME
    assert certificate.not_valid_after_utc == NOW + timedelta(days=365)
    certificate.verify_directly_issued_by(read_certificates(it.ca_file, "")[0])
    said = json.loads((directory / "mqtt_config.json").read_text())
    assert (said["mqtt"]["host"], said["mqtt"]["port"]) == ("broker.example", 8883)
    assert said["topics"]["commands"] == f"cmnd/{NAME}/#"
    [entry] = json.loads(it.registry_file.read_text()).values()
    assert entry["mac_address"] == "aabbccddee01"
    assert (entry["serial_number"], entry["status"]) == ("S1", "active")
    assert entry["certificate_expires"] == "2027-01-01T00:00:00Z"


def test_a_device_knows_the_broker_by_the_installations_authority(it: Provisioning, tmp_path: Path) -> None:
    it.add("roof", BROKER, NOW)
    given = read_certificates(it.directory_of("roof") / "ca_cert.pem", "")
    assert given == read_certificates(tmp_path / "certs" / "ca_cert.pem", "")
    assert given != read_certificates(it.ca_file, ""), "devices are no base stations"


def test_who_is_registered_is_refused_unless_it_is_forced(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW, serial_number="S1")
    before = (it.directory_of(NAME) / "device_cert.pem").read_bytes()
    old = read_certificates(it.directory_of(NAME) / "device_cert.pem", "")[0].serial_number
    with pytest.raises(ProvisioningError, match="registered since 2026-01-01"):
        it.add("aabbccddee01", BROKER, NOW)
    assert (it.directory_of(NAME) / "device_cert.pem").read_bytes() == before
    it.add(MAC, BROKER, NOW + timedelta(days=1), force=True)
    assert serials(it) == {old}
    assert it.devices()[NAME].serial_number == "S1"
    assert it.devices()[NAME].registered_at == "2026-01-01T00:00:00Z"


def test_a_renewal_revokes_the_old_certificate(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    old = read_certificates(it.directory_of(NAME) / "device_cert.pem", "")[0].serial_number
    later = NOW + timedelta(days=340)
    assert it.ending(later) == [NAME]
    it.renew(MAC, BROKER, later)
    assert (serials(it), it.ending(later)) == ({old}, [])


def test_a_revocation_is_on_the_list_and_in_the_registry(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    old = read_certificates(it.directory_of(NAME) / "device_cert.pem", "")[0].serial_number
    it.revoke(MAC, NOW)
    assert serials(it) == {old}
    assert it.devices()[NAME].status == "revoked"
    with pytest.raises(ProvisioningError, match="revoked already"):
        it.revoke(MAC, NOW)


@pytest.mark.parametrize("action", ["renew", "revoke"])
def test_a_stranger_is_not_renewed_or_revoked(it: Provisioning, action: str) -> None:
    with pytest.raises(ProvisioningError, match="is not registered"):
        it.renew("roof", BROKER, NOW) if action == "renew" else it.revoke("roof", NOW)


def test_a_change_is_whole_or_not_at_all(it: Provisioning, monkeypatch: pytest.MonkeyPatch) -> None:
    list(it.prepare(NOW))

    def fails(directory: Path, files: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_together", fails)
    with pytest.raises(OSError, match="No space"):
        it.add(MAC, BROKER, NOW)
    assert it.devices() == {}
    assert list(it.directory_of(NAME).iterdir()) == []


def test_a_serial_number_is_printable(it: Provisioning) -> None:
    with pytest.raises(ProvisioningError, match="serial number"):
        it.add(MAC, BROKER, NOW, serial_number="a\nb")


def test_a_full_registry_takes_no_more(it: Provisioning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    it.add(MAC, BROKER, NOW)
    with pytest.raises(ProvisioningError, match="no more fit"):
        it.add("roof", BROKER, NOW)


@pytest.mark.parametrize("content", [b"no", b"[]", b'{"a": {}}', b"\xff"])
def test_a_damaged_registry_is_named_and_not_overwritten(it: Provisioning, content: bytes) -> None:
    list(it.prepare(NOW))
    it.registry_file.write_bytes(content)
    with pytest.raises(CertificateError, match="is damaged"):
        it.add(MAC, BROKER, NOW)
    assert it.registry_file.read_bytes() == content
