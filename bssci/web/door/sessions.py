"""Sessions of clients that reconnect: their filters and positions, kept in the journal.

A session belongs to a token and a client identifier. Events that its client missed are read from the journal
when it reconnects, so a session takes a few bytes, however much was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.journal import Journal, StorageLines
from bssci.journal.kept import LiveSession

MAX_SESSIONS = 10_000
"""sessions in total; the one whose client has been away longest is dropped for a new one"""
MAX_OF_TOKEN = 1_000
"""sessions of one token, likewise, so that one program does not displace the sessions of others"""
LIFE = 86400.0
"""s without a client after which a session ends"""


class ClientSession:
    """The subscriptions of a client, and the last event that it is known to have.

    :ivar stays: true if it outlives the connection.
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
        """time in Unix seconds since which no client is connected; None if one is"""
        self.changed = False

    @property
    def key(self) -> str:
        return client_key(self.token_id, self.client_id)

    def note_change(self) -> None:
        """Mark the session as different from the one in the journal."""
        self.changed = True

    def come_back(self) -> None:
        """Record that the client is connected again."""
        self.left_at, self.changed = None, True

    def leave(self, at: float) -> None:
        """Record that the client left at a time (Unix seconds)."""
        self.left_at, self.changed = at, True

    def move(self, position: int) -> None:
        """Record the last event that the client is known to have."""
        if position != self.position:
            self.position, self.changed = position, True

    def row(self, now: float) -> LiveSession:
        """Return the session for storing, and mark it as stored."""
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
    """All sessions that outlive their connection.

    :param kept: sessions that the journal held at the start.
    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(self, journal: Journal, kept: Mapping[str, LiveSession], now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        self._by_key: dict[str, ClientSession] = {}
        self._gone: set[str] = set()
        self._lines = StorageLines(self.log, now)
        for record in kept.values():
            filters = {text: 1 if qos else 0 for text, qos in record.filters.items()}
            self._by_key[record.key] = ClientSession(
                record.token_id, record.client_id, True, record.position, filters, record.seen_at
            )

    def __len__(self) -> int:
        return len(self._by_key)

    def find(self, token_id: str, client_id: str) -> ClientSession | None:
        """Return the session of a client; None if there is none."""
        return self._by_key.get(client_key(token_id, client_id))

    def begin(self, token_id: str, client_id: str, stays: bool, position: int) -> ClientSession:
        """Begin a session, which replaces an earlier one."""
        self.end(token_id, client_id)
        session = ClientSession(token_id, client_id, stays, position)
        if stays:
            self._make_room(token_id)
            self._by_key[session.key] = session
            self._gone.discard(session.key)
            session.note_change()
        return session

    def end(self, token_id: str, client_id: str) -> None:
        """End a session, if there is one."""
        if self._by_key.pop(client_key(token_id, client_id), None) is not None:
            self._gone.add(client_key(token_id, client_id))

    def sweep(self, tokens: Iterable[str]) -> None:
        """End sessions whose clients have been away too long, and those whose token is not among
        ``tokens``.
        """
        now, valid = self._now(), set(tokens)
        for session in list(self._by_key.values()):
            is_over = session.left_at is not None and now - session.left_at > LIFE
            if is_over or session.token_id not in valid:
                self.end(session.token_id, session.client_id)

    def save(self) -> Deferred[None] | None:
        """Store the sessions that changed; None if none did. A failure is logged, and the next call tries
        again.
        """
        changed = [session for session in self._by_key.values() if session.changed]
        gone, self._gone = self._gone, set()
        if not changed and not gone:
            return None
        rows: dict[str, LiveSession | None] = dict.fromkeys(gone)
        for session in changed:
            rows[session.key] = session.row(self._now())
        return self._journal.tables.apply(LiveSession, rows).addErrback(self._not_saved, changed, gone)

    def _not_saved(self, failure: Failure, changed: Iterable[ClientSession], gone: set[str]) -> None:
        self._lines.note(failure, "sessions of live clients not stored")
        for session in changed:
            session.note_change()
        self._gone |= gone - set(self._by_key)

    def _make_room(self, token_id: str) -> None:
        among = [session for session in self._by_key.values() if session.token_id == token_id]
        if len(among) < MAX_OF_TOKEN:
            if len(self._by_key) < MAX_SESSIONS:
                return
            among = list(self._by_key.values())
        away = [session for session in among if session.left_at is not None]
        if away:
            oldest = min(away, key=lambda session: session.left_at or 0.0)
            self.end(oldest.token_id, oldest.client_id)


def client_key(token_id: str, client_id: str) -> str:
    """Return the key of a session; token ids contain no slash."""
    return f"{token_id}/{client_id}"
