"""Knowledge that the journal keeps as encoded bodies, read at the start."""

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
    """Return the knowledge of some rows, by key. What cannot be read is logged and passed over: it is
    learned anew.

    :param what: names the knowledge, for the log.
    """
    found: dict[Key, Knowledge] = {}
    for key, row in rows.items():
        try:
            found[key] = decoder.decode(row.body)
        except (msgspec.DecodeError, ValueError) as error:
            _log.warn("{what} not readable, passed over {key} {error}", what=what, key=key, error=error)
    return found
