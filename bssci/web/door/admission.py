"""Admission of clients: tokens, and limits on attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bssci.model.live_token import PREFIX
from bssci.mqtt.server.packets import ConnectPacket
from bssci.web.access.accounts import Directory, token_digest
from bssci.web.access.attempts import Attempts
from bssci.web.access.live_tokens import LiveToken
from bssci.web.access.sessions import same

MAX_IDENTIFIER = 256
"""characters of a client identifier, at most"""


class Denial(NamedTuple):
    """The reason why a client is refused."""

    code: int
    """return code of the CONNACK"""
    reason: str
    """short and stable name of the reason, for counting"""
    message: str


class Admission:
    """Decides on a CONNECT by its token; the number of clients is limited by
    :class:`~bssci.web.door.door.Door`.

    :param directory: returns the present tokens.
    """

    def __init__(
        self, directory: Callable[[], Directory], attempts: Attempts, now: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._attempts = attempts
        self._now = now

    def decide(self, wish: ConnectPacket, address: str) -> LiveToken | Denial:
        """Return the token of a client, or the reason why it is refused."""
        secret = _secret_of(wish)
        attempt = token_digest(secret)[:16]
        if (wait := self._attempts.wait(attempt, address)) > 0:
            return Denial(3, "too_many_attempts", f"too many attempts, try again in {wait:.0f} s")
        self._attempts.failed(attempt, address)
        token = self._find(secret)
        if token is None:
            kind = "unknown, or revoked" if secret.startswith(PREFIX) else f"none that begins with {PREFIX}"
            return Denial(5, "bad_token", f"the token is {kind}")
        if self._now() >= token.expires_at:
            return Denial(5, "expired", "the token has expired")
        self._attempts.succeeded(attempt, address)
        if wish.will:
            return Denial(5, "will", "a will would be published, and this stream is read-only")
        if len(wish.client_id) > MAX_IDENTIFIER or not (wish.client_id or wish.clean):
            return Denial(
                2, "client_id", f"a client identifier of 1 to {MAX_IDENTIFIER} characters is needed"
            )
        return token

    def _find(self, secret: str) -> LiveToken | None:
        digest = token_digest(secret)
        return next((token for token in self._directory().live_tokens if same(token.digest, digest)), None)


def _secret_of(wish: ConnectPacket) -> str:
    """Return the token in a CONNECT: the password if it looks like one, or else the user name."""
    password = wish.password.decode("utf-8", "replace")
    return password if password.startswith(PREFIX) or not wish.username else wish.username
