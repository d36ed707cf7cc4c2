"""Errors of the journal."""

from __future__ import annotations

import sqlite3


class JournalError(Exception):
    """The journal cannot be opened. The message is one line with the file, what is wrong and the remedy."""


class DirectoryInUse(JournalError):
    """Another process uses the journal's directory."""


class StorageError(Exception):
    """Writing or reading failed because the disk is full, failing or damaged. A retry may succeed."""


class JournalGoneError(StorageError):
    """The journal's files were removed, replaced or truncated while they were open."""


class JournalClosed(StorageError):
    """The journal was closed, because the service stops."""


class JournalBusy(StorageError):
    """Too much data is waiting to be written; the new data was not accepted."""


_STORAGE_CODES = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


def is_storage_failure(error: Exception) -> bool:
    """Return whether an error is the disk's, not that of a statement or its values."""
    if isinstance(error, JournalGoneError):
        return True
    # The low byte of an extended result code is the primary one.
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _STORAGE_CODES


def is_full(error: Exception) -> bool:
    """Return whether an error means that the journal is at its maximum size, or that the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF == sqlite3.SQLITE_FULL
