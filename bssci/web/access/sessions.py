"""Sessions of people who logged in. They outlast restarts, and end by time, by hand or by a new password."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.system.clock import Clock, SteadyTime, Ticker
from bssci.system.files import write_atomically
from bssci.web.access.accounts import Account, Role, token_digest
from bssci.web.access.salvage import Salvage, salvage

SESSIONS_FILE = "sessions.json"
IDLE = 12 * 3600.0
"""s without a request after which a session is over"""
LIFE = 7 * 86400.0
"""s after which a session is over in any case"""
MAX_SESSIONS = 1000
MAX_PER_ACCOUNT = 20
SAVE_INTERVAL = 60.0
"""s between times at which the last use of sessions is stored"""
MAX_AGENT = 200


class WebSession(msgspec.Struct, kw_only=True):
    """A session of a person who logged in."""

    digest: str
    """SHA-256 of the secret id in the cookie; the id itself is not stored"""
    csrf: str
    account: str
    generation: str
    """generation of the account's password: a new one ends the session"""
    created_at: float
    """Unix seconds"""
    seen_at: float
    address: str
    agent: str

    @property
    def handle(self) -> str:
        """Name of the session in lists, which does not reveal its id."""
        return self.digest[:16]


@dataclass(frozen=True)
class Identity:
    """The identity behind a request: an account in one of its sessions, or a token."""

    name: str
    """name of the account, or ``token NAME``"""
    role: Role
    session: WebSession | None = None
    """None for a token"""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[WebSession])


class WebSessions:
    """All sessions that are not over.

    :param path: file of the sessions, mode 0600; people whose entry is damaged have to log in again.
    :param now: the system's clock, Unix seconds; setting it neither ends a session nor makes one last longer.
    :param run_in_thread: ``deferToThread``.
    """

    log = Logger()

    def __init__(
        self,
        path: Path,
        clock: Clock,
        now: Callable[[], float],
        run_in_thread: Callable[..., Deferred[Any]],
    ) -> None:
        self._path = path
        self._now = SteadyTime(clock, now)
        self._run_in_thread = run_in_thread
        self.unreadable = 0
        """damaged entries of the file, which were skipped"""
        self._by_digest: dict[str, WebSession] = {each.digest: each for each in self._load()}
        self._unsaved = False
        self._lock = DeferredLock()
        self._ticker = Ticker(clock, SAVE_INTERVAL, self._tick)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> Deferred[None]:
        self._ticker.stop()
        return self.save()

    def __len__(self) -> int:
        return len(self._by_digest)

    def begin(self, account: Account, address: str, agent: str) -> tuple[str, WebSession]:
        """Begin a session; return the secret id for the cookie, and the session. :meth:`save` stores it."""
        self._make_room(account.name)
        secret = secrets.token_urlsafe(32)
        now = self._now()
        session = WebSession(
            digest=token_digest(secret),
            csrf=secrets.token_urlsafe(32),
            account=account.name,
            generation=account.generation,
            created_at=now,
            seen_at=now,
            address=address,
            agent=agent[:MAX_AGENT],
        )
        self._by_digest[session.digest] = session
        return secret, session

    def find(self, secret: str, is_seen: bool = True) -> WebSession | None:
        """Return the session of a cookie; None if it is over or unknown.

        :param is_seen: count this as activity in the session.
        """
        session = self._by_digest.get(token_digest(secret))
        if session is None:
            return None
        if self._is_over(session):
            del self._by_digest[session.digest]
            return None
        if is_seen:
            session.seen_at = self._now()
            self._unsaved = True
        return session

    def end(self, session: WebSession) -> None:
        self._by_digest.pop(session.digest, None)

    def of(self, account: str) -> list[WebSession]:
        """Return the sessions of an account, the last used first."""
        mine = [each for each in self._by_digest.values() if each.account == account]
        return sorted((each for each in mine if not self._is_over(each)), key=lambda each: -each.seen_at)

    def save(self) -> Deferred[None]:
        """Store all sessions; fires when they are on disk. A failure is logged, and it is tried again."""
        return self._lock.run(self._write).addErrback(self._not_saved)

    def _write(self) -> Deferred[None]:
        self._unsaved = False
        data = _encoder.encode(list(self._by_digest.values()))
        return self._run_in_thread(write_atomically, self._path, data)

    def _not_saved(self, failure: Failure) -> None:
        self._unsaved = True
        self.log.warn("sessions not stored {error}", error=failure.getErrorMessage())

    def _tick(self) -> None:
        jump = self._now.jump()
        if jump:
            for session in self._by_digest.values():
                session.created_at += jump
                session.seen_at += jump
            self._now.follow(jump)
            self._unsaved = True
        before = len(self._by_digest)
        self._by_digest = {key: each for key, each in self._by_digest.items() if not self._is_over(each)}
        if self._unsaved or len(self._by_digest) != before:
            self.save()

    def _is_over(self, session: WebSession) -> bool:
        now = self._now()
        return now - session.seen_at > IDLE or now - session.created_at > LIFE

    def _make_room(self, account: str) -> None:
        for old in self.of(account)[MAX_PER_ACCOUNT - 1 :]:
            self.end(old)
        if len(self._by_digest) >= MAX_SESSIONS:
            self.end(min(self._by_digest.values(), key=lambda each: each.seen_at))

    def _load(self) -> list[WebSession]:
        try:
            found = read_sessions(self._path)
        except OSError as error:
            self.log.warn("sessions not readable, everybody has to log in again {error}", error=str(error))
            return []
        self.unreadable = found.passed_over
        if found.passed_over:
            self.log.error(
                "{path} is damaged, sessions that cannot be read are over {passed_over}",
                path=str(self._path),
                passed_over=found.passed_over,
            )
        sessions: list[WebSession] = found.entries[WebSession]
        return sessions


def read_sessions(path: Path) -> Salvage:
    """Return the sessions of a file; none if it is not there, and what can be read if it is damaged.

    :raises OSError: it cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Salvage({WebSession: []}, 0)
    try:
        return Salvage({WebSession: _decoder.decode(data)}, 0)
    except (ValueError, msgspec.DecodeError):
        return salvage(data, (WebSession,))


def same(one: str, other: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
