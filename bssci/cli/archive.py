"""Contents of a backup: the files of an installation under names that do not depend on their paths.

manifest.json       format, version, time, and the SHA-256 of each file; the first member
env                 .env
settings/NAME       the file that the setting NAME points to: certificates, keys, endpoints.json
beside/NAME         ca_key.pem, crl.pem and revoked.pem, which are beside CA_FILE
stations/EUI/NAME   the bundles of base stations
authority/NAME      key and revocation list of the devices' authority, which are beside DEVICE_CA_FILE
devices/NAME        the registry of devices; devices/ID/NAME: the bundle of each
decoders/NAME       the files in DECODER_DIR
state/NAME          the files in STATE_DIR except the journal: accounts, sessions
journal.sqlite
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from bssci import __version__
from bssci.certificates.bundles import authority_key_file
from bssci.certificates.provisioning import BUNDLE, Provisioning
from bssci.certificates.reading import OWN_LIST, REVOKED
from bssci.journal import OWN_FILES
from bssci.model.own_words import one_line
from bssci.settings.env_file import ENV_FILE
from bssci.settings.table import Settings
from bssci.system.files import in_folders

FORMAT = 1
MANIFEST = "manifest.json"
JOURNAL = "journal.sqlite"
MAX_MANIFEST = 16 * 1024 * 1024
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._@+ -]{0,199}"
_MEMBER = re.compile(
    rf"env|{re.escape(JOURNAL)}|settings/[A-Z0-9_]+|beside/{_NAME}|decoders/{_NAME}|state/{_NAME}"
    rf"|stations/{_NAME}/{_NAME}|authority/{_NAME}|devices/(?:{_NAME}/)?{_NAME}"
)
_PASSING = re.compile(r"lock|.*\.lock|.*\.new|.*\.tmp|\..*")
"""files of STATE_DIR that are meaningless once their process has ended"""


_DAMAGE = (
    tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, TypeError, IndexError,
    OverflowError, RecursionError,
)  # fmt: skip
"""errors of a damaged backup; tarfile raises some of them for an empty field of a header"""


class BackupError(ValueError):
    """A backup cannot be made or used; the message is one line, whatever names a damaged backup has."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class Manifest(msgspec.Struct, frozen=True):
    """The manifest of a backup."""

    format: int
    version: str
    """version of the program that made it"""
    created: str
    """time of the backup, ISO 8601"""
    files: dict[str, str]
    """SHA-256 of each file, as 64 hexadecimal digits, by name"""


def places(chosen: Settings, env_file: Path = ENV_FILE) -> Iterator[tuple[str, Path]]:
    """Yield name and path of every existing file of an installation except the journal."""
    for name, path in _candidates(chosen, env_file):
        if path.is_file():
            yield name, path


def _candidates(chosen: Settings, env_file: Path) -> Iterator[tuple[str, Path]]:
    yield "env", env_file
    for setting, value in chosen.values().items():
        if is_kept(setting) and isinstance(value, Path):
            yield f"settings/{setting}", value
    yield "beside/ca_key.pem", authority_key_file(chosen.ca_file)
    for name in (REVOKED, OWN_LIST):
        yield f"beside/{name}", chosen.ca_file.with_name(name)
    for path in in_folders(chosen.cert_file.parent / "stations"):
        if path.suffix == ".pem":
            yield f"stations/{path.parent.name}/{path.name}", path
    yield from _of_devices(chosen)
    yield from _in_directory("decoders", chosen.decoder_dir)
    for name, path in _in_directory("state", chosen.state_dir):
        if path.name not in OWN_FILES and not _PASSING.fullmatch(path.name):
            yield name, path


def _of_devices(chosen: Settings) -> Iterator[tuple[str, Path]]:
    """Yield the files of provisioned devices."""
    devices = Provisioning(chosen.device_ca_file, chosen.ca_file)
    yield "authority/ca_key.pem", authority_key_file(chosen.device_ca_file)
    yield f"authority/{OWN_LIST}", devices.list_file
    registry = devices.registry_file
    yield f"devices/{registry.name}", registry
    for path in in_folders(registry.parent):
        if path.name in BUNDLE:
            yield f"devices/{path.parent.name}/{path.name}", path


def _in_directory(kind: str, directory: Path) -> Iterator[tuple[str, Path]]:
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if _MEMBER.fullmatch(f"{kind}/{path.name}"):
                yield f"{kind}/{path.name}", path


def is_kept(setting: str) -> bool:
    """Return whether the file that a setting points to belongs in a backup; the log does not."""
    return setting.endswith("_FILE") and setting != "LOG_FILE"


