"""Errors of the sink when it cannot store anything."""

from __future__ import annotations


class PostgresError(Exception):
    """Nothing can be stored now; the text says why in one line, without a secret."""


class AllRefused(PostgresError):
    """The server refuses all that devices sent of what one transaction was to store."""


class ManyRefused(PostgresError):
    """The server refuses many in a row of what one transaction was to store; the others are stored."""
