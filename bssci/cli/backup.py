"""``bssci backup FILE``: a backup of the whole installation, also while the service runs."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
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
    with scratch_directory(chosen.state_dir) as scratch:
        copy = scratch / archive.JOURNAL
        has_journal = copy_journal(chosen.state_dir, copy)
        descriptor, draft = _create(target)
        try:
            with naming(target), os.fdopen(descriptor, "wb") as file:
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


def _create(target: Path) -> tuple[int, Path]:
    """Create a file beside ``target``, mode 0600; return its descriptor and path.

    Its name is one that the start of the service removes in the installation's folders, should this process
    be killed.

    :raises OSError: it cannot be created; the error names the folder, because nobody knows the draft.
    """
    prefix = f".{target.name}.{os.getpid()}."
    try:
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=".new", dir=target.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target.parent)) from None
    return descriptor, Path(name)
