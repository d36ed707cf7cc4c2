"""The last use of each token, and the last log-in to each account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.model.iso_times import iso_milliseconds
from bssci.system.clock import Clock, Ticker
from bssci.system.files import write_atomically
from bssci.system.line_limit import LineLimit
from bssci.web.access.accounts import ApiToken, Directory

LIVE_TOKENS_FILE = "live_token_uses.json"
TOKENS_FILE = "token_uses.json"
LOG_INS_FILE = "log_ins.json"
SAVE_INTERVAL = 300.0
"""s between times at which uses of API tokens are stored: programs ask every few seconds"""


class Use(msgspec.Struct, frozen=True):
    """The last use of a token or an account."""

    at: float
    """Unix seconds"""
    address: str


def told(use: Use | None, never: str) -> str:
    """Return the time of a use in UTC and its address, or ``never`` if there was none.

    A time that no calendar has, as from a damaged file, is left out.
    """
    if use is None:
        return never
    at = iso_milliseconds(use.at)
    return f"{at[:10]} {at[11:16]} UTC from {use.address}" if at else f"from {use.address}"


_decoder = msgspec.json.Decoder(dict[str, Use])


class LastUses:
    """Last uses by key, kept in a file that the command line reads, too.

    :param what: plural of what is used, for the log.
    :param now: Unix seconds.
    :param run_in_thread: ``deferToThread``.
    """

    log = Logger()

    def __init__(
        self,
        path: Path,
        what: str,
        now: Callable[[], float],
        run_in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self._path = path
        self._what = what
        self._now = now
        self._run_in_thread = run_in_thread
        self._uses = read_uses(path)
        self._changed = False
        self._lock = DeferredLock()
        self._lines = LineLimit(now, lines=1)

    def get(self, key: str) -> Use | None:
        """Return the last use; None if there was none."""
        return self._uses.get(key)

    def used(self, key: str, address: str) -> None:
        """Record a use, which :meth:`save` stores."""
        self._uses[key] = Use(self._now(), address)
        self._changed = True

    def keep(self, keys: set[str]) -> None:
        """Forget all uses but those of these keys."""
        if not self._uses.keys() <= keys:
            self._uses = {key: use for key, use in self._uses.items() if key in keys}
            self._changed = True

    def save(self) -> Deferred[None] | None:
        """Store the uses if they changed; fires when that is done. None if they did not."""
        return self._lock.run(self._write).addErrback(self._not_saved) if self._changed else None

    def _write(self) -> Deferred[None]:
        self._changed = False
        return self._run_in_thread(write_atomically, self._path, msgspec.json.encode(self._uses))

    def _not_saved(self, failure: Failure) -> None:
        self._changed = True
        if self._lines.admit() is not None:
            error = failure.getErrorMessage()
            self.log.warn("uses of {what} not stored {error}", what=self._what, error=error)


class Uses:
    """Last uses of API tokens, and last log-ins to accounts. A crash loses those of the last five minutes."""

    def __init__(
        self,
        state_dir: Path,
        clock: Clock,
        now: Callable[[], float],
        run_in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self._tokens = LastUses(state_dir / TOKENS_FILE, "API tokens", now, run_in_thread)
        self._log_ins = LastUses(state_dir / LOG_INS_FILE, "accounts", now, run_in_thread)
        self._ticker = Ticker(clock, SAVE_INTERVAL, self._save)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> Deferred[Any]:
        """Store what is not stored yet; fires when that is done."""
        self._ticker.stop()
        return gatherResults(self._save())

    def of_token(self, token: ApiToken) -> Use | None:
        """Return the last use of a token; None if it was never used."""
        return self._tokens.get(token_key(token))

    def log_in_to(self, account: str) -> Use | None:
        """Return the last log-in to an account; None if there was none."""
        return self._log_ins.get(account)

    def token_used(self, token: ApiToken, address: str) -> None:
        """Record a use of a token, which is stored within :data:`SAVE_INTERVAL`, the first one at once."""
        is_first = self.of_token(token) is None
        self._tokens.used(token_key(token), address)
        if is_first:  # the command line would say that the token was never used
            self._tokens.save()

    def logged_in(self, account: str, address: str) -> None:
        """Record a log-in, and begin to store it."""
        self._log_ins.used(account, address)
        self._log_ins.save()

    def keep(self, directory: Directory) -> None:
        """Forget the uses of tokens and accounts that are gone."""
        self._tokens.keep(set(map(token_key, directory.tokens)))
        self._log_ins.keep({account.name for account in directory.accounts})

    def _save(self) -> list[Deferred[None]]:
        saving = [each.save() for each in (self._tokens, self._log_ins)]
        return [each for each in saving if each is not None]


def token_key(token: ApiToken) -> str:
    """Return the key of a token among uses: its name may belong to another one later."""
    return token.digest[:16]


def read_uses(path: Path) -> dict[str, Use]:
    """Return the stored last uses; an empty mapping if they cannot be read."""
    try:
        return _decoder.decode(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
