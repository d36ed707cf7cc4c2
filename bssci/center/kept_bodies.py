"""Decoding of the records that the journal stores as encoded bodies, at the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import msgspec
from twisted.logger import Logger

Key = TypeVar("Key", bound=str)
Knowledge = TypeVar("Knowledge")

_log = Logger()


class KeptBody(Protocol):
    """A row with a body."""

    @property
    def body(self) -> bytes: ...


def read_bodies(
    what: str, rows: Mapping[Key, KeptBody], decoder: msgspec.msgpack.Decoder[Knowledge]
) -> dict[Key, Knowledge]:
    """Return the decoded bodies of rows, by key. Unreadable ones are logged and skipped, to be learned anew.

    :param what: name of the records, for the log.
    """
    found: dict[Key, Knowledge] = {}
    for key, row in rows.items():
        try:
            found[key] = decoder.decode(row.body)
        except (msgspec.DecodeError, ValueError) as error:
            _log.warn("{what} unreadable, skipped {key} {error}", what=what, key=key, error=error)
    return found
