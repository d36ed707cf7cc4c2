"""Admission of clients: tokens, limits on attempts, and the last use of each token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.model.live_token import PREFIX
from bssci.mqtt.server.packets import ConnectPacket
from bssci.system.files import write_atomically
from bssci.system.line_limit import LineLimit
from bssci.web.access.accounts import Directory, token_digest
from bssci.web.access.attempts import Attempts
from bssci.web.access.live_tokens import LiveToken
from bssci.web.access.sessions import same

USES_FILE = "live_token_uses.json"
MAX_IDENTIFIER = 256
"""characters of a client identifier, at most"""


class Use(msgspec.Struct, frozen=True):
    """The last use of a token."""

    at: float
    """Unix seconds"""
    address: str


class Denial(NamedTuple):
    """The reason why a client is refused."""

    code: int
    """return code of the CONNACK"""
    reason: str
    """short and stable name of the reason, for counting"""
    message: str


_decoder = msgspec.json.Decoder(dict[str, Use])


class TokenUses:
    """Last uses of tokens by token id, kept in a file that the command line reads, too.

    :param now: Unix seconds.
    :param run_in_thread: ``deferToThread``.
    """

    log = Logger()

    def __init__(
        self, state_dir: Path, now: Callable[[], float], run_in_thread: Callable[..., Deferred[Any]]
    ) -> None:
        self._path = state_dir / USES_FILE
        self._now = now
        self._run_in_thread = run_in_thread
        self._uses = read_uses(state_dir)
        self._changed = False
        self._lines = LineLimit(now, lines=1)

    def get(self, token_id: str) -> Use | None:
        """Return the last use of a token; None if it was never used."""
        return self._uses.get(token_id)

    def used(self, token_id: str, address: str) -> None:
        """Record a use, which :meth:`save` stores."""
        self._uses[token_id] = Use(self._now(), address)
        self._changed = True

    def keep(self, token_ids: set[str]) -> None:
        """Forget all tokens but these."""
        if not self._uses.keys() <= token_ids:
            self._uses = {key: use for key, use in self._uses.items() if key in token_ids}
            self._changed = True

    def save(self) -> Deferred[None] | None:
        """Store the uses if they changed; fires when that is done. None if they did not."""
        if not self._changed:
            return None
        self._changed = False
        data = msgspec.json.encode(self._uses)
        return self._run_in_thread(write_atomically, self._path, data).addErrback(self._not_saved)

    def _not_saved(self, failure: Failure) -> None:
        self._changed = True
        if self._lines.admit() is not None:
            self.log.warn("uses of live tokens not stored {error}", error=failure.getErrorMessage())


def read_uses(state_dir: Path) -> dict[str, Use]:
    """Return the stored last uses of tokens; an empty mapping if they cannot be read."""
    try:
        return _decoder.decode((state_dir / USES_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}


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
