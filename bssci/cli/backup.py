"""``bssci backup FILE``: a backup of the whole installation, also while the service runs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bssci.cli import archive
from bssci.cli.chosen import load, load_installation
from bssci.journal import copy_journal
from bssci.model.counts import many
from bssci.system.files import give_to_owner, naming, scratch_directory, sync_directory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="file to write, with mode 0600; it will hold all keys"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the backup, and print a summary."""
    load_installation()
    chosen = load()[1].settings
    files = dict(archive.places(chosen))
    left_out = [files.pop(name) for name in list(files) if not archive.has_place(name)]
    target: Path = arguments.file
    fault = _fault(target)
    if fault:
        print(f"error: {target}: {fault}", file=sys.stderr)
        return 1
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    with scratch_directory(chosen.state_dir) as scratch:
        copy = scratch / archive.JOURNAL
        has_journal = copy_journal(chosen.state_dir, copy)
        try:
            with naming(target), os.fdopen(_create(draft), "wb") as file:
                manifest = archive.write(file, files.items(), copy if has_journal else None)
                file.flush()
                os.fsync(file.fileno())
                give_to_owner(file.fileno(), target.parent)
            os.replace(draft, target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    sync_directory(target.parent)
    print(
        f"{target}: {many(len(manifest.files), 'file')}, {target.stat().st_size} bytes."
        " It holds keys: keep it safe."
    )
    for path in left_out:
        print(f"warning: {path} is left out, its name cannot be in a backup: rename it", file=sys.stderr)
    if not has_journal:
        print("warning: there is no journal yet")
    return 0


def _fault(target: Path) -> str:
    """Return why a backup cannot take the place of what is there; an empty text if it can."""
    if target.is_dir():
        return "is a folder; name a file in it"
    if target.exists() and not target.is_file():
        return "is not a file"
    return ""


def _create(draft: Path) -> int:
    """Create a file, and return its descriptor.

    :raises OSError: it cannot be created; the error names the folder, because nobody knows the draft.
    """
    try:
        return os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(draft.parent)) from None
