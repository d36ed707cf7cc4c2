"""Interface of the journal, which stores everything that must survive a crash, in components.

    inbox       receptions, on disk before they are acknowledged
    events      what happened, in the order in which sinks take it
    cursors     the position of each sink
    sessions    base stations' sessions, open operations, and the sensors propagated to each
    requests    requests to the service center, from before they are acknowledged until they are answered
    downlinks   downlinks, their states and where they are queued
    tables      rows by key, of the classes in :mod:`bssci.journal.kept`
    audit       the audit log
    samples     figures over time, for charts
    history     queries about the past

To be used in the reactor's thread only. The Deferred of a change fires after the commit that contains it,
with fsync, or fails with :class:`bssci.journal.errors.StorageError`. Changes take effect in the order in
which they are submitted. To store something in the same commit as something else, one component makes a
:class:`Change`, and another component takes it as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

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
from bssci.model.states import RequestOutcome

Record = TypeVar("Record", bound=Kept)
Key = TypeVar("Key", bound=str | int)
Numbered = list[tuple[int, AnyEvent]]
"""events, each with its sequence number"""

ALL_TIME = 1e12
"""s that are longer than anything is stored"""


class Change:
    """A change that one component made for the commit of another one; opaque."""

    __slots__ = ()


class Inbox(Protocol):
    """Receptions that are acknowledged, or about to be, and not yet part of an event."""

    @property
    def pending(self) -> int:
        """Receptions that wait for the disk."""

    def append(self, receptions: list[Reception], mark: Change | None = None) -> Deferred[int]:
        """Store receptions; fires with their position in the inbox.

        :param mark: position of their source with these receptions, stored in the same commit.
        :raises JournalBusy: in the Deferred: too many are waiting for the disk already.
        """


class Events(Protocol):
    """All events, numbered without gaps."""

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest event that is known to be stored."""

    def append(
        self, events: list[AnyEvent], *, taken_before: int | None = None, beside: Sequence[Change] = ()
    ) -> Deferred[int]:
        """Store events in this order; fires with the number of the first.

        :param events: may be empty, where only changes are to be stored.
        :param taken_before: delete the inbox below this position, in the same commit.
        :param beside: further changes for the same commit.
        :raises JournalBusy: in the Deferred: too much is waiting for the disk already.
        """

    def counts(self) -> Mapping[str, int]:
        """Return the number of events stored since the start, by kind."""

    def read(self, after: int, limit: int) -> Deferred[Numbered]:
        """Fire with the events that follow number ``after``: ``limit`` or a few MB at most.

        Damaged events are skipped. The list is empty only if no event follows. Fires at once if all of the
        events are among the newest, which are kept in memory.
        """

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` after each commit that stored events; return a function that ends that."""

    def find_uplinks(self, keys: list[tuple[EUI, int]]) -> Deferred[list[tuple[int, Uplink]]]:
        """Fire with the newest stored uplinks of each (end point, packet counter), oldest first.

        A bounded number for each key, including everything that was submitted before.
        """

    def append_late_copies(self, copies: list[tuple[int, Reception]]) -> Deferred[None]:
        """Store receptions of uplinks that have been published already, each with the number of its event."""

    def trim(self, before_at: float, delivered_seq: int) -> Deferred[int]:
        """Delete events older than ``before_at`` (Unix seconds), up to number ``delivered_seq``.

        Works in many small steps, between which other work gets its turn. The newest event is kept, so that
        no number is used twice. Fires with the number of deleted events.
        """


class Cursors(Protocol):
    """The last event that each sink has delivered."""

    def follow(self, cursors: Mapping[str, int]) -> None:
        """Set the sinks that matter for making room, with their positions.

        When the journal is full, events that all of these sinks have taken are deleted. Before this call none
        are.
        """

    def move(self, name: str, seq: int) -> Deferred[None]:
        """Store the number of the last event that a sink has delivered."""

    def change(self, name: str, seq: int) -> Change:
        """Return a move of the cursor for another component's commit."""


class Sessions(Protocol):
    """Sessions of base stations; at most one for each station."""

    def begin(self, session: StoredSession) -> Deferred[None]:
        """Store a new session in place of the station's old one, its open operations and registrations."""

    def end(self, base_station_eui: EUI, beside: Sequence[Change] = ()) -> Deferred[None]:
        """Delete a session, with its open operations and registrations.

        :param beside: further changes for the same commit.
        """

    def advance(self, base_station_eui: EUI, last_bs_op_id: int) -> Deferred[None]:
        """Store the last opId of the station that was seen; it never moves back."""

    def mark(self, base_station_eui: EUI, last_bs_op_id: int) -> Change:
        """Return the change of :meth:`advance` for another component's commit."""

    def open_operations(
        self, base_station_eui: EUI, last_sc_op_id: int, operations: Iterable[tuple[int, bytes]]
    ) -> Deferred[None]:
        """Store the operations (opId, message) that are being issued, and the lowest opId issued so far."""

    def closing(
        self, base_station_eui: EUI, op_ids: Iterable[int], registrations: Iterable[Registration] = ()
    ) -> Change:
        """Return the change for another component's commit that deletes operations which are over.

        :param registrations: those with which the station answered, stored as by :meth:`store_registrations`.
        """

    def pass_over_operation(self, base_station_eui: EUI, op_id: int, error: Exception) -> Deferred[None]:
        """Count and log an operation of :meth:`Journal.load` whose message turned out to be damaged."""

    def store_registrations(
        self, base_station_eui: EUI, registrations: Iterable[Registration]
    ) -> Deferred[None]:
        """Store registrations at a station, each in place of an older one of the same sensor."""

    def registrations_at(self, base_station_eui: EUI) -> Deferred[list[Registration]]:
        """Fire with the station's registrations, including everything that was submitted before."""

    def registrations_of(self, end_point_eui: EUI) -> Deferred[dict[EUI, Registration]]:
        """Fire with a sensor's registrations in the present session of each base station, by station."""

    def registration_states(self, euis: Iterable[EUI]) -> Deferred[dict[EUI, dict[EUI, str]]]:
        """Fire with the registration state of each of these sensors, by sensor, then by base station."""

    def count_registrations(self) -> Deferred[dict[EUI, dict[str, int]]]:
        """Fire with the number of registrations in each state, by base station, then by state."""

    def sensors_with_refusals(self) -> Deferred[set[EUI]]:
        """Fire with the sensors that at least one station refused."""


class Requests(Protocol):
    """Requests to the service center, stored so that each is carried out once, also across a crash."""

    def receive(self, source: str, topic: str, payload: bytes, at: float) -> Deferred[int]:
        """Store a request before it is acknowledged to its sender; fires with its number.

        :param at: Unix seconds.
        """

    def answer(self, number: int, state: RequestOutcome, answer: bytes, at: float) -> Deferred[None]:
        """Store the outcome of a request. Of several answers the first one counts."""

    def answering(self, number: int, state: RequestOutcome, answer: bytes, at: float) -> Change:
        """Return the change of :meth:`answer` for another component's commit, such as that of its event."""

    def noting(self, number: int, note: bytes) -> Change:
        """Return the change that keeps a note with a request that has no answer yet, for the commit of what
        the request asked for; see :attr:`bssci.journal.StoredRequest.answer`.
        """

    def newest(
        self, source: str, topic: str, limit: int, *, beginning: bytes = b"", within: float = ALL_TIME
    ) -> Deferred[list[StoredRequest]]:
        """Fire with the newest requests from a source on a topic, newest first, including what was
        submitted before.

        :param limit: number of requests that are looked at.
        :param beginning: first bytes of their payloads; others are left out.
        :param within: s before the newest one; those that came earlier are left out.
        """

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        """Delete requests that were answered before ``before_at`` (Unix seconds); fires with their number."""


class Downlinks(Protocol):
    """Downlinks, their states, and the stations at which one may still be queued although it must not."""

    def store(
        self,
        downlinks: Sequence[StoredDownlink],
        events: list[AnyEvent],
        *,
        left: Iterable[Left] = (),
        not_left: Iterable[Left] = (),
        beside: Sequence[Change] = (),
    ) -> Deferred[int]:
        """Store downlinks, their events, and changes of the places where one may be left, in one commit.

        :param left: places to add.
        :param not_left: places to remove.
        :param beside: further changes for the same commit.
        :return: fires with the number of the first event.
        """

    def hold(self, queue_id: int, base_station_eui: EUI) -> Deferred[None]:
        """Store that a station has queued a downlink; without effect if it is no longer asked to."""

    def picture(
        self,
        *,
        queue_ids: Collection[int] = (),
        answered: Collection[tuple[EUI, int]] = (),
        sensors: Collection[EUI] = (),
        stations: Collection[EUI] = (),
        limit: int,
    ) -> Deferred[DownlinkPicture]:
        """Fire with the state of some downlinks, sensors and stations, including what was submitted before.

        :param queue_ids: downlinks by queue id.
        :param answered: downlinks by the uplinks that they answered: (sensor, packet counter).
        :param limit: number of left downlinks to return for each of the stations, at most.
        """

    def of_sensor(self, end_point_eui: EUI, limit: int) -> Deferred[list[Downlink]]:
        """Fire with the newest downlinks of a sensor, newest first."""

    def due(self, at: float, limit: int) -> Deferred[list[tuple[int, EUI]]]:
        """Fire with (queue id, sensor) of queued downlinks due by ``at`` (Unix seconds), earliest first."""

    def shift(self, seconds: float) -> Deferred[None]:
        """Move all points in time of queued downlinks, as the clock was set by so much."""

    def sensors_at(self, base_station_eui: EUI) -> Deferred[list[EUI]]:
        """Fire with the sensors that have a downlink which is, or may be, queued at a station."""

    def unacknowledged(self, since: float, limit: int) -> Deferred[list[Downlink]]:
        """Fire with the unacknowledged downlinks sent since ``since`` (Unix seconds), newest first."""

    def trim(self, before_at: float, limit: int = 1000) -> Deferred[int]:
        """Delete downlinks that ended before ``before_at`` (Unix seconds); fires with their number.

        The newest is kept, so that no queue id is used twice.
        """


class Tables(Protocol):
    """Rows by key; of one key the last change counts."""

    def put(self, records: Iterable[Kept]) -> Deferred[None]:
        """Store rows, of one or more tables, in place of those with the same keys."""

    def delete(self, kind: type[Kept], keys: Iterable[str | int]) -> Deferred[None]:
        """Delete rows by their keys."""

    def apply(
        self, kind: type[Record], rows: Mapping[Key, Record | None], *, through: int | None = None
    ) -> Deferred[None]:
        """Store rows by their keys, and delete those that are None.

        :param through: number of the last event that the table takes into account.
        """

    def change(self, kind: type[Record], rows: Mapping[Key, Record | None]) -> Change:
        """Return the change of :meth:`apply` for another component's commit."""


class Audit(Protocol):
    """The audit log: who did what, and when."""

    def append(self, entry: AuditEntry) -> Deferred[None]:
        """Store an entry; the oldest are deleted beyond a bounded number."""

    def read(
        self, *, before: int | None, limit: int, who: str = "", action: str = "", text: str = ""
    ) -> Deferred[list[AuditEntry]]:
        """Fire with the newest entries, newest first, including what was submitted before.

        :param before: only entries with a lower ``seq``.
        :param who: only entries of this account or token; empty: all.
        :param action: only actions that begin with this text.
        :param text: only entries whose target or detail contains this text; A-Z and a-z are the same.
        """


class Samples(Protocol):
    """Figures over time."""

    def store(self, at: float, values: Mapping[str, float], forget_before: float) -> Deferred[None]:
        """Store a value of each metric at a time, and delete older values (Unix seconds)."""

    def read(
        self, metric: str, *, since: float, step: float
    ) -> Deferred[list[tuple[float, float, float, float]]]:
        """Fire with (beginning, mean, minimum, maximum) of the values in each interval of ``step`` s.

        :param since: Unix seconds.
        """


class History(Protocol):
    """Queries about the past. Lists are bounded, newest first; other work does not wait for the queries."""

    def uplinks_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Uplink]]]:
        """Fire with the newest stored uplinks of a sensor, numbered below ``before`` unless it is None."""

    def receptions_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Reception]]]:
        """Fire with only the best reception of each uplink in :meth:`uplinks_of_sensor`, at half the cost."""

    def telegrams_of_device(
        self, device: str, *, before: int | None, limit: int
    ) -> Deferred[list[tuple[int, Telegram | VariableMacUplink]]]:
        """Fire with the newest telegrams of a device other than a mioty sensor, by its id."""

    def events_of_sensor(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """Fire with the events of a sensor other than its uplinks.

        :param kinds: only these kinds; empty: all.
        """

    def events_of_station(
        self, eui: EUI, *, before: int | None, limit: int, kinds: Collection[str] = ()
    ) -> Deferred[Numbered]:
        """Fire with the events of a station other than uplinks: status, state, errors and so on."""

    def look_back(
        self,
        *,
        before: int | None,
        limit: int,
        kinds: Collection[str] = (),
        sensor: EUI | None = None,
        station: EUI | None = None,
    ) -> Deferred[tuple[Numbered, int]]:
        """Search the events before number ``before`` for those of some kinds, of a sensor or of a station.

        A call searches a bounded part of the journal, so it may find fewer than ``limit`` though there are
        more.

        :return: fires with the events found, and the value of ``before`` for the next call; 0: all were
            searched.
        """

    def event(self, seq: int) -> Deferred[AnyEvent | None]:
        """Fire with the event of this number; None if it is not stored."""

    def late_copies(self, seq: int) -> Deferred[list[Reception]]:
        """Fire with the receptions of an uplink that came after it was published, by its event's number."""


class Journal(Protocol):
    """The service center's durable memory: all its components."""

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
        """Return counts of commits and rows since the start."""

    def size(self) -> int:
        """Return the size of the journal in bytes, as its maximum bounds it; see :class:`Usage`."""

    def usage(self) -> Usage:
        """Return the size of the journal, and how much of it is undelivered."""

    def load(self) -> Deferred[Loaded]:
        """Fire with everything that the service needs at its start, including what was submitted before."""

    def settled(self) -> Deferred[None]:
        """Fire when everything that was submitted before is stored; fail if its commit failed."""

    def close(self) -> Deferred[None]:
        """Finish what was submitted and close the journal, so that others may open it. May be repeated."""
