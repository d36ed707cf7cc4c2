"""The journal as everybody above sees it: what must outlive a crash, in components.

    inbox       what was heard, on disk before whoever brought it is told
    events      what happened, in the order in which sinks take it
    cursors     how far each sink has come
    sessions    base stations' sessions, open operations, and what each was told of which sensor
    requests    what was asked for, from before it is confirmed until it is answered
    downlinks   what shall be sent, and where it lies
    tables      rows by key, a class of :mod:`bssci.journal.records` each
    audit       who did what
    samples     figures for charts
    history     questions about what happened

For the reactor's thread alone. Every Deferred of a change fires after the commit that holds it, with fsync,
or fails with :class:`bssci.journal.errors.StorageError`. Changes take effect in the order in which they are
submitted. What is meant to be stored together with something else is a :class:`Change`, which the component
that it belongs to makes and another one takes along.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from twisted.internet.defer import Deferred

from bssci.journal.kept import Kept
from bssci.journal.records import (
    AuditEntry,
    DownlinkPicture,
    JournalStatistics,
    Left,
    Loaded,
    Registration,
    StoredDownlink,
    StoredRequest,
    StoredSession,
    Usage,
)
from bssci.model import EUI, AnyEvent, Downlink, Reception, Telegram, Uplink, VariableMacUplink

Record = TypeVar("Record", bound=Kept)
Key = TypeVar("Key", bound=str | int)
Numbered = list[tuple[int, AnyEvent]]
"""events, each with its number"""


class Change:
    """Something to store, made by one component for the commit of another one; opaque."""

    __slots__ = ()


class Inbox(Protocol):
    """Receptions that are promised and not yet part of an event."""

    @property
    def pending(self) -> int:
        """Receptions that wait for the disk."""

    def append(self, receptions: list[Reception], mark: Change | None = None) -> Deferred[int]:
        """Store receptions; fires with their position in the inbox.

        :param mark: how far their source has come with them.
        :raises JournalBusy: in the Deferred, if too many wait for the disk already.
        """


class Events(Protocol):
    """All events, numbered without gaps."""

    @property
    def last_seq(self) -> int:
        """Number of the newest event that is known to be stored."""

    def append(
        self, events: list[AnyEvent], *, taken_before: int | None = None, beside: Sequence[Change] = ()
    ) -> Deferred[int]:
        """Store events in this order; fires with the number of the first.

        :param taken_before: forget what the inbox holds below this position, in the same commit.
        :param beside: what else goes into the same commit.
        """

    def counts(self) -> Mapping[str, int]:
        """Return how many events were stored since the start, by kind."""

    def read(self, after: int, limit: int) -> Deferred[Numbered]:
        """Fire with up to ``limit`` events that follow number ``after``, of a few MB together: with none only
        if none follows. An event that is damaged is passed over.

        Answered at once if all are among the newest, which are in memory.
        """

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called after each commit that stored events. Returns how to end that."""

    def find_uplinks(self, keys: list[tuple[EUI, int]]) -> Deferred[list[tuple[int, Uplink]]]:
        """Fire with the newest stored uplinks with one of these (end point, packet counter), oldest first.

        Of each key a bounded number. Sees everything that was submitted before.
        """

    def append_late_copies(self, copies: list[tuple[int, Reception]]) -> Deferred[None]:
        """Record receptions of uplinks that are published already, given by the number of their event."""

    def trim(self, before_at: float, delivered_seq: int) -> Deferred[int]:
        """Forget events older than ``before_at`` (Unix seconds), up to number ``delivered_seq``.

        Works in many small steps, so that nobody waits for it. The newest event stays, so that
        no number is given twice. Fires with how many were forgotten.
        """


class Cursors(Protocol):
    """The last event that each sink has delivered."""

    def follow(self, cursors: Mapping[str, int]) -> None:
        """Say which sinks there are, and where each is.

        Events that all of them have taken make room when the journal is full; none does before this.
        """

    def move(self, name: str, seq: int) -> Deferred[None]:
        """Store how far a sink has come."""

    def change(self, name: str, seq: int) -> Change:
        """Return the cursor's move for another component's commit."""


