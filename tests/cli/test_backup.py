"""Backups: taken while a service writes, and put back whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from bssci.certificates import bundles, revoking
from bssci.certificates.reading import own_list_file, read_certificates
from bssci.cli import archive, main
from bssci.journal import copy_journal
from bssci.journal.sqlite.database import Database, hold_directory, load_schema
from bssci.model import EUI
from bssci.system import replacing as filesystem
from bssci.system.files import sweep

KEY = "00112233445566778899AABBCCDDEEFF"
SENSOR = {"eui": "70B3D56770110001", "nwKey": KEY, "shortAddr": "1505", "bidi": False}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a journal of three events, as the working directory."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    assert main(["init"]) == 0
    (home / ".env").write_text("SINKS=log\nSENSOR_CONFIG_FILE=sensors.json\n")
    (home / "sensors.json").write_text(json.dumps([SENSOR]))
    (home / "decoders").mkdir()
    (home / "decoders" / "ours.json").write_text("{}")
    make_journal(home / "data" / "journal.sqlite", 3)
    return home


def make_journal(path: Path, rows: int) -> None:
    database = Database(path.parent, load_schema(), max_bytes=1 << 30)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("CREATE TABLE IF NOT EXISTS trial(x)")
    connection.executemany("INSERT INTO trial VALUES (?)", [(each,) for each in range(rows)])
    connection.close()
    database.release()


def rows_in(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT count(*) FROM trial").fetchone()[0]


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in ("lock", "accounts.lock")
    }


def test_what_is_backed_up_comes_back_on_an_empty_machine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "backup.tar.gz"
    assert main(["backup", str(backup)]) == 0
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert KEY not in capsys.readouterr().out
    before = contents(home)
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)
    assert main(["restore", str(backup)]) == 0
    assert "restored" in capsys.readouterr().out
    after = contents(other)
    assert rows_in(other / "data" / "journal.sqlite") == 3
    for files in (before, after):
        for name in [each for each in files if each.startswith("data/journal.sqlite")]:
            del files[name]
    before.pop("endpoints.json")  # made by init, and not what the settings name
    assert after == before
    assert stat.S_IMODE((other / "data" / "journal.sqlite").stat().st_mode) == 0o600


def test_a_journal_is_copied_whole_while_it_is_written(home: Path, tmp_path: Path) -> None:
    path = home / "data" / "journal.sqlite"
    holding = hold_directory(home / "data")
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO trial VALUES (4)")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO trial VALUES (5)")
        assert copy_journal(home / "data", tmp_path / "copy") is True
        writer.execute("COMMIT")
    finally:
        writer.close()
        os.close(holding)
    assert rows_in(tmp_path / "copy") == 4
    assert rows_in(path) == 5


def test_nothing_is_put_in_place_while_a_service_runs(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "backup.tar.gz"
    assert main(["backup", str(backup)]) == 0
    holding = hold_directory(home / "data")
    before = contents(home)
    try:
        assert main(["restore", str(backup)]) == 0
    finally:
        os.close(holding)
    assert "restart the service to use them" in capsys.readouterr().out
    after = contents(home)
    assert {name: content for name, content in after.items() if "/staged/" not in str(name)} == before
    assert len(after) > len(before)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    """A copy of a backup with other members."""
    with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
        for info in old:
            member = old.extractfile(info)
            assert member is not None
            data = change(info.name, member.read())
            if data is not None:
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))


def cut(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])


def flipped(source: Path, target: Path) -> None:
    rewritten(source, target, lambda name, data: data[::-1] if name == archive.JOURNAL else data)


def without(source: Path, target: Path) -> None:
    rewritten(source, target, lambda name, data: None if name == "settings/KEY_FILE" else data)


def outward(source: Path, target: Path) -> None:
    with tarfile.open(target, "w:gz") as new:
        manifest = archive.Manifest(1, "x", "x", {"state/../../evil": "0" * 64})
        data = msgspec.json.encode(manifest)
        for name, content in (("manifest.json", data), ("state/../../evil", b"")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))


def linked(source: Path, target: Path) -> None:
    with tarfile.open(target, "w:gz") as new:
        info = tarfile.TarInfo("manifest.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        new.addfile(info)


def no_archive(source: Path, target: Path) -> None:
    target.write_bytes(b"nothing of the kind")


def newer(source: Path, target: Path) -> None:
    rewritten(
        source,
        target,
        lambda name, data: data.replace(b'"format": 1', b'"format": 2') if name == "manifest.json" else data,
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cut, ""),
        (flipped, "journal.sqlite: is damaged"),
        (without, "is truncated: settings/KEY_FILE missing"),
        (outward, "does not belong in this backup"),
        (linked, "is not a backup"),
        (no_archive, "is not a backup, or is damaged"),
        (newer, "is newer; install that one"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_whole_changes_nothing(
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path, Path], None],
    words: str,
) -> None:
    good, bad = tmp_path / "good.tar.gz", tmp_path / "bad.tar.gz"
    assert main(["backup", str(good)]) == 0
    spoil(good, bad)
    before = contents(home)
    assert main(["restore", str(bad)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {bad}: ") and words in said
    assert contents(home) == before
    assert not list(tmp_path.glob("evil*"))


def test_a_backup_whose_certificates_are_no_pair_changes_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = tmp_path / "backup.tar.gz"
    key = home / "certs" / "service_center_key.pem"
    good = key.read_bytes()
    key.write_bytes((home / "certs" / "ca_key.pem").read_bytes())
    assert main(["backup", str(backup)]) == 0
    key.write_bytes(good)
    before = contents(home)
    assert main(["restore", str(backup)]) == 1
    assert "settings/KEY_FILE: is not the key of settings/CERT_FILE" in capsys.readouterr().err
    assert contents(home) == before


def test_a_backup_takes_no_revocation_back(home: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca, stations = home / "certs" / "ca_cert.pem", home / "certs" / "stations"
    path, backup = own_list_file(ca), tmp_path / "backup.tar.gz"
    for eui in (EUI("CAFE000000000001"), EUI("CAFE000000000002")):
        list(bundles.make_station(ca, stations, eui, now))
        station = read_certificates(stations / eui / "station_cert.pem", "it")[0]
        path.write_bytes(revoking.revoke(ca, station, now))
        if not backup.exists():
            assert main(["backup", str(backup)]) == 0
    assert main(["restore", str(backup)]) == 0
    assert len(list(revoking.listed(ca))) == 2


def test_a_backup_with_a_damaged_list_of_revoked_certificates_changes_nothing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backup, path = tmp_path / "backup.tar.gz", home / "certs" / "revoked.pem"
    path.write_bytes(b"damaged")
    assert main(["backup", str(backup)]) == 0
    path.unlink()
    before = contents(home)
    assert main(["restore", str(backup)]) == 1
    assert "revoked.pem: holds no revocation list" in capsys.readouterr().err
    assert contents(home) == before


def test_a_restore_that_is_cut_off_is_finished_by_the_next_start(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup.tar.gz"
    assert main(["backup", str(backup)]) == 0
    (home / "sensors.json").write_text("[]")
    make_journal(home / "data" / "journal.sqlite", 7)
    log = home / "data" / "journal.sqlite-wal"
    log.write_bytes(b"of the journal before")
    real = filesystem._move

    def killed(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(filesystem, "_move", killed)
    with pytest.raises(KeyboardInterrupt):
        main(["restore", str(backup)])
    monkeypatch.setattr(filesystem, "_move", real)
    filesystem.finish_replacement(home / "data")
    assert not log.exists()
    assert rows_in(home / "data" / "journal.sqlite") == 3
    assert json.loads((home / "sensors.json").read_text()) == [SENSOR]
    assert not (home / "data" / "replacement").exists()


def test_a_file_whose_name_has_no_place_in_a_backup_is_left_out_and_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("Halle 3", "Stra\u00dfe"):
        (home / "certs" / "stations" / folder).mkdir()
        (home / "certs" / "stations" / folder / "ca_cert.pem").write_text(folder)
    assert main(["backup", str(tmp_path / "backup")]) == 0
    said = capsys.readouterr().err
    place = "certs/stations/Stra\u00dfe/ca_cert.pem"
    assert said == f"warning: {place} is left out, its name cannot be in a backup: rename it\n"
    shutil.rmtree(home / "certs" / "stations")
    assert main(["restore", str(tmp_path / "backup")]) == 0
    assert (home / "certs" / "stations" / "Halle 3" / "ca_cert.pem").read_text() == "Halle 3"


def test_a_folder_that_cannot_be_listed_is_not_left_out_unsaid(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.parent.name == "stations":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert main(["backup", str(tmp_path / "backup")]) == 1
    assert capsys.readouterr().err == "error: certs/stations/base-station: Permission denied\n"
    assert not (tmp_path / "backup").exists()


def test_an_installation_without_a_journal(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(home / "data")
    (home / "data").mkdir()
    assert main(["backup", str(tmp_path / "backup.tar.gz")]) == 0
    assert "there is no journal yet" in capsys.readouterr().out
    assert os.listdir(home / "data") in ([], ["lock"])
    assert main(["restore", str(tmp_path / "backup.tar.gz")]) == 0


def test_a_folder_that_is_missing_is_named(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", str(tmp_path / "none" / "backup.tar.gz")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none'}: No such file or directory\n"


def test_a_journal_that_cannot_be_copied_is_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data" / "journal.sqlite").write_bytes(b"damaged" * 1000)
    capsys.readouterr()
    assert main(["backup", str(tmp_path / "backup.tar.gz")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: data/journal.sqlite: ") and error.count("\n") == 1
    assert not (tmp_path / "backup.tar.gz").exists()


@pytest.mark.parametrize("name", ["", "folder"])
def test_a_folder_is_no_place_for_a_backup(
    name: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "folder").mkdir()
    capsys.readouterr()
    assert main(["backup", name]) == 1
    assert capsys.readouterr().err == f"error: {name or '.'}: is a folder; name a file in it\n"


def test_what_a_backup_that_is_killed_leaves_is_removed_by_the_next_start(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Path] = []

    def write(*_: object) -> None:
        left.extend(sweep([tmp_path]))  # a draft of a process with this id is that of an earlier one
        raise OSError(errno.EIO, "killed")

    monkeypatch.setattr(archive, "write", write)
    assert main(["backup", str(tmp_path / "b.tar")]) == 1
    assert [path.name.startswith(".b.tar.") for path in left] == [True]


def test_a_device_is_not_replaced_by_a_backup(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "tape"
    os.mkfifo(pipe)
    capsys.readouterr()
    assert main(["backup", str(pipe)]) == 1
    assert capsys.readouterr().err == f"error: {pipe}: is not a file\n"
    assert pipe.is_fifo()


def test_a_full_disk_is_named_with_the_file(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "backup.tar.gz"
    assert main(["backup", str(target)]) == 0
    capsys.readouterr()
    monkeypatch.setattr("bssci.cli.archive._extract", full)
    assert main(["restore", str(target)]) == 1
    assert capsys.readouterr().err == "error: data: No space left on device\n"
    monkeypatch.setattr("bssci.cli.archive._add", full)
    assert main(["backup", str(tmp_path / "other.tar.gz")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'other.tar.gz'}: No space left on device\n"
    monkeypatch.setattr("bssci.cli.restore.write_atomically", full)
    assert main(["restore", str(target)]) == 1
    assert capsys.readouterr().err == f"error: {home}: No space left on device\n"
