"""Errors of psycopg in plain words, and whether a row or the server is at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg

from bssci.sinks.postgres.staging import STAGES

HIDDEN = "********"
_POISON_CLASSES = ("21", "22", "23", "44", "54")
"""SQLSTATE classes of errors that a row causes: cardinality, data, integrity, view's check, program limits"""
_RAISED = "P0001"
"""SQLSTATE of an exception that a trigger of the database's owner raises"""
_NOT_NULL, _CHECK = "23502", "23514"
_NO_RIGHT = "42501"
_ROW_CHECKS = "ExecWithCheckOptions"
"""function of the server, the same in every language, that checks rows by policies of row-level security"""
_COLUMNS = frozenset(name for stage in STAGES for name, _ in stage.columns)
"""columns that the sink writes"""
_NO_ANSWER, _NOBODY, _NO_HOST, _LOST, _CLOSED = "no answer", "nobody", "no host", "lost", "closed"
"""stand-ins for a SQLSTATE, for connection errors that have none"""
_NO_TABLE = "42P01"
_OTHER_TYPE = "a column has another type than before; change it back"
_ROLE_FULL, _DATABASE_FULL = "role full", "database full"
_OTHER_AUTHORITY, _OTHER_NAME, _NO_TLS, _TLS_WANTED = "other authority", "other name", "no TLS", "TLS wanted"
_POOLED = "pooled"
_PLAIN = {
    _NO_ANSWER: "the server does not answer; check POSTGRES_HOST and the network",
    _NOBODY: "no server answers there: is it running? Check POSTGRES_HOST and POSTGRES_PORT",
    _NO_HOST: "no machine has that name; check POSTGRES_HOST",
    _LOST: "the connection to the server was lost",
    "25006": "the server is read-only: it is a standby, or default_transaction_read_only is on",
    "53100": "the server's disk is full",
    "53200": "the server has no memory left",
    "53300": "the server has no connection left; raise max_connections, or limit others",
    _CLOSED: "the database takes no connections now",
    "57014": "the server did not finish in time, or its administrator cancelled the statement",
    "57P01": "the connection was ended at the server: by its administrator, or because it shuts down",
    "57P02": "the server crashed",
    "57P03": "the server is starting up or shutting down, or a standby that takes no connections",
    "28P01": "the server refuses the password; check POSTGRES_USER and POSTGRES_PASSWORD",
    "28000": "the server refuses the user; check POSTGRES_USER and the server's pg_hba.conf",
    "3D000": "the database does not exist; check POSTGRES_DB, or create it",
    "42501": "the user may not do that; GRANT what is missing",
    "42P01": "a table is missing that was there before; restore it, or drop the whole schema",
    "42703": "a column is missing that was there before; restore it",
    "42P07": (
        "the schema has a table of that name that this service did not make, or schema_version is empty;"
        " set POSTGRES_SCHEMA to another schema"
    ),
    "42P10": "a unique index is missing that was there before; restore it",
    "42704": "something is missing in the database that was there before; restore it",
    "42804": _OTHER_TYPE,
    "42846": _OTHER_TYPE,
    "42883": _OTHER_TYPE,
    "55000": "something else stands in place of a table, such as a view; restore the table",
    "42809": "something else stands in place of a table, such as a view; restore the table",
    "22P05": "the database's encoding lacks a character; create the database with ENCODING 'UTF8'",
    _OTHER_AUTHORITY: (
        "the server's certificate is expired, or signed by another authority than those of sslrootcert"
    ),
    _OTHER_NAME: "the server's certificate is for another name; set POSTGRES_HOST to the name in it",
    _NO_TLS: "the server has no TLS, which POSTGRES_SSLMODE demands; switch it on there, or set another mode",
    _TLS_WANTED: "the server takes only connections with TLS; set POSTGRES_SSLMODE to require or verify-full",
    _POOLED: (
        "our temporary tables are gone: a connection pooler in between pools transactions;"
        " it must pool sessions"
    ),
    _NOT_NULL: "a column was added that must not be empty and has no default; give it one",
    _CHECK: "no partition of a table takes rows of that time; create it, or one with DEFAULT",
    _ROLE_FULL: "the user has as many connections as it may; raise its CONNECTION LIMIT, or end some",
    _DATABASE_FULL: "the database has as many connections as it may; raise its CONNECTION LIMIT, or end some",
    "40P01": "another transaction was in the way",
    "40001": "another transaction was in the way",
    "55P03": "another transaction holds a lock for too long",
}
_SAID_AT_CONNECTION = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("SSL off", _TLS_WANTED),
    ("no encryption", _TLS_WANTED),
    ("no pg_hba.conf entry", "28000"),
    ("pg_hba.conf rejects", "28000"),
    ("certificate verify failed", _OTHER_AUTHORITY),
    ("does not match host name", _OTHER_NAME),
    ("server does not support SSL", _NO_TLS),
    ("FATAL:  role ", "28000"),
    ("remaining connection slots", "53300"),
    ("too many clients", "53300"),
    ("too many connections for role", _ROLE_FULL),
    ("too many connections for database", _DATABASE_FULL),
    ("not currently accepting connections", _CLOSED),
    ("FATAL:  permission denied for database", "42501"),
    ("is not permitted to log in", "28000"),
    ("starting up", "57P03"),
    ("shutting down", "57P03"),
    ("in recovery mode", "57P03"),
    ("database system is not accepting", "57P03"),
    ("database system is not yet accepting", "57P03"),
    ("timeout expired", _NO_ANSWER),
    ("timed out", _NO_ANSWER),
    ("Connection refused", _NOBODY),
    ("failed: No such file or directory", _NOBODY),
    ("could not translate host name", _NO_HOST),
    ("failed to resolve host", _NO_HOST),
    ("closed the connection", _LOST),
    ("the connection is closed", _LOST),
    ("the connection is lost", _LOST),
    ("Connection reset by peer", _LOST),
)
"""texts of servers and of libpq, with the SQLSTATE that psycopg's error lacks, or a stand-in for it"""
_BEFORE = re.compile(r"(connection is bad|connection failed|consuming input failed|sending query failed): ")
"""text that psycopg puts before that of libpq"""