class Sessions(Protocol):
    """Sessions of base stations. What is said of a session that no longer exists changes nothing."""

    def begin(self, session: StoredSession) -> Deferred[None]:
        """Store a new session. The station's old one goes, with its open operations and registrations."""

    def end(self, base_station_eui: EUI) -> Deferred[None]:
        """Forget a session, with its open operations and registrations."""

    def advance(self, base_station_eui: EUI, last_bs_op_id: int) -> Deferred[None]:
        """Store that a session has come to this operation of the station."""

    def mark(self, base_station_eui: EUI, last_bs_op_id: int) -> Change:
        """Return the mark for another component's commit."""

    def open_operations(
        self, base_station_eui: EUI, last_sc_op_id: int, operations: Iterable[tuple[int, bytes]]
    ) -> Deferred[None]:
        """Store operations (id, message) that are issued now, and the lowest id that was ever issued."""

    def close_operations(self, base_station_eui: EUI, op_ids: Iterable[int]) -> Deferred[None]:
        """Forget operations that are completed."""

    def pass_over_operation(self, base_station_eui: EUI, op_id: int, error: Exception) -> Deferred[None]:
        """Count and log an operation of :meth:`Journal.load` whose message turned out to be damaged."""

    def store_registrations(
        self, base_station_eui: EUI, registrations: Iterable[Registration]
    ) -> Deferred[None]:
        """Store what the station was told or has answered; one registration per sensor, the last counts."""

    def registrations_at(self, base_station_eui: EUI) -> Deferred[list[Registration]]:
        """Fire with the station's registrations, including everything that was submitted before."""

    def registrations_of(self, end_point_eui: EUI) -> Deferred[dict[EUI, Registration]]:
        """Fire with a sensor's registrations in the present session of each base station, by station."""

    def registration_states(self, euis: Iterable[EUI]) -> Deferred[dict[EUI, dict[EUI, str]]]:
        """Fire with the state of some sensors at each base station that was told of them."""

    def count_registrations(self) -> Deferred[dict[EUI, dict[str, int]]]:
        """Fire with the numbers of sensors that each base station holds and refused: by station, then by
        state.
        """

    def sensors_with_refusals(self) -> Deferred[set[EUI]]:
        """Fire with sensors that some station refused."""


class Requests(Protocol):
    """Requests to the service center: each carried out once, whatever happens in between."""

    def receive(self, source: str, topic: str, payload: bytes, at: float) -> Deferred[int]:
        """Store a request, before its sender hears that we have it; fires with its number.

        :param at: Unix seconds.
        """

    def answer(
        self, number: int, state: Literal["done", "failed"], answer: bytes, at: float
    ) -> Deferred[None]:
        """Store how a request ended. The first answer stays."""

    def answering(self, number: int, state: Literal["done", "failed"], answer: bytes, at: float) -> Change:
        """Return the answer for another component's commit, for example that of the event which tells it."""

    def newest(self, source: str, topic: str, limit: int) -> Deferred[list[StoredRequest]]:
        """Fire with the newest requests from a source on a topic, newest first, including what was
        submitted before.
        """

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        """Forget requests that were answered before then (Unix seconds); fires with how many."""


class Downlinks(Protocol):
    """Downlinks: what was asked for, how far each is, and at which stations one may have been left."""

    def store(
        self,
        downlinks: Sequence[StoredDownlink],
        events: list[AnyEvent],
        *,
        left: Iterable[Left] = (),
        not_left: Iterable[Left] = (),
    ) -> Deferred[int]:
        """Store downlinks, events that tell of them, and where they may lie, in one commit.

        :param left: may lie there from now on.
        :param not_left: do not any more.
        """

    def hold(self, queue_id: int, base_station_eui: EUI) -> Deferred[None]:
        """Note that a station has taken the downlink that it was asked to; nothing if that is history."""

    def picture(
        self,
        *,
        queue_ids: Collection[int] = (),
        answered: Collection[tuple[EUI, int]] = (),
        sensors: Collection[EUI] = (),
        stations: Collection[EUI] = (),
        limit: int,
    ) -> Deferred[DownlinkPicture]:
        """Fire with everything about some downlinks, sensors and stations, including what was submitted
        before.

        :param answered: (sensor, packet counter) of uplinks that sent downlinks answered.
        :param limit: how many that were left at each of the stations are shown.
        """

    def of_sensor(self, end_point_eui: EUI, limit: int) -> Deferred[list[Downlink]]:
        """Fire with the newest downlinks of a sensor, newest first."""

    def due(self, at: float, limit: int) -> Deferred[list[tuple[int, EUI]]]:
        """Fire with (queue id, sensor) of queued downlinks to look at by then, the earliest first."""

    def sensors_at(self, base_station_eui: EUI) -> Deferred[list[EUI]]:
        """Fire with sensors of which a queued downlink lies, or may lie, at a station."""

    def unacknowledged(self, since: float, limit: int) -> Deferred[list[Downlink]]:
        """Fire with the downlinks that were sent since then (Unix seconds) and not acknowledged, the
        newest first.
        """

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        """Forget downlinks that are over since before then; fires with how many.

        The newest stays, so that no queue id is given twice.
        """


