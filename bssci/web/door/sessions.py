"""ClientSessions of clients that come back: their filters, and how far each has come; kept in the journal.

A session belongs to a token and a client identifier. What happened while its client was away is read from
the journal when it comes back, so that a session is a few bytes, whatever was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal
from bssci.journal.kept import LiveSession

MAX_SESSIONS = 10_000
"""sessions in all; the one whose client is away for longest makes room"""
LIFE = 86400.0
"""s without its client after which a session ends"""


class ClientSession:
    """The subscriptions of one client, and the last event that it is known to have.

    :ivar stays: it outlives the connection.
    """

    __slots__ = ("changed", "client_id", "filters", "left_at", "position", "stays", "token_id")

    def __init__(
        self,
        token_id: str,
        client_id: str,
        stays: bool,
        position: int,
        filters: Mapping[str, int] | None = None,
        left_at: float | None = None,
    ) -> None:
        self.token_id = token_id
        self.client_id = client_id
        self.stays = stays
        self.filters = dict(filters or {})
        """granted QoS by filter"""
        self.position = position
        self.left_at = left_at
        """Unix seconds since when no client is connected; None: one is"""
        self.changed = False

    @property
    def key(self) -> str:
        return client_key(self.token_id, self.client_id)

    def note_change(self) -> None:
        """Note that the session is not as the journal keeps it."""
        self.changed = True

    def come_back(self) -> None:
        """Note that the client is connected again."""
        self.left_at, self.changed = None, True

    def leave(self, at: float) -> None:
        """Note that the client is gone since then (Unix seconds)."""
        self.left_at, self.changed = at, True

    def move(self, position: int) -> None:
        """Note the last event that the client is known to have."""
        if position != self.position:
            self.position, self.changed = position, True

    def row(self, now: float) -> LiveSession:
        """Return the session to be stored, and count it as stored."""
        self.changed = False
        return self.record(now)

    def record(self, now: float) -> LiveSession:
        """Return the session as the journal keeps it."""
        return LiveSession(
            key=self.key,
            token_id=self.token_id,
            client_id=self.client_id,
            filters=dict(self.filters),
            position=self.position,
            seen_at=self.left_at or now,
        )


class ClientSessions:
    """All sessions that stay.

    :param kept: what the journal held at the start.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(self, journal: Journal, kept: Mapping[str, LiveSession], now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        self._by_key: dict[str, ClientSession] = {}
        self._gone: set[str] = set()
        for record in kept.values():
            filters = {text: 1 if qos else 0 for text, qos in record.filters.items()}
            self._by_key[record.key] = ClientSession(
                record.token_id, record.client_id, True, record.position, filters, record.seen_at
            )

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, token_id: str, client_id: str) -> ClientSession | None:
        """Return the session of a client that was here before; None: there is none."""
        return self._by_key.get(client_key(token_id, client_id))

    def begin(self, token_id: str, client_id: str, stays: bool, position: int) -> ClientSession:
        """Begin a session, in place of an earlier one."""
        self.end(token_id, client_id)
        session = ClientSession(token_id, client_id, stays, position)
        if stays:
            self._make_room()
            self._by_key[session.key] = session
            self._gone.discard(session.key)
            session.note_change()
        return session

    def end(self, token_id: str, client_id: str) -> None:
        """Forget a session, if there is one."""
        if self._by_key.pop(client_key(token_id, client_id), None) is not None:
            self._gone.add(client_key(token_id, client_id))

    def sweep(self, tokens: Iterable[str]) -> None:
        """Forget sessions whose clients have been away too long, and those whose token is not among these."""
        now, valid = self._now(), set(tokens)
        for session in list(self._by_key.values()):
            is_over = session.left_at is not None and now - session.left_at > LIFE
            if is_over or session.token_id not in valid:
                self.end(session.token_id, session.client_id)

    def save(self) -> Deferred[None] | None:
        """Store what changed; None: nothing did. A failure is logged, and stored the next time."""
        changed = [session for session in self._by_key.values() if session.changed]
        gone, self._gone = self._gone, set()
        if not changed and not gone:
            return None
        rows: dict[str, LiveSession | None] = dict.fromkeys(gone)
        for session in changed:
            rows[session.key] = session.row(self._now())
        return self._journal.tables.apply(LiveSession, rows).addErrback(self._not_saved, changed, gone)

    def _not_saved(self, failure: Failure, changed: Iterable[ClientSession], gone: set[str]) -> None:
        self.log.warn("sessions of live clients not stored {error}", error=failure.getErrorMessage())
        for session in changed:
            session.note_change()
        self._gone |= gone - set(self._by_key)

    def _make_room(self) -> None:
        if len(self._by_key) < MAX_SESSIONS:
            return
        away = [session for session in self._by_key.values() if session.left_at is not None]
        if away:
            oldest = min(away, key=lambda session: session.left_at or 0.0)
            self.end(oldest.token_id, oldest.client_id)


def client_key(token_id: str, client_id: str) -> str:
    """Return the key of a session; a token's id has no slash."""
    return f"{token_id}/{client_id}"
