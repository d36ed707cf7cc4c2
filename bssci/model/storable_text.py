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
    return _UNSTORABLE.sub(REPLACEMENT, text)


def storable_json(text: str) -> str:
    """Return JSON with :data:`REPLACEMENT` in its texts for each character that cannot be stored.

    :param text: JSON that escapes control characters only.
    """
    # The quick test comes first: the regular expression costs more than most encoders.
    if "\\u0000" in text:
        text = _BACKSLASH_OR_NUL.sub(lambda found: REPLACEMENT if found[0] == "\\u0000" else found[0], text)
    return text if text.isascii() else _UNSTORABLE.sub(REPLACEMENT, text)
