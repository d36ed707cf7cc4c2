"""Errors of the sink when it cannot store anything."""

from __future__ import annotations


class PostgresError(Exception):
    """Why nothing can be stored now: one line for people, without a secret."""
