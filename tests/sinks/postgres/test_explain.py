"""Errors in plain words, and who is to blame."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from bssci.sinks.postgres.explain import explain_error, is_poison, reason


@pytest.mark.parametrize(
    "error",
    [
        errors.UntranslatableCharacter("x"),
        errors.NotNullViolation("x"),
        errors.ProgramLimitExceeded("x"),
        errors.RaiseException("x"),
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OverflowError("x"),
    ],
)
def test_a_row_is_to_blame(error: Exception) -> None:
    assert is_poison(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.DiskFull("x"),
        errors.ReadOnlySqlTransaction("x"),
        errors.AdminShutdown("x"),
        errors.QueryCanceled("x"),
        errors.InsufficientPrivilege("x"),
        errors.UndefinedTable("x"),
        errors.DeadlockDetected("x"),
        psycopg.OperationalError("the connection is closed"),
        OSError("x"),
        KeyError("x"),
    ],
)
def test_the_server_is_to_blame_or_we_are(error: Exception) -> None:
    assert not is_poison(error)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ('FATAL:  password authentication failed for user "bssci"', "refuses the password"),
        ('connection failed: FATAL:  role "bssci" does not exist', "refuses the user"),
        ('FATAL:  no pg_hba.conf entry for host "::1"', "refuses the user"),
        ('FATAL:  database "bssci" does not exist', "POSTGRES_DB"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ('FATAL:  too many connections for role "bssci"', "the user has as many connections as it may"),
        ('FATAL:  too many connections for database "bssci"', "the database has as many connections"),
        ('FATAL:  permission denied for database "bssci"', "GRANT what is missing"),
        ('FATAL:  database "bssci" is not currently accepting connections', "takes no connections now"),
        ('FATAL:  no pg_hba.conf entry for host "::1", user "x", SSL off', "connections with TLS"),
        ('FATAL:  pg_hba.conf rejects connection for host "::1", no encryption', "connections with TLS"),
        ('FATAL:  pg_hba.conf rejects connection for host "::1", SSL on', "refuses the user"),
        ("connection failed: SSL error: certificate verify failed", "another authority"),
        ('server certificate for "a" does not match host name "b"', "for another name"),
        ("server does not support SSL, but SSL was required", "has no TLS"),
        ("FATAL:  the database system is starting up", "starting up"),
        ("FATAL:  the database system is not accepting connections", "a standby that takes no connections"),
        ("FATAL:  the database system is not yet accepting connections", "starting up"),
        ("connection is bad: connection to server on socket X failed: Connection refused", "is it running?"),
        ("connection failed: connection to server at X failed: timeout expired", "does not answer"),
        ('could not translate host name "db" to address: Name or service not known', "check POSTGRES_HOST"),
        ("consuming input failed: server closed the connection unexpectedly", "was lost (server closed"),
    ],
)
def test_what_is_said_at_a_connection_is_explained(said: str, plain: str) -> None:
    text = explain_error(psycopg.OperationalError(f"{said}\nmore of it"))
    assert plain in text and "\n" not in text and "more" not in text


def test_tables_that_a_person_changed_are_explained() -> None:
    for error in (
        errors.UndefinedFunction("operator does not exist: json = json"),
        errors.DatatypeMismatch("x"),
    ):
        assert explain_error(error).startswith("a column has another type than before; change it back (")
    assert "unique index is missing" in explain_error(errors.InvalidColumnReference("no unique constraint"))


def test_a_pooler_of_transactions_is_named() -> None:
    said = 'relation "stage_raw" does not exist'
    assert "must pool sessions" in explain_error(errors.UndefinedTable(said))
    assert "is missing" in explain_error(errors.UndefinedTable('relation "raw" does not exist'))


def test_states_of_the_server_are_explained() -> None:
    assert "administrator" in explain_error(errors.AdminShutdown("terminating connection"))
    assert "disk is full" in explain_error(errors.DiskFull("could not extend file"))
    assert "read-only" in explain_error(errors.ReadOnlySqlTransaction("cannot execute INSERT"))


def test_a_password_is_left_out() -> None:
    error = psycopg.OperationalError("could not translate host name hunter2@db")
    text = explain_error(error, {"password": "hunter2"})
    assert text.endswith("(could not translate host name ********@db)") and "hunter2" not in text


def test_a_reason_is_one_line() -> None:
    assert reason(errors.InvalidTextRepresentation("bad json\nCONTEXT: x")) == "bad json"
    assert reason(OverflowError("too large")) == "OverflowError: too large"
    assert reason(OverflowError()) == "OverflowError: OverflowError"
