"""Files that survive a crash: written whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file's content so that a reader, or a crash, sees the old or the new one.

    A symbolic link stays a link: the file it points to is replaced.

    :raises OSError: if it cannot be written; the old content is untouched.
    """
    target = Path(os.path.realpath(path))
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def prepare_directory(path: Path) -> bool:
    """Make sure of a directory of our own (mode 0700 if new); whether it was created.

    :raises OSError: if it cannot be made, or cannot be read and written.
    """
    created = not path.exists()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.listdir(path)
    with tempfile.TemporaryFile(dir=path):
        pass
    return created