def is_poison(error: BaseException) -> bool:
    """Return whether the values to be stored cause the error, so that they would be refused each time."""
    if isinstance(error, psycopg.Error):
        code = error.sqlstate
        if code is None:
            return isinstance(error, psycopg.DataError)
        if code == _NO_RIGHT:
            return error.diag.source_function == _ROW_CHECKS
        return (code[:2] in _POISON_CLASSES and not _fails_any_row(error)) or code == _RAISED
    return isinstance(error, (ValueError, OverflowError, TypeError))


def _fails_any_row(error: psycopg.Error) -> bool:
    """Return whether the tables were changed so that no value of ours could be stored."""
    if error.sqlstate == _NOT_NULL:
        return error.diag.column_name is not None and error.diag.column_name not in _COLUMNS
    # A check has a name; without one, the table has no partition for the row.
    return error.sqlstate == _CHECK and bool(error.diag.table_name) and not error.diag.constraint_name


def explain_error(error: BaseException, parameters: Mapping[str, Any] | None = None) -> str:
    """Return one line: the fault, the remedy, and the server's own text.

    :param parameters: parameters of the connection; its password is masked wherever it occurs.
    """
    said = _said(error)
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    if code is None:
        code = next((code for words, code in _SAID_AT_CONNECTION if words in said), None)
    if code == _NO_TABLE and any(stage.name in said for stage in STAGES):
        code = _POOLED
    if code is None and 'database "' in said and "does not exist" in said:
        code = "3D000"
    plain = _PLAIN.get(code or "")
    text = f"{plain} ({said})" if plain else said
    return hide(text, parameters)


def hide(text: str, parameters: Mapping[str, Any] | None) -> str:
    """Return ``text`` without the password of a connection."""
    password = str((parameters or {}).get("password") or "")
    return text.replace(password, HIDDEN) if password else text


def reason(error: BaseException) -> str:
    """Return the reason why a row cannot be stored, in one line."""
    text = _said(error)
    return text if isinstance(error, psycopg.Error) else f"{type(error).__name__}: {text}"


def _said(error: BaseException) -> str:
    """Return the first line of an error, without what psycopg and libpq put before it."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        return error.diag.message_primary.partition("\n")[0]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if isinstance(error, psycopg.OperationalError):
        line = lines[-1] if lines[0].startswith("Multiple connection attempts") else lines[0]
        return _BEFORE.sub("", line)
    return lines[0]
