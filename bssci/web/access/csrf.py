"""The CSRF token as pages show it: each page a different text, so that how far a page can be compressed tells
nothing of the token.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from bssci.web.access.sessions import same

MAX_SHOWN = 512
"""longest text, in characters, that is read as a masked token"""


def masked(token: str) -> str:
    """Return a random pad, and the token under it."""
    data = token.encode()
    pad = secrets.token_bytes(len(data))
    return urlsafe_b64encode(pad + _under(pad, data)).decode()


def shows(shown: str, token: str) -> bool:
    """Return whether a text is the token, as it is or as :func:`masked` returns it."""
    return same(shown, token) or same(_unmasked(shown), token)


def _unmasked(shown: str) -> str:
    if len(shown) > MAX_SHOWN:
        return ""
    try:
        both = urlsafe_b64decode(shown)
    except ValueError:
        return ""
    half = len(both) // 2
    return _under(both[:half], both[half:]).decode("utf-8", "replace")


def _under(pad: bytes, data: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(pad, data, strict=False))
