"""Files that belong together, replaced together: after a crash in between, the next start finishes.

STATE_DIR/replacement.new/   being written
STATE_DIR/replacement/       complete, with ``plan.json``: renamed into being, so all or nothing
                             then each file goes to its place, and the directory away
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from bssci.system.files import write_atomically

_PLAN = "plan.json"


def replace_together(directory: Path, files: Mapping[Path, bytes]) -> None:
    """Replace several files, mode 0600, so that whoever starts later sees all or none.

    :param directory: of our own, where the new contents wait; the same for :func:`finish_replacement`.
    :raises OSError: before anything was replaced, or after: :func:`finish_replacement` goes on then.
    """
    draft, ready = directory / "replacement.new", directory / "replacement"
    finish_replacement(directory)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    plan = {}
    for number, (path, data) in enumerate(files.items()):
        plan[str(number)] = str(path.absolute())
        write_atomically(draft / str(number), data)
    write_atomically(draft / _PLAN, json.dumps(plan).encode())
    os.rename(draft, ready)
    _sync(directory)
    finish_replacement(directory)


def finish_replacement(directory: Path) -> list[Path]:
    """What an earlier run left undone: for the start, before the files are read. Which were replaced.

    :raises OSError: a file cannot be written.
    """
    ready = directory / "replacement"
    if not ready.exists():
        return []
    if not (ready / _PLAN).exists():
        shutil.rmtree(ready)
        return []
    plan: dict[str, str] = json.loads((ready / _PLAN).read_bytes())
    replaced = []
    for name, target in plan.items():
        path = Path(target)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, (ready / name).read_bytes())
        replaced.append(path)
    # The plan first: without it, what is left of the directory means nothing.
    (ready / _PLAN).unlink()
    _sync(ready)
    shutil.rmtree(ready)
    return replaced


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
