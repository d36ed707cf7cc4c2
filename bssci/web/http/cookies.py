"""The session cookie."""

from __future__ import annotations

from twisted.web.http import Request

from bssci.web.access.sessions import LIFE
from bssci.web.http.guard import COOKIE


def session_cookie(request: Request, secret: str) -> str:
    """Only for this site, not for scripts, and over TLS only where there is TLS."""
    return _cookie(request, secret, int(LIFE))


def cleared_cookie(request: Request) -> str:
    return _cookie(request, "", 0)


def _cookie(request: Request, value: str, max_age: int) -> str:
    secure = "; Secure" if request.isSecure() else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
