"""Copies of a journal: taken whole while a service writes it, looked at, and put in place of another one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from bssci.journal.errors import JournalError
from bssci.journal.sqlite.database import FILE_NAME, LOCK_NAME, hold_directory, read_only

NEIGHBOURS = ("-wal", "-shm", "-journal")
"""endings of the names of files that SQLite keeps beside a file"""
OWN_FILES = (LOCK_NAME, FILE_NAME, *(f"{FILE_NAME}{each}" for each in NEIGHBOURS))
"""names in STATE_DIR that belong to the journal"""


def copy_journal(directory: Path, target: Path) -> bool:
    """Copy the journal of a directory as it is at this moment, also while a service writes it.

    A commit that was acknowledged before the copy began is in it. The service goes on meanwhile; its
    write-ahead log grows until the copy is done.

    :param target: a file that is not there yet.
    :return: false if the directory has no journal.
    :raises JournalError: it cannot be read or the copy not written.
    """
    path = directory / FILE_NAME
    if not path.exists() or path.stat().st_size == 0:
        return False
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with _source(directory) as source, closing(sqlite3.connect(target)) as copy:
            # In one step: a copy in several begins anew with every commit in between.
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
    """Return what has to come in place of which file for a copy to be the journal of a directory; None where
    a file has to go.
    """
    journal = directory / FILE_NAME
    # The log of the journal that is replaced must not be taken for the new one's.
    return {**{journal.with_name(f"{FILE_NAME}{each}"): None for each in NEIGHBOURS}, journal: copy}


@contextmanager
def _source(directory: Path) -> Iterator[sqlite3.Connection]:
    path = directory / FILE_NAME
    try:
        descriptor = hold_directory(directory)
    except JournalError:
        # A service has it. SQLite's own locks let us read beside it, and leave its files as they are.
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
    """Keep every service away from a directory.

    :raises JournalError: one uses it now.
    """
    descriptor = hold_directory(directory)
    try:
        yield
    finally:
        os.close(descriptor)
