from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bssci.certificates.bundles import make_authority
from bssci.certificates.provisioned import Broker
from bssci.certificates.provisioning import Provisioning
from bssci.cli import archive
from bssci.cli.archive import FORMAT, BackupError, Manifest
from tests.support.settings import settings_with


def backup(directory: Path, **files: str) -> bytes:
    paths = []
    for name, text in files.items():
        path = directory / name
        path.write_text(text)
        paths.append((f"decoders/{name}", path))
    target = io.BytesIO()
    archive.write(target, paths, None)
    return target.getvalue()


def test_what_is_written_is_unpacked_to_the_byte(tmp_path: Path) -> None:
    data = backup(tmp_path, meter="{}", leak="[]")
    manifest = archive.unpack(io.BytesIO(data), tmp_path / "out")
    assert set(manifest.files) == {"decoders/meter", "decoders/leak"}
    assert (tmp_path / "out" / "decoders" / "leak").read_text() == "[]"
    assert archive.peek(io.BytesIO(data)) == b""


def test_the_env_file_is_had_without_the_rest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SINKS=log\n")
    target = io.BytesIO()
    archive.write(target, [("env", tmp_path / ".env")], None)
    assert archive.peek(io.BytesIO(target.getvalue())) == b"SINKS=log\n"


def test_a_backup_that_is_cut_off_or_none_is_refused(tmp_path: Path) -> None:
    data = backup(tmp_path, meter="{}" * 1000)
    for spoiled in (data[: len(data) // 2], b"", b"no backup"):
        with pytest.raises(BackupError):
            archive.unpack(io.BytesIO(spoiled), tmp_path / "out")


@pytest.mark.parametrize(
    ("manifest", "member", "reason"),
    [
        (Manifest(FORMAT + 1, "9.9", "", {}), "decoders/x", "newer"),
        (Manifest(FORMAT, "1.0", "", {}), "decoders/x", "does not belong"),
        (Manifest(FORMAT, "1.0", "", {"../x": "0"}), "../x", "does not belong"),
        (Manifest(FORMAT, "1.0", "", {"decoders/x": "0"}), "decoders/x", "is damaged"),
        (Manifest(FORMAT, "1.0", "", {"decoders/x": "0"}), "", "truncated"),
    ],
)
def test_a_backup_that_does_not_hold_what_it_says_is_refused(
    tmp_path: Path, manifest: Manifest, member: str, reason: str
) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        members = {archive.MANIFEST: msgspec.json.encode(manifest)} | ({member: b"x"} if member else {})
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(BackupError, match=reason):
        archive.unpack(io.BytesIO(target.getvalue()), tmp_path / "out")


def test_a_damaged_header_or_list_of_files_is_refused_in_one_line(tmp_path: Path) -> None:
    def packed(manifest: bytes) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w:gz") as file:
            info = tarfile.TarInfo("manifest.json")
            info.size = len(manifest)
            file.addfile(info, io.BytesIO(manifest))
        return target.getvalue()

    raw = bytearray(gzip.decompress(packed(b"{}")))
    raw[124:136] = bytes(12)  # the size
    newer = b'{"format": 99, "version": "\\n\\u001b[2J", "created": "", "files": {}}'
    nested = b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for spoiled in (gzip.compress(raw), packed(newer), packed(nested)):
        for read in (archive.peek, lambda file: archive.unpack(file, tmp_path / "out")):
            with pytest.raises(BackupError) as refused:
                read(io.BytesIO(spoiled))
            assert str(refused.value).isprintable()


def test_a_file_has_a_place_by_its_name() -> None:
    settings = settings_with()
    assert archive.restored_path("settings/CERT_FILE", settings) == settings.cert_file
    assert archive.restored_path("state/accounts.json", settings) == settings.state_dir / "accounts.json"
    assert archive.restored_path("beside/ca_key.pem", settings) == settings.ca_file.parent / "ca_key.pem"
    with pytest.raises(BackupError):
        archive.restored_path("settings/LOG_FILE", settings)
    with pytest.raises(BackupError):
        archive.restored_path("settings/NOTHING_FILE", settings)


def test_devices_with_certificates_of_ours_are_part_of_it(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    list(make_authority(tmp_path / "ca_cert.pem", now))
    before = settings_with(
        ca_file=tmp_path / "ca_cert.pem", device_ca_file=tmp_path / "old" / "devices" / "ca_cert.pem"
    )
    made = Provisioning(before.device_ca_file, before.ca_file)
    made.add("roof", Broker("broker.example"), now)
    target = io.BytesIO()
    archive.write(target, archive.places(before, tmp_path / "none"), None)
    manifest = archive.unpack(io.BytesIO(target.getvalue()), tmp_path / "out")
    after = settings_with(
        ca_file=tmp_path / "ca_cert.pem", device_ca_file=tmp_path / "new" / "devices" / "ca_cert.pem"
    )
    for name in manifest.files:
        place = archive.restored_path(name, after)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes((tmp_path / "out" / name).read_bytes())
    restored = Provisioning(after.device_ca_file, after.ca_file)
    assert restored.devices() == made.devices()
    assert restored.has_key("roof")
    restored.revoke("roof", now)
