"""Copies of a journal: made while a service writes it, inspected, and put in place of another one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from bssci.journal.errors import JournalError
from bssci.journal.sqlite.database import FILE_NAME, LOCK_NAME, hold_directory, read_only

NEIGHBOURS = ("-wal", "-shm", "-journal")
"""suffixes of the files that SQLite keeps beside a database"""
OWN_FILES = (LOCK_NAME, FILE_NAME, *(f"{FILE_NAME}{each}" for each in NEIGHBOURS))
"""names in STATE_DIR that belong to the journal"""


def copy_journal(directory: Path, target: Path) -> bool:
    """Copy the present state of a directory's journal, also while a service writes it.

    Commits that were acknowledged before the copy began are in it. The service goes on meanwhile; its
    write-ahead log grows until the copy is complete.

    :param target: a file that must not exist yet.
    :return: false if the directory has no journal.
    :raises JournalError: the journal cannot be read, or the copy cannot be written.
    :raises OSError: the target exists or cannot be created.
    """
    path = directory / FILE_NAME
    if not path.exists() or path.stat().st_size == 0:
        return False
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with _source(directory) as source, closing(sqlite3.connect(target)) as copy:
            # In one step: a copy in several steps starts again at every commit in between.
            source.backup(copy, pages=-1)
    except sqlite3.Error as error:
        raise JournalError(f"{path}: cannot be copied: {error}") from error
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def replacement(directory: Path, copy: Path) -> Mapping[Path, Path | None]:
    """Return the files to replace so that a copy becomes the journal of a directory.

    :return: by path, the file to move there, or None to delete the file.
    """
    journal = directory / FILE_NAME
    # The write-ahead log of the old journal must not be taken for that of the new one.
    return {**{journal.with_name(f"{FILE_NAME}{each}"): None for each in NEIGHBOURS}, journal: copy}


@contextmanager
def _source(directory: Path) -> Iterator[sqlite3.Connection]:
    path = directory / FILE_NAME
    try:
        descriptor = hold_directory(directory)
    except JournalError:
        # A service uses it. SQLite's locks allow reading beside it, and its files stay as they are.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            yield connection
        return
    try:
        with read_only(path) as connection:
            yield connection
    finally:
        os.close(descriptor)


@contextmanager
def no_service(directory: Path) -> Iterator[None]:
    """Lock a directory against services within the context.

    :raises JournalError: a service uses it now.
    """
    descriptor = hold_directory(directory)
    try:
        yield
    finally:
        os.close(descriptor)
