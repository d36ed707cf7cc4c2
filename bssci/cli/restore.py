"""``bssci restore FILE``: restores an installation, completely or not at all, now or at the next start."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bssci.center.devices.endpoints import read_file
from bssci.certificates.checking import examine
from bssci.certificates.reading import OWN_LIST, CertificateError
from bssci.certificates.revoking import restored
from bssci.cli import archive
from bssci.cli.archive import BackupError, Manifest
from bssci.cli.chosen import load
from bssci.journal import DirectoryInUse, JournalError, inspect, no_service, replacement
from bssci.model.counts import many
from bssci.settings.env_file import ENV_FILE
from bssci.settings.table import Settings
from bssci.system.files import (
    naming,
    prepare_directory,
    scratch_directory,
    write_atomically,
)
from bssci.system.replacing import finish_replacement, replace_together, stage_together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = f"{parser.description}; while the service runs, at its next start"
    parser.add_argument("file", type=Path, metavar="FILE", help="made by `bssci backup`")


def run(arguments: argparse.Namespace) -> int:
    """Check the backup, then put its files in place; return 1 if it cannot be used and nothing changed."""
    try:
        for line in restore(arguments.file):
            print(line)
    except (BackupError, JournalError) as error:
        print(f"error: {arguments.file}: {error}", file=sys.stderr)
        return 1
    return 0


def restore(source: Path) -> Iterator[str]:
    """Restore a backup in the working directory, and yield lines for the user.

    The backup's own ``.env`` determines where its files belong; the environment takes precedence, as always.
    While a service uses STATE_DIR, the files are staged there for its next start.

    :raises BackupError: the backup cannot be used; nothing changed.
    :raises JournalError: its journal cannot be used; nothing changed.
    :raises OSError: nothing has been put in place yet, or the next start will complete it.
    """
    with naming(Path.cwd()), scratch_directory(Path()) as scratch, source.open("rb") as file:
        write_atomically(scratch / "env", archive.peek(file))
        chosen = load(env_file=scratch / "env")[1].settings
    prepare_directory(chosen.state_dir)
    with ExitStack() as held:
        try:
            held.enter_context(no_service(chosen.state_dir))
        except DirectoryInUse:
            replace, done = stage_together, "prepared"
            then = "restart the service to use them; what is stored or changed until then will be lost"
        else:
            finish_replacement(chosen.state_dir)
            replace, done, then = replace_together, "restored", "now run `bssci check`, and start the service"
        # On the file system of STATE_DIR, so that the journal can be renamed to its place.
        with naming(chosen.state_dir), scratch_directory(chosen.state_dir) as unpacked:
            with source.open("rb") as file:
                manifest = archive.unpack(file, unpacked)
            yield from _verify(manifest, unpacked, chosen)
            replace(chosen.state_dir, _placed(manifest, unpacked, chosen))
    yield f"{done} {many(len(manifest.files), 'file')} of {manifest.created}; {then}"


def _verify(manifest: Manifest, unpacked: Path, chosen: Settings) -> Iterator[str]:
    """Check that the service could start with the files, and yield warnings.

    :raises BackupError: it could not.
    :raises JournalError: the journal cannot be used.
    """
    if archive.JOURNAL in manifest.files:
        yield from (f"warning: {damage}" for damage in inspect(unpacked))
    names = ("CERT_FILE", "KEY_FILE", "CA_FILE")
    paths = [unpacked / "settings" / name for name in names]
    try:
        if all(path.exists() for path in paths):
            revoked = unpacked / "settings" / "CRL_FILE"
            beside = unpacked / "beside" / "crl.pem"
            found = next((path for path in (revoked, beside) if path.exists()), None)
            verdict = examine(paths[0], paths[1], paths[2], datetime.now(UTC), found)
            found_wrong = (*map(str, verdict.faults), *verdict.warnings)
            yield from (f"warning: {_short(text, unpacked)}" for text in found_wrong)
        sensors = unpacked / "settings" / "SENSOR_CONFIG_FILE"
        if sensors.exists():
            yield from (f"warning: endpoints.json: {each}; not used" for each in read_file(sensors).wrong)
    except ValueError as error:
        raise BackupError(_short(str(error), unpacked)) from None
    for name in manifest.files:
        archive.restored_path(name, chosen)


def _placed(manifest: Manifest, unpacked: Path, chosen: Settings) -> dict[Path, bytes | Path | None]:
    """Return the files to replace: by path, the content, or a file to move there, or None to delete it.

    :raises BackupError: a list of revoked certificates is damaged.
    """
    files: dict[Path, bytes | Path | None] = {}
    if archive.JOURNAL in manifest.files:
        files |= replacement(chosen.state_dir, unpacked / archive.JOURNAL)
    for name in manifest.files:
        if name not in (archive.JOURNAL, "env"):
            path = archive.restored_path(name, chosen)
            content = (unpacked / name).read_bytes()
            files[path] = _still_revoked(path, content) if path.name == OWN_LIST else content
    if "env" in manifest.files:
        files[ENV_FILE] = (unpacked / "env").read_bytes()
    return files


def _still_revoked(path: Path, backup: bytes) -> bytes:
    """Return a list of revoked certificates with what was revoked since the backup.

    :raises BackupError: the one in the backup is damaged.
    """
    try:
        return restored(path, backup)
    except CertificateError as error:
        raise BackupError(str(error)) from None


def _short(text: str, unpacked: Path) -> str:
    return text.replace(f"{unpacked}/", "")
