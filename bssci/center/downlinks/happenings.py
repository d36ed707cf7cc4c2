"""Happenings: what happens to downlinks, and how it changes a picture of them in one turn of the worker.

The public states, and the places of a queued downlink::

    queued --> sent --> acknowledged
       |        ^
       |        | a station sent it before it heard of the revocation
       +--> expired, revoked, invalid, failed

    waits ("") --> asked --> held --> revoking --> waits, expired or revoked
      ^              |                               |
      +-- refused ---+                               |
      +----------------------------------------------+
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.journal import Change, DownlinkPicture, Left, StoredDownlink
from bssci.model import EUI, AnyEvent, Downlink, DownlinkReception, DownlinkStatus
from bssci.model.commands import CommandError
from bssci.model.downlink import DownlinkResult, DownlinkState, OrderKind, ReceptionReport, RefusalReason

RESULT_WAIT = 5.0
"""s in which a result may still arrive from a station that says that it does not hold the downlink"""
BARE = 1000
"""approximate bytes of memory of a happening, without the payloads and texts in it"""
log = Logger()


@dataclass(slots=True)
class Turn:
    """Downlinks before and after one turn of the worker, and the events about the difference.

    :param now: Unix seconds of the turn.
    """

    now: float
    before: dict[int, StoredDownlink]
    rows: dict[int, StoredDownlink] = field(default_factory=dict)
    events: list[AnyEvent] = field(default_factory=list)
    left: set[Left] = field(default_factory=set)
    not_left: set[Left] = field(default_factory=set)
    resting: set[EUI] = field(default_factory=set)
    """stations that answered "busy" """
    unable: set[EUI] = field(default_factory=set)
    """stations that accept no downlinks"""
    unknown: set[tuple[EUI, EUI]] = field(default_factory=set)
    """(station, sensor) of sensors that a station should know but does not"""
    beside: list[Change] = field(default_factory=list)
    """further changes for the commit of the turn"""

    @classmethod
    def of(cls, picture: DownlinkPicture, now: float) -> Turn:
        rows = dict(picture.named)
        for queued in picture.queued.values():
            rows.update({stored.downlink.queue_id: stored for stored in queued})
        return cls(now, dict(rows), rows, left=set(picture.left))

    def get(self, eui: EUI, queue_id: int) -> StoredDownlink | None:
        """Return the downlink with this queue id if it belongs to the sensor, else None."""
        stored = self.rows.get(queue_id)
        return stored if stored and stored.downlink.request.end_point_eui == eui else None

    def put(self, stored: StoredDownlink) -> None:
        self.rows[stored.downlink.queue_id] = stored

    def wait(self, stored: StoredDownlink, message: str | None = None, seconds: float = 0.0) -> None:
        """Let the downlink wait here, held by no station, for at least ``seconds``."""
        downlink = replace(stored.downlink, base_station_eui=None, message=message)
        not_before = max(stored.not_before, self.now + seconds)
        self.put(replace(stored, downlink=downlink, place="", session=b"", not_before=not_before))

    def enter(self, stored: StoredDownlink, state: DownlinkState, **changes: Any) -> None:
        """Move the downlink to ``state`` and emit a status event."""
        changes = {"message": None} | changes
        downlink = replace(stored.downlink, state=state, changed_at=self.now, **changes)
        self.put(replace(stored, downlink=downlink, place="", then="", due_at=None))
        self.tell(downlink)

    def tell(self, downlink: Downlink) -> None:
        self.events.append(
            DownlinkStatus(
                at=self.now,
                end_point_eui=downlink.request.end_point_eui,
                queue_id=downlink.queue_id,
                status=downlink.state,
                ref=downlink.request.ref,
                base_station_eui=downlink.base_station_eui,
                tx_time=downlink.tx_time,
                packet_counter=downlink.packet_counter,
                message=downlink.message,
            )
        )

    def changed(self) -> list[StoredDownlink]:
        before = self.before
        return [stored for queue_id, stored in self.rows.items() if before.get(queue_id) is not stored]


@dataclass(slots=True, kw_only=True)
class Happening(ABC):
    """An event that changes downlinks. ``done`` fires when the changes are on disk."""

    end_point_eui: EUI
    done: Deferred[Any] = field(default_factory=Deferred)

    @property
    def size(self) -> int:
        """Approximate bytes of memory that the happening takes while it waits."""
        return BARE

    def queue_ids(self) -> Collection[int]:
        """Return the queue ids of the downlinks that :meth:`apply` needs."""
        return ()

    def counters(self) -> Collection[int]:
        """Return the counters of the uplinks whose answering downlinks :meth:`apply` needs."""
        return ()

    @abstractmethod
    def apply(self, turn: Turn) -> Any:
        """Apply the changes to the picture; return the value for ``done``.

        A downlink is replaced by its state at the end of the turn.

        :raises CommandError: it cannot be done; nothing is changed.
        """


@dataclass(slots=True, kw_only=True)
class Queued(Happening):
    """A new downlink."""

    stored: StoredDownlink
    beside: Sequence[Change] = ()
    """further changes for the same commit"""

    @property
    def size(self) -> int:
        request = self.stored.downlink.request
        return BARE + sum(100 + len(data) for data in request.data) + 4 * len(str(request.ref))

    def apply(self, turn: Turn) -> Downlink:
        stored, expires_in = self.stored, self.stored.downlink.request.expires_in
        if expires_in is not None:
            # Not when it was asked for: the clock may have been set since.
            expires_at = turn.now + expires_in
            stored = replace(
                stored, due_at=expires_at, downlink=replace(stored.downlink, expires_at=expires_at)
            )
        turn.put(stored)
        turn.tell(stored.downlink)
        turn.beside += self.beside
        return stored.downlink


@dataclass(slots=True, kw_only=True)
class _Named(Happening):
    queue_id: int

    def queue_ids(self) -> Collection[int]:
        return (self.queue_id,)


@dataclass(slots=True, kw_only=True)
class Due(_Named):
    """The due time of a downlink."""

    def apply(self, turn: Turn) -> None:
        """Change nothing: the planner considers the downlink."""


@dataclass(slots=True, kw_only=True)
class Revoked(_Named):
    """A request to revoke a downlink."""

    def apply(self, turn: Turn) -> Downlink:
        stored = turn.get(self.end_point_eui, self.queue_id)
        if stored is None:
            raise CommandError(
                "unknown_downlink", f"{self.end_point_eui} has no downlink {self.queue_id}", "queue_id"
            )
        state = stored.downlink.state
        if state == "queued":
            if stored.place:
                turn.put(replace(stored, then="revoked"))
            else:
                turn.enter(stored, "revoked")
        elif state != "revoked":
            raise CommandError(
                "conflict", f"downlink {self.queue_id} is {state}: it cannot be revoked", "queue_id"
            )
        return turn.rows[self.queue_id].downlink


@dataclass(slots=True, kw_only=True)
class _AtStation(_Named):
    station: EUI

    def lies_there(self, stored: StoredDownlink | None) -> bool:
        return stored is not None and stored.place != "" and stored.downlink.base_station_eui == self.station

    def left(self) -> Left:
        return Left(self.station, self.queue_id, self.end_point_eui)


@dataclass(slots=True, kw_only=True)
class Resulted(_AtStation):
    """A station's result of a downlink (§5.14)."""

    result: DownlinkResult

    def apply(self, turn: Turn) -> None:
        stored = turn.get(self.end_point_eui, self.queue_id)
        if stored is None or not stored.is_doubtful:
            turn.not_left.add(self.left())
        elif self.lies_there(stored):
            # The report may be that of an earlier order, and the station hold the downlink once more.
            turn.left.add(self.left())
        if stored is None:
            log.warn(
                "result of an unknown downlink {bs_eui} {queue_id}",
                bs_eui=self.station,
                queue_id=self.queue_id,
            )
        elif self.result.result == "sent":
            self._sent(turn, stored)
        elif self.lies_there(stored):
            turn.enter(stored, stored.then or self.result.result)

    def _sent(self, turn: Turn, stored: StoredDownlink) -> None:
        """Mark the downlink as sent, whichever station sent it and whatever has been decided since."""
        downlink = stored.downlink
        if downlink.state in ("sent", "acknowledged"):
            if downlink.base_station_eui != self.station:
                log.warn(
                    "downlink sent by two stations {queue_id} {first} {second}",
                    queue_id=self.queue_id,
                    first=downlink.base_station_eui,
                    second=self.station,
                )
            return
        if stored.place and not self.lies_there(stored) and downlink.base_station_eui is not None:
            turn.left.add(Left(downlink.base_station_eui, self.queue_id, self.end_point_eui))
        turn.enter(
            stored,
            "sent",
            base_station_eui=self.station,
            tx_time=self.result.tx_time,
            packet_counter=self.result.packet_counter,
        )


