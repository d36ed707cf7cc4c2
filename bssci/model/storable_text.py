"""Texts and JSON without what the texts of PostgreSQL cannot hold: NUL, and half of a surrogate pair."""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
"""character (U+FFFD) that stands for one that cannot be stored"""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_BACKSLASH_OR_NUL = re.compile(r"\\\\|\\u0000")
"""an escaped backslash, behind which "u0000" is plain text, or an escaped NUL"""


def storable(text: str) -> str:
    """Return a text with :data:`REPLACEMENT` for each character that cannot be stored."""
    # The quick tests come first, here and below: a regular expression costs more than they and most encoders.
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub(REPLACEMENT, text)


def without_nul(json: str) -> str:
    """Return JSON with :data:`REPLACEMENT` for each NUL in its texts.

    :param json: control characters in it are escaped.
    """
    if "\\u0000" not in json:
        return json
    return _BACKSLASH_OR_NUL.sub(lambda found: REPLACEMENT if found[0] == "\\u0000" else found[0], json)
