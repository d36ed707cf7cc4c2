from __future__ import annotations

import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from bssci.certificates import provisioning as module
from bssci.certificates.bundles import make_authority
from bssci.certificates.provisioned import Broker, ProvisioningError
from bssci.certificates.provisioning import Provisioning
from bssci.certificates.reading import CertificateError, read_certificates
from bssci.certificates.revoking import listed
from bssci.system import files

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
    "name", ["device_registry.json", "changes.json", "changes.json.damaged", "Other.PEM"]
)
def test_a_name_of_files_is_refused(it: Provisioning, name: str) -> None:
    with pytest.raises(ProvisioningError, match="may not end in .json, .pem"):
        it.add(name, BROKER, NOW)
    it.add("roof", BROKER, NOW)
    Provisioning(it.ca_file, it.ca_file.parent.parent / "ca_cert.pem", who="root").revoke("roof", NOW)


def test_a_name_of_a_file_that_is_there_is_refused(it: Provisioning) -> None:
    it.add("roof", BROKER, NOW)
    (it.registry_file.parent / "notes").write_text("mine")
    with pytest.raises(ProvisioningError, match="'notes' is a file"):
        it.add("notes", BROKER, NOW)


def test_a_device_with_the_name_of_a_scratch_directory_keeps_its_files(it: Provisioning) -> None:
    it.add("tmpsensor01", BROKER, NOW)
    os.utime(it.directory_of("tmpsensor01"), (1, 1))
    it.add("roof", BROKER, NOW)
    it.revoke("tmpsensor01", NOW)
    assert it.devices()["tmpsensor01"].status == "revoked"


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
    it.renew(MAC, BROKER, later)
    assert serials(it) == {old}
    assert it.devices()[NAME].ends_at == (later + timedelta(days=365)).timestamp()


