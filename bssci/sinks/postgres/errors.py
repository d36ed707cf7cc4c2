"""Errors of the sink when it cannot store anything."""

from __future__ import annotations


class PostgresError(Exception):
    """Nothing can be stored now; the text says why in one line, without a secret."""