def restored_path(name: str, chosen: Settings) -> Path:
    """Return the path of a backup's file in an installation.

    :raises BackupError: the backup's settings do not name a path for it.
    """
    kind, _, rest = name.partition("/")
    if name == "env":
        return ENV_FILE
    if name == JOURNAL:
        return chosen.state_dir / JOURNAL
    if kind == "settings":
        value = chosen.values().get(rest)
        if not is_kept(rest) or not isinstance(value, Path):
            raise BackupError(f"{name}: the settings of the backup name no such file")
        return value
    directory = {
        "beside": chosen.ca_file.parent,
        "stations": chosen.cert_file.parent / "stations",
        "authority": chosen.device_ca_file.parent,
        "devices": Provisioning(chosen.device_ca_file, chosen.ca_file).registry_file.parent,
        "decoders": chosen.decoder_dir,
        "state": chosen.state_dir,
    }[kind]
    return directory / rest


def has_place(name: str) -> bool:
    """Return whether a file may have this name in a backup."""
    return _MEMBER.fullmatch(name) is not None


def write(target: IO[bytes], files: Iterable[tuple[str, Path]], journal: Path | None) -> Manifest:
    """Write a backup.

    :param journal: a copy of the journal, which nothing writes to.
    :raises BackupError: a file has a name that is not allowed in a backup.
    :raises OSError: a file cannot be read, or ``target`` written.
    """
    contents = {name: path.read_bytes() for name, path in files}
    for name in contents:
        if not _MEMBER.fullmatch(name):
            raise BackupError(f"{name}: this file name is not allowed in a backup; rename it")
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    if journal is not None:
        with journal.open("rb") as file:
            digests[JOURNAL] = hashlib.file_digest(file, "sha256").hexdigest()
    now = datetime.now(UTC)
    manifest = Manifest(FORMAT, __version__, now.isoformat(timespec="seconds"), digests)
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        _add(archive, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)), now)
        for name, data in contents.items():
            _add(archive, name, data, now)
        if journal is not None:
            info = tarfile.TarInfo(JOURNAL)
            info.size, info.mode, info.mtime = journal.stat().st_size, 0o600, int(now.timestamp())
            with journal.open("rb") as file:
                archive.addfile(info, file)
    return manifest


def _add(archive: tarfile.TarFile, name: str, data: bytes, now: datetime) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o600, int(now.timestamp())
    archive.addfile(info, io.BytesIO(data))


def peek(source: IO[bytes]) -> bytes:
    """Return the ``.env`` of a backup without unpacking the rest; empty if it has none.

    :raises BackupError: it is not a backup, or is damaged.
    """
    with _explained(), tarfile.open(fileobj=source, mode="r|gz") as archive:
        for number, info in enumerate(archive):
            member = archive.extractfile(info)
            if member is None:
                break
            if number == 0:
                _manifest(info, member)
            elif info.name == "env" and info.size <= MAX_MANIFEST:
                return member.read()
            else:
                break
    return b""


def unpack(source: IO[bytes], directory: Path) -> Manifest:
    """Write the files of a backup to a directory under their names, and verify their digests.

    :param directory: an empty directory of our own.
    :raises BackupError: it is not a backup, is damaged, or of a newer version; the directory is then
        incomplete.
    :raises OSError: a file cannot be written.
    """
    with _explained(), tarfile.open(fileobj=source, mode="r|gz") as archive:
        return _unpack(archive, directory)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BackupError:
        raise
    except _DAMAGE as error:
        raise BackupError(f"is not a backup, or is damaged ({error})") from None


def _unpack(archive: tarfile.TarFile, directory: Path) -> Manifest:
    manifest: Manifest | None = None
    missing: dict[str, str] = {}
    for info in archive:
        member = archive.extractfile(info) if info.isreg() else None
        if member is None:
            raise BackupError(f"{info.name[:100]}: does not belong in a backup")
        if manifest is None:
            manifest = _manifest(info, member)
            missing = dict(manifest.files)
            continue
        expected = missing.pop(info.name, None)
        if expected is None or not _MEMBER.fullmatch(info.name):
            raise BackupError(f"{info.name[:100]}: does not belong in this backup")
        if _extract(member, directory / info.name) != expected:
            raise BackupError(f"{info.name}: is damaged")
    if manifest is None:
        raise BackupError("is empty")
    if missing:
        raise BackupError(f"is truncated: {', '.join(sorted(missing)[:5])} missing")
    return manifest


def _manifest(info: tarfile.TarInfo, member: IO[bytes]) -> Manifest:
    if info.name != MANIFEST or info.size > MAX_MANIFEST:
        raise BackupError("does not begin with its list of files")
    try:
        manifest = msgspec.json.decode(member.read(), type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"its list of files is damaged ({error})") from None
    if manifest.format > FORMAT:
        raise BackupError(f"was made by bssci {manifest.version}, which is newer; install that one")
    return manifest


def _extract(member: IO[bytes], path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        while chunk := member.read(1 << 20):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()
