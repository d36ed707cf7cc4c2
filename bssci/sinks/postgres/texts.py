"""Text and JSON in the form that PostgreSQL can store."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from bssci.model.strict_json import DEEPEST, JsonError, read_json_fast

LONGEST_BODY = 100_000
"""characters that are kept of a body that is set aside"""
LONGEST = 60
"""characters of a text that are quoted"""
_NUL = "\0"
_NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_UNTAKEN = re.compile("[\0\ud800-\udfff]")
_encode = msgspec.json.Encoder().encode


class TextError(ValueError):
    """A text that no table can hold."""


def find_unstorable(*texts: str | None) -> None:
    """Check that PostgreSQL can store texts.

    :raises TextError: one of them holds a NUL or half a surrogate pair; the message quotes it.
    """
    for text in texts:
        if not text:
            continue
        if _NUL in text:
            raise TextError(f"NUL in text: {quoted(text)}")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise TextError(f"half a surrogate pair in text: {quoted(text)}") from None


def storable(text: str | None) -> str | None:
    """Return ``text`` with U+FFFD for what PostgreSQL cannot hold."""
    return _UNTAKEN.sub("\ufffd", text) if text else text


def quoted(text: str) -> str:
    """Return a text for quoting in a message: ASCII on one line, cut after :data:`LONGEST` characters."""
    quoted = ascii(text)
    return quoted if len(quoted) <= LONGEST else f"{quoted[:LONGEST]}..."


def to_json(value: Any) -> str:
    """Return JSON for a jsonb. NaN and infinities, which JSON lacks, become null.

    :raises TextError: it holds a NUL or half a surrogate pair, or is nested too deeply.
    :raises TypeError: it holds a value that JSON cannot represent.
    """
    try:
        encoded = _encode(value)
        if encoded.count(b"[") + encoded.count(b"{") > DEEPEST:
            read_json_fast(encoded)  # Python from 3.12 on encodes more levels than PostgreSQL takes
    except UnicodeEncodeError:
        raise TextError("half a surrogate pair in text") from None
    except (RecursionError, JsonError):
        raise TextError("objects nested too deep") from None
    # The quick test comes first: the regular expression costs more than the encoding.
    if b"\\u0000" in encoded and _NUL_IN_JSON.search(encoded):
        raise TextError("NUL in text")
    return encoded.decode()


def to_safe_json(value: Any) -> str:
    """Return JSON in ASCII of any value, for people to read; it uses Python's repr where JSON has no form."""
    try:
        builtins = msgspec.to_builtins(value, str_keys=True, enc_hook=ascii)
        text = json.dumps(builtins, default=ascii)
    except (TypeError, ValueError, RecursionError) as error:
        text = json.dumps({"type": type(value).__name__, "error": ascii(str(error))})
    return text[:LONGEST_BODY]