@dataclass(slots=True, kw_only=True)
class QueueRefused(_AtStation):
    """A station's refusal of a downlink."""

    answers: ClassVar[OrderKind] = "queue"
    why: RefusalReason
    message: str
    """the station's error, for people"""

    @property
    def size(self) -> int:
        return BARE + 4 * len(self.message)

    def apply(self, turn: Turn) -> None:
        stored = turn.get(self.end_point_eui, self.queue_id)
        if stored is None or stored.place != "asked" or not self.lies_there(stored):
            return
        why = f"base station {self.station}: {self.message}"
        if self.why == "busy":
            turn.resting.add(self.station)
            turn.wait(stored, why)
        elif self.why == "unable":
            turn.unable.add(self.station)
            turn.wait(stored, why)
        elif self.why == "unknown":
            turn.unknown.add((self.station, self.end_point_eui))
            turn.wait(stored, why)
        else:
            turn.enter(stored, "failed", message=why)


@dataclass(slots=True, kw_only=True)
class RevokeAnswered(_AtStation):
    """A station's answer to the order to revoke a downlink.

    :ivar refusal: None if it revoked it; any reason but ``busy`` means that it did not hold it.
    """

    answers: ClassVar[OrderKind] = "revoke"
    refusal: RefusalReason | None = None

    def apply(self, turn: Turn) -> None:
        if self.refusal == "busy":
            turn.resting.add(self.station)
            return
        turn.not_left.add(self.left())
        stored = turn.get(self.end_point_eui, self.queue_id)
        if stored is None or stored.downlink.state != "queued":
            return
        wait = RESULT_WAIT if self.refusal else 0.0
        if wait:
            stored = replace(stored, is_doubtful=True)
        if not self.lies_there(stored):
            if wait:
                turn.put(replace(stored, not_before=turn.now + wait))
        elif stored.place == "revoking":
            if stored.then:
                turn.enter(stored, stored.then)
            else:
                turn.wait(stored, seconds=wait)


