"""Replacement of several files that belong together: a crash leaves all of them replaced or none.

STATE_DIR/replacement.new/      the files, while they are being written
STATE_DIR/replacement/          the same, complete with ``plan.json``; the rename makes it all or nothing.
                                Then each file moves to its place, and the directory is removed
STATE_DIR/staged/               complete, but kept for the next start, when :func:`take_staged` renames it
                                to ``replacement``
STATE_DIR/replacement.damaged/  one that cannot be read, set aside
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from twisted.logger import Logger

from bssci.system.files import give_away, make_directory, sync_directory, write_atomically

DAMAGED = "replacement.damaged"
_PLAN = "plan.json"
_STAGED = "staged"
_MOVE, _REMOVE = "move-", "remove-"
"""prefixes of names in the plan"""
_log = Logger()


def replace_together(directory: Path, files: Mapping[Path, bytes | Path | None]) -> None:
    """Replace several files, mode 0600 if new, so that any later start sees all of them replaced or none.

    :param directory: a directory of our own that holds the new contents meanwhile; to be given to
        :func:`finish_replacement` at the next start.
    :param files: for each path its new content, or a file on the same file system as ``directory`` to move
        there, or None to delete the file.
    :raises OSError: before anything was replaced, or in the middle; then :func:`finish_replacement` does
        the rest.
    """
    finish_replacement(directory)
    _prepare(directory, files, directory / "replacement")
    finish_replacement(directory)


def stage_together(directory: Path, files: Mapping[Path, bytes | Path | None]) -> None:
    """Prepare a :func:`replace_together` for the next start, in place of one that was staged before.

    :raises OSError: it failed; nothing is staged now.
    """
    forgotten = directory / "staged.old"
    shutil.rmtree(forgotten, ignore_errors=True)
    if (directory / _STAGED).exists():
        os.rename(directory / _STAGED, forgotten)
        shutil.rmtree(forgotten, ignore_errors=True)
    _prepare(directory, files, directory / _STAGED)


def is_staged(directory: Path) -> bool:
    """Return whether :func:`take_staged` has something to carry out."""
    return (directory / _STAGED / _PLAN).exists()


def take_staged(directory: Path) -> list[Path]:
    """Carry out what :func:`stage_together` prepared; return the paths that were replaced.

    To be called at the start, before the files are read.

    :raises OSError: a file cannot be written; the next start does the rest.
    """
    if not is_staged(directory):
        return []
    finish_replacement(directory)
    os.rename(directory / _STAGED, directory / "replacement")
    sync_directory(directory)
    return finish_replacement(directory)


def _prepare(directory: Path, files: Mapping[Path, bytes | Path | None], ready: Path) -> None:
    """Write the new contents and the plan into a draft directory, and rename it to ``ready``."""
    draft = ready.with_name(f"{ready.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    give_away(draft)
    plan = {}
    try:
        for number, (path, content) in enumerate(files.items()):
            if isinstance(content, bytes):
                name = str(number)
                write_atomically(draft / name, content)
            elif content is None:
                name = f"{_REMOVE}{number}"
            else:
                name = f"{_MOVE}{number}"
                os.rename(content, draft / name)
                give_away(draft / name)
            plan[name] = str(path.absolute())
        write_atomically(draft / _PLAN, json.dumps(plan).encode())
        os.rename(draft, ready)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_directory(directory)


def finish_replacement(directory: Path) -> list[Path]:
    """Finish a replacement that an earlier run began; return the paths that were replaced.

    To be called before the files are read. A replacement that is damaged is set aside, and logged: the files
    stay as they are.

    :raises OSError: a file cannot be written.
    """
    ready = directory / "replacement"
    shutil.rmtree(directory / "replacement.new", ignore_errors=True)
    if not ready.exists():
        return []
    if not (ready / _PLAN).exists():
        shutil.rmtree(ready)
        return []
    try:
        plan = _read_plan(ready)
    except ValueError as error:
        _set_aside(ready, str(error))
        return []
    replaced = []
    for name, target in plan.items():
        path = Path(target)
        make_directory(path.parent, 0o700)
        if name.startswith(_REMOVE):
            path.unlink(missing_ok=True)
        elif name.startswith(_MOVE):
            _move(ready / name, path)
        else:
            write_atomically(path, (ready / name).read_bytes())
        replaced.append(path)
    # The plan goes first: a directory without a plan is ignored and removed.
    (ready / _PLAN).unlink()
    sync_directory(ready)
    shutil.rmtree(ready)
    return replaced


def _read_plan(ready: Path) -> dict[str, str]:
    """Return the places of the files of a replacement by their names in it.

    :raises ValueError: it is damaged.
    """
    try:
        plan = json.loads((ready / _PLAN).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_PLAN} is damaged ({error})") from None
    if not isinstance(plan, dict):
        raise ValueError(f"{_PLAN} is damaged (no object)")
    for name, target in plan.items():
        if not isinstance(target, str) or "\0" in target or not Path(target).is_absolute():
            raise ValueError(f"{_PLAN} is damaged (no place for {name!a})")
        if Path(name).name != name or not (name.startswith((_MOVE, _REMOVE)) or (ready / name).is_file()):
            raise ValueError(f"its file {name!a} is missing")
    return plan


def _set_aside(ready: Path, reason: str) -> None:
    damaged = ready.with_name(DAMAGED)
    shutil.rmtree(damaged, ignore_errors=True)
    os.rename(ready, damaged)
    _log.error(
        "files that belong together were not replaced, {reason}: repeat the change, then remove {damaged}",
        reason=reason,
        damaged=str(damaged),
    )


def _move(source: Path, target: Path) -> None:
    """Move a file to its place, unless an earlier attempt has done so."""
    if not source.exists():
        return
    give_away(source, target.parent)
    os.replace(source, target)
    sync_directory(target.parent)
