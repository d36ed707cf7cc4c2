"""Text and JSON in the form that PostgreSQL can store."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from bssci.model.storable_text import storable, without_nul
from bssci.model.strict_json import DEEPEST, JsonError, read_json_fast

LONGEST_BODY = 100_000
"""characters that are kept of a body that is set aside"""
LONGEST = 60
"""characters of a text that are quoted"""
_encode = msgspec.json.Encoder().encode


class TextError(ValueError):
    """An id that no table can hold as it is, or JSON that is nested too deeply."""


def check_id(id: str) -> None:
    """Check that PostgreSQL can store an id, which may not be changed.

    :raises TextError: it holds a NUL or half a surrogate pair; the message quotes it.
    """
    if storable(id) != id:
        raise TextError(f"NUL or half a character in {quoted(id)}")


class StorableTexts:
    """The texts of one event, with U+FFFD for the characters that PostgreSQL cannot hold.

    :ivar altered: whether one of them held such a character.
    """

    __slots__ = ("altered",)

    def __init__(self) -> None:
        self.altered = False

    def text(self, text: str) -> str:
        """Return a text for a column of type text."""
        return self._noted(storable(text), text)

    def json(self, value: Any) -> str:
        """Return JSON for a jsonb. NaN and infinities, which JSON lacks, become null.

        :raises TextError: it is nested too deeply.
        :raises TypeError: it holds a value that JSON cannot represent.
        """
        encoded = self._encoded(value)
        return self._noted(without_nul(encoded), encoded)

    def _encoded(self, value: Any) -> str:
        try:
            encoded = _encode(value)
            if encoded.count(b"[") + encoded.count(b"{") > DEEPEST:
                read_json_fast(encoded)  # Python from 3.12 on encodes more levels than PostgreSQL takes
        except UnicodeEncodeError:
            self.altered = True
            text = json.dumps(msgspec.to_builtins(value, str_keys=True), ensure_ascii=False)
            encoded = _encode(json.loads(storable(text)))
        except (RecursionError, JsonError):
            raise TextError("objects nested too deep") from None
        return encoded.decode()

    def _noted(self, kept: str, given: str) -> str:
        self.altered = self.altered or kept != given
        return kept


def quoted(text: str) -> str:
    """Return a text for quoting in a message: ASCII on one line, cut after :data:`LONGEST` characters."""
    quoted = ascii(text)
    return quoted if len(quoted) <= LONGEST else f"{quoted[:LONGEST]}..."


def to_safe_json(value: Any) -> str:
    """Return JSON in ASCII of any value, for people to read; it uses Python's repr where JSON has no form."""
    try:
        builtins = msgspec.to_builtins(value, str_keys=True, enc_hook=ascii)
        text = json.dumps(builtins, default=ascii)
    except (TypeError, ValueError, RecursionError) as error:
        text = json.dumps({"type": type(value).__name__, "error": ascii(str(error))})
    return text[:LONGEST_BODY]