class Tables(Protocol):
    """Rows by key. Of one key the last word counts."""

    def put(self, records: Iterable[Kept]) -> Deferred[None]:
        """Store rows of one table, in place of those with the same keys."""

    def delete(self, kind: type[Kept], keys: Iterable[str | int]) -> Deferred[None]:
        """Forget rows by their keys."""

    def apply(
        self, kind: type[Record], rows: Mapping[Key, Record | None], *, through: int | None = None
    ) -> Deferred[None]:
        """Store rows by their keys, and forget those that are None.

        :param through: number of the last event that is counted into the table by then.
        """

    def change(self, kind: type[Record], rows: Mapping[Key, Record | None]) -> Change:
        """Return the rows for another component's commit."""


class Audit(Protocol):
    """The audit log: people, their actions and the times of these."""

    def append(self, entry: AuditEntry) -> Deferred[None]:
        """Store an entry; the oldest make room."""

    def read(
        self, *, before: int | None, limit: int, who: str = "", action: str = ""
    ) -> Deferred[list[AuditEntry]]:
        """Fire with the newest entries, newest first, including what was submitted before.

        :param before: only those with a lower ``seq``.
        :param who: only this account or token.
        :param action: only actions that begin so.
        """


class Samples(Protocol):
    """Figures over time."""

    def store(self, at: float, values: Mapping[str, float], forget_before: float) -> Deferred[None]:
        """Keep a value of each metric, and forget older ones (Unix seconds)."""

    def read(
        self, metric: str, *, since: float, step: float
    ) -> Deferred[list[tuple[float, float, float, float]]]:
        """Fire, for each step of time (s) since then, with its begin, and mean, least and most of the values
        in it.
        """


class History(Protocol):
    """Questions about the past. All lists are newest first and of bounded length; no other work waits for
    them.
    """

    def uplinks_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Uplink]]]:
        """Fire with the newest stored uplinks of a sensor; of those numbered below ``before``."""

    def receptions_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Reception]]]:
        """Fire with the best reception of each stored uplink of a sensor, at half the cost."""

    def telegrams_of_device(
        self, device: str, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Telegram | VariableMacUplink]]]:
        """Fire with the newest telegrams of a device other than a mioty sensor, by its id."""

    def events_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """Fire with the events of a sensor beside its uplinks."""

    def events_of_station(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """Fire with the reports of a station, and its comings and goings."""

    def look_back(
        self,
        *,
        before: int | None,
        limit: int,
        kinds: Collection[str] = (),
        sensor: EUI | None = None,
        station: EUI | None = None,
    ) -> Deferred[tuple[Numbered, int]]:
        """Fire with events of any kind, and the number before which to go on looking (0: there is nothing
        before).
        """

    def event(self, seq: int) -> Deferred[AnyEvent | None]:
        """Fire with one event by its number."""

    def late_copies(self, seq: int) -> Deferred[list[Reception]]:
        """Fire with receptions of an uplink that came after it was published."""


class Journal(Protocol):
    """The service center's durable memory: what it promised, what it knows and what it has yet to deliver."""

    @property
    def inbox(self) -> Inbox: ...

    @property
    def events(self) -> Events: ...

    @property
    def cursors(self) -> Cursors: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def requests(self) -> Requests: ...

    @property
    def downlinks(self) -> Downlinks: ...

    @property
    def tables(self) -> Tables: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def samples(self) -> Samples: ...

    @property
    def history(self) -> History: ...

    @property
    def statistics(self) -> JournalStatistics:
        """Return the counts of what was written since the start."""

    def size(self) -> int:
        """Return the bytes that the journal takes."""

    def usage(self) -> Usage:
        """Return the journal's size and the room that is left."""

    def load(self) -> Deferred[Loaded]:
        """Read what the service needs at its start, including everything that was submitted before."""

    def settled(self) -> Deferred[None]:
        """Fire when all that was submitted before is stored, or fail as the commit did."""

    def close(self) -> Deferred[None]:
        """Finish what was submitted, close, let others use it. Again: the same."""