def test_a_revocation_is_on_the_list_and_in_the_registry(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    old = read_certificates(it.directory_of(NAME) / "device_cert.pem", "")[0].serial_number
    it.revoke(MAC, NOW)
    assert serials(it) == {old}
    assert it.devices()[NAME].status == "revoked"
    with pytest.raises(ProvisioningError, match="revoked already"):
        it.revoke(MAC, NOW)


def test_a_certificate_that_is_gone_cannot_be_revoked_and_is_named(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    (it.directory_of(NAME) / "device_cert.pem").unlink()
    with pytest.raises(CertificateError, match="device_cert.pem: does not exist, so it cannot be revoked"):
        it.revoke(MAC, NOW)
    assert it.devices()[NAME].status == "active"


def test_changes_of_the_command_line_are_noted_with_what_they_change(
    it: Provisioning, tmp_path: Path
) -> None:
    shell = Provisioning(it.ca_file, tmp_path / "certs" / "ca_cert.pem", who="command line me")
    shell.add(MAC, BROKER, NOW)
    with pytest.raises(ProvisioningError):
        shell.add(MAC, BROKER, NOW)
    shell.add(MAC, BROKER, NOW, force=True)
    shell.renew(MAC, BROKER, NOW)
    it.renew(MAC, BROKER, NOW)
    shell.revoke(MAC, NOW)
    noted = [(each.action.removeprefix("provisioned."), each.detail) for each in it.changes()]
    assert noted == [("add", ""), ("add", "made anew"), ("renew", ""), ("revoke", "")]
    it.forget_changes(3)
    assert [each.action for each in it.changes()] == ["provisioned.revoke"]
    it.forget_changes(1)
    assert it.changes() == ()


@pytest.mark.parametrize("action", ["renew", "revoke"])
def test_a_stranger_is_not_renewed_or_revoked(it: Provisioning, action: str) -> None:
    with pytest.raises(ProvisioningError, match="is not registered"):
        it.renew("roof", BROKER, NOW) if action == "renew" else it.revoke("roof", NOW)


def contents(it: Provisioning) -> dict[str, bytes]:
    """Every file, but for the lock."""
    top = it.registry_file.parent
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else b""
        for path in top.rglob("*")
        if path.name != ".lock"
    }


CHANGES: dict[str, Callable[[Provisioning], object]] = {
    "add": lambda it: it.add("wall", BROKER, NOW),
    "add by force": lambda it: it.add(MAC, BROKER, NOW, force=True),
    "renew": lambda it: it.renew(MAC, BROKER, NOW),
    "revoke": lambda it: it.revoke(MAC, NOW),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_disk_that_is_full_in_the_middle_leaves_all_as_it_was(
    it: Provisioning, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    it.add(MAC, BROKER, NOW)
    before = contents(it)
    write = os.fsync
    for room in range(100):
        left = iter(range(room))

        def fill(descriptor: int, left: Iterator[int] = left) -> None:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            if is_file and next(left, None) is None:
                raise OSError(28, "No space left on device")
            write(descriptor)

        monkeypatch.setattr(files.os, "fsync", fill)
        try:
            CHANGES[change](it)
        except OSError:
            assert contents(it) == before, room
        else:
            break
        finally:
            monkeypatch.undo()
    assert room >= 3
    assert contents(it) != before


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_cut_off_is_finished_or_was_never_made(
    it: Provisioning, monkeypatch: pytest.MonkeyPatch, change: str, tmp_path: Path
) -> None:
    it.add(MAC, BROKER, NOW)
    kept = tmp_path / "kept"
    shutil.copytree(it.registry_file.parent, kept)
    outcomes = set()
    replace = os.replace
    for survived in range(30):
        shutil.rmtree(it.registry_file.parent)
        shutil.copytree(kept, it.registry_file.parent)
        before = it.devices()
        left = iter(range(survived))

        def cut(source: object, target: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            replace(source, target)  # type: ignore[arg-type]

        monkeypatch.setattr(files.os, "replace", cut)
        is_cut = False
        try:
            CHANGES[change](it)
        except KeyboardInterrupt:
            is_cut = True
        finally:
            monkeypatch.undo()
        other = Provisioning(it.ca_file, tmp_path / "certs" / "ca_cert.pem")
        other.add("next", BROKER, NOW)  # whoever comes next finishes it
        devices = other.devices()
        is_made = {name: each for name, each in devices.items() if name != "next"} != before
        outcomes.add(is_made)
        for name, each in devices.items():
            [certificate] = read_certificates(other.directory_of(name) / "device_cert.pem", "")
            assert f"{certificate.serial_number:X}" == each.certificate_serial
        revoked = {each.serial_number for each in listed(it.ca_file)}
        assert bool(revoked) == (is_made and change != "add")
        if not is_cut:
            break
    assert outcomes == {False, True}


def test_two_at_once_lose_nothing(it: Provisioning) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: it.add(f"d{number}", BROKER, NOW), range(8)))
    assert set(it.devices()) == {f"d{number}" for number in range(8)}


def test_the_bundle_is_taken_once(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    assert it.has_key(NAME)
    key = (it.directory_of(NAME) / "device_key.pem").read_bytes()
    archive = zipfile.ZipFile(io.BytesIO(it.take_bundle(MAC)))
    assert set(archive.namelist()) == {"ca_cert.pem", "device_cert.pem", "device_key.pem", "mqtt_config.json"}
    assert archive.read("device_key.pem") == key
    assert not it.has_key(NAME)
    with pytest.raises(ProvisioningError, match="was taken already"):
        it.take_bundle(MAC)
    it.renew(MAC, BROKER, NOW)
    assert it.has_key(NAME)
    it.revoke(MAC, NOW)
    with pytest.raises(ProvisioningError, match="is revoked"):
        it.take_bundle(MAC)


def test_a_serial_number_is_printable(it: Provisioning) -> None:
    with pytest.raises(ProvisioningError, match="serial number"):
        it.add(MAC, BROKER, NOW, serial_number="a\nb")


def test_a_full_registry_takes_no_more(it: Provisioning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1)
    it.add(MAC, BROKER, NOW)
    with pytest.raises(ProvisioningError, match="which is the limit"):
        it.add("roof", BROKER, NOW)


@pytest.mark.parametrize(
    "content",
    [
        b"no", b"[]", b'{"a": {}}', b"\xff", b'{"a": ' + b"[" * 100_000,
        b'{"a": {"mac_address": "", "registered_at": "", "certificate_serial": "1",'
        b' "certificate_expires": "soon"}}',
    ],
)  # fmt: skip
def test_a_damaged_registry_is_named_and_not_overwritten(it: Provisioning, content: bytes) -> None:
    list(it.prepare(NOW))
    it.registry_file.write_bytes(content)
    with pytest.raises(CertificateError, match=r"is damaged: .*; restore it from a backup, or remove it"):
        it.add(MAC, BROKER, NOW)
    assert it.registry_file.read_bytes() == content


def test_a_device_of_a_lost_registry_keeps_no_certificate_beside_the_new_one(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    old = read_certificates(it.directory_of(NAME) / "device_cert.pem", "")[0]
    it.registry_file.unlink()
    it.add(MAC, BROKER, NOW)
    assert serials(it) == {old.serial_number}


def test_a_device_of_another_authority_and_no_registry_can_be_provisioned(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    for path in (it.registry_file, it.ca_file, it.ca_file.parent / "ca_key.pem", it.list_file):
        path.unlink()
    it.add(MAC, BROKER, NOW)
    assert serials(it) == set()


def test_damaged_notes_for_the_audit_log_keep_nobody_from_revoking(it: Provisioning) -> None:
    it.add(MAC, BROKER, NOW)
    notes = it.registry_file.parent / "changes.json"
    notes.write_bytes(b"[")
    shell = Provisioning(it.ca_file, it.ca_file.parents[1] / "ca_cert.pem", "command line me")
    shell.revoke(MAC, NOW)
    assert it.devices()[NAME].status == "revoked"
    assert [each.action for each in it.changes()] == ["provisioned.revoke"]
    assert notes.with_name("changes.json.damaged").read_bytes() == b"["