@dataclass(slots=True, kw_only=True)
class Acknowledged(Happening):
    """A sensor's acknowledgement of the downlink that answered its uplink ``counter`` (§5.10)."""

    counter: int
    at: float
    """Unix seconds when the uplink with the acknowledgement was published"""

    def counters(self) -> Collection[int]:
        return (self.counter,)

    def apply(self, turn: Turn) -> None:
        stored = _answer(turn, self.end_point_eui, self.counter)
        if stored and stored.downlink.state == "sent" and stored.downlink.created_at <= self.at:
            turn.enter(stored, "acknowledged")


@dataclass(slots=True, kw_only=True)
class ReceptionReported(Happening):
    """A station's report of how well a sensor received a downlink (§5.15)."""

    report: ReceptionReport

    def counters(self) -> Collection[int]:
        # The report comes with the uplink after the one that the downlink answered.
        counter = self.report.packet_counter
        return (counter - 1 & 0xFFFF_FFFF, counter)

    def apply(self, turn: Turn) -> None:
        report = self.report
        stored = next(
            filter(None, (_answer(turn, self.end_point_eui, counter) for counter in self.counters())), None
        )
        turn.events.append(
            DownlinkReception(
                at=turn.now,
                end_point_eui=self.end_point_eui,
                base_station_eui=report.base_station_eui,
                packet_counter=report.packet_counter,
                snr=report.snr,
                rssi=report.rssi,
                queue_id=None if stored is None else stored.downlink.queue_id,
            )
        )
        if stored is not None:
            downlink = replace(stored.downlink, end_point_snr=report.snr, end_point_rssi=report.rssi)
            turn.put(replace(stored, downlink=downlink))


def _answer(turn: Turn, eui: EUI, counter: int) -> StoredDownlink | None:
    """Return the newest downlink that answered the uplink with this counter."""
    found = [
        stored
        for stored in turn.rows.values()
        if stored.downlink.packet_counter == counter and stored.downlink.request.end_point_eui == eui
    ]
    return max(found, key=lambda stored: stored.downlink.queue_id, default=None)
