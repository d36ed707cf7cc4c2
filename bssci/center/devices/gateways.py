"""Gateways, that is scanners and controllers: the state of each, and detection of silent ones.

As with devices, a change of an entry is on disk before it is in force, and what is heard meanwhile counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.center import write_behind
from bssci.center.kept_bodies import read_bodies
from bssci.center.write_behind import WriteBehind
from bssci.journal import GatewayRecord, Journal, Loaded, PublishedStates, StorageLines
from bssci.model import GatewayState, Telegram
from bssci.model.commands import CommandError
from bssci.model.weight import json_weight
from bssci.system.clock import Clock, Ticker, in_slices
from bssci.system.line_limit import LineLimit
from bssci.system.watchers import Watchers

SILENCE = 300.0
"""s without a telegram after which a gateway is offline"""
LOOK_INTERVAL = 10.0
"""s between two checks for silent gateways"""
MAX_GATEWAYS = 5_000
"""gateways that are kept; beyond that, the one that was not heard for the longest time is dropped, of those
about which people entered nothing
"""
TOLD = 1_000
"""gateways whose first message is logged; all are in the list of gateways"""
STATE_LINES = 200
"""lines about states of gateways that are logged in a minute; every state is an event, too"""
SLICE = 200
"""gateways that are looked at in one turn of the reactor"""
MAX_STATUS = 8 * 1024
"""bytes of a report, as MessagePack, up to which it is kept completely"""
MAX_STATUS_MEMORY = 4 * MAX_STATUS
"""bytes of memory up to which it is"""
MAX_TEXT = 1_000
"""characters of the topic of a larger report"""
KINDS = {"ble": "scanner", "scanner": "scanner", "f2": "controller"}
"""kind of the gateway, by the kind of the devices that it forwards"""
WATCHED = ("scanner", "controller")
"""kinds of gateways that have a state"""
STATES = ("online", "degraded", "offline")

GatewayStateName = Literal["", "online", "degraded", "offline"]
GatewayWatcher = Callable[[GatewayState], None]


class Gateway(msgspec.Struct, omit_defaults=True):
    """A gateway, with what people entered about it."""

    id: str
    """id with the kind in front: ``scanner:roof``"""
    first_seen: float
    """Unix seconds"""
    last_seen: float
    """Unix seconds"""
    count: int = 0
    """number of telegrams that it forwarded"""
    source: str = ""
    """source that delivered its last telegram; of several, one that takes commands"""
    state: GatewayStateName = ""
    """empty: unknown, or the kind has no state"""
    since: float = 0.0
    """Unix seconds"""
    reason: str = ""
    """reason of the state, for people"""
    status: dict[str, Any] | None = None
    """last report of the gateway about itself"""
    status_at: float | None = None
    """Unix seconds"""
    name: str = ""
    location: dict[str, Any] = {}
    """``lat``, ``lon``, ``text``, each optional"""
    tags: list[str] = []
    note: str = ""

    @property
    def kind(self) -> str:
        return self.id.partition(":")[0]

    @property
    def is_entered(self) -> bool:
        """Return whether people entered something about it."""
        return bool(self.name or self.location or self.tags or self.note)

    @property
    def own_id(self) -> str:
        """Return the id without the kind."""
        return self.id.partition(":")[2]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Gateway)


class Gateways:
    """All gateways.

    :param now: returns Unix seconds.
    :param can_send: returns whether a source takes commands for gateways.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        loaded: Loaded,
        now: Callable[[], float],
        can_send: Callable[[str], bool],
    ) -> None:
        self._can_send = can_send
        self._clock = clock
        self._journal = journal
        self._now = now
        kept = read_bodies("gateway", loaded.gateways, _decoder).values()
        in_order = sorted(kept, key=lambda gateway: gateway.last_seen)
        self._of: OrderedDict[str, Gateway] = OrderedDict((each.id, each) for each in in_order)
        self._unentered = OrderedDict((each.id, None) for each in in_order if not each.is_entered)
        """ids of those about which people entered nothing, the longest silent first"""
        self._told = 0
        self._lines = LineLimit(clock.seconds, STATE_LINES)
        self._looking = False
        self._lock = DeferredLock()
        self._changing = ""
        """the gateway whose entry is being stored; it is not dropped"""
        self._of_forgotten = Watchers[[GatewayState]]("forgotten gateways")
        started = clock.seconds()
        self._heard_at = dict.fromkeys(self._of, started)
        self._states = PublishedStates(journal.events, self.state, StorageLines(self.log, clock.seconds))
        self._behind = WriteBehind[str](clock, "gateways", self._write, slice_size=write_behind.AT_ONCE)
        self._ticker = Ticker(clock, LOOK_INTERVAL, self._begin_look)

    def start(self) -> None:
        self._behind.start()
        self._ticker.start()

    async def stop(self) -> None:
        """Write what is pending, after a change under way; the journal may be closed after that."""
        self._ticker.stop()
        self._states.publish_left()
        written = self._behind.stop()
        if written is not None:
            await written

    # learning

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take stored telegrams: each shows that its gateway is alive."""
        for telegram in telegrams:
            kind, _, own = telegram.device.partition(":")
            gateway = self._gateway(f"{kind_of_gateway(telegram.device)}:{telegram.gateway}", telegram)
            if kind == gateway.kind and own == telegram.gateway:
                self._take_report(gateway, telegram)
            elif telegram.envelope.get("direction") != "cmnd":
                # Commands do not come from the gateway.
                self._alive(gateway)

    def _gateway(self, id: str, telegram: Telegram) -> Gateway:
        gateway = self._of.get(id)
        if gateway is None:
            gateway = self._of[id] = Gateway(id, telegram.at, telegram.at)
            self._unentered[id] = None
            if self._told < TOLD:
                self._told += 1
                self.log.info("gateway {id} is heard for the first time", id=id)
            if len(self._of) > MAX_GATEWAYS:
                self._drop(next(each for each in self._unentered if each != self._changing))
        else:
            self._of.move_to_end(id)
            if id in self._unentered:
                self._unentered.move_to_end(id)
        gateway.count += 1
        if self._can_send(telegram.source) or not self._can_send(gateway.source):
            gateway.source = telegram.source
        self._behind.changed[id] = None
        return gateway

    def _alive(self, gateway: Gateway) -> None:
        self._note(gateway)
        if gateway.kind in WATCHED and gateway.state in ("", "offline"):
            self._move(gateway, "online", "")

    def _note(self, gateway: Gateway) -> None:
        gateway.last_seen = self._now()
        if gateway.id in self._of:
            self._heard_at[gateway.id] = self._clock.seconds()

    def _take_report(self, gateway: Gateway, telegram: Telegram) -> None:
        said = telegram.envelope.get("status")
        behind = 0.0 if telegram.gateway_time is None else telegram.at - telegram.gateway_time
        if behind > SILENCE and telegram.envelope.get("retained") is not False and said != "offline":
            # A retained message of the broker, which says nothing about the present. A last will has the
            # time at which the gateway connected, however late it is published.
            if not gateway.state and gateway.kind in WATCHED:
                self._move(gateway, "offline", "its last report is old")
            return
        report = dict(telegram.envelope)
        if (
            len(_encoder.encode(report)) > MAX_STATUS
            or json_weight(report, MAX_STATUS_MEMORY) > MAX_STATUS_MEMORY
        ):
            named = {name: report.get(name) for name in ("status", "topic")}
            report = {
                name: text for name, text in named.items() if isinstance(text, str) and len(text) <= MAX_TEXT
            }
        gateway.status = report
        gateway.status_at = telegram.at
        if said == "offline":
            self._move(gateway, "offline", "reported by itself or by its last will")
            return
        self._note(gateway)
        self._move(
            gateway, "degraded" if said == "degraded" else "online", _reason(report) or _clock_fault(behind)
        )

    def _begin_look(self) -> None:
        self._states.publish_left()
        ensureDeferred(self._look()).addErrback(
            lambda failure: self.log.failure("look for silent gateways failed", failure)
        )

    async def _look(self) -> None:
        if self._looking:
            return
        self._looking = True
        try:
            async for few in in_slices(self._clock, list(self._of), SLICE):
                now = self._clock.seconds()
                for gateway in filter(None, map(self._of.get, few)):
                    silent = now - self._heard_at.get(gateway.id, now)
                    if gateway.kind in WATCHED and gateway.state != "offline" and silent >= SILENCE:
                        self._move(gateway, "offline", f"silent for {SILENCE / 60:.0f} minutes")
        finally:
            self._looking = False

    def _move(self, gateway: Gateway, state: GatewayStateName, reason: str) -> None:
        gateway.reason = reason
        if gateway.state == state or not state or gateway.id not in self._of:
            return
        gateway.state = state
        gateway.since = self._now()
        self._behind.changed[gateway.id] = None
        if (left_out := self._lines.admit()) is not None:
            level = self.log.info if state == "online" else self.log.warn
            level("gateway {id} {state} {reason}", id=gateway.id, state=state, reason=reason)
            if left_out:
                self.log.warn("{count} lines about gateways' states were left out", count=left_out)
        self._states.publish([gateway.id])

    # questions

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Gateway]:
        return iter(self._of.values())

    def get(self, id: str) -> Gateway | None:
        return self._of.get(id)

    def known(self, id: str) -> Gateway:
        """Return a gateway.

        :raises CommandError: ``unknown_gateway``.
        """
        gateway = self._of.get(id)
        if gateway is None:
            raise CommandError("unknown_gateway", f"there is no gateway {id}", "id")
        return gateway

    def state(self, id: str) -> GatewayState | None:
        """Return the state of a gateway; None if it has none."""
        gateway = self._of.get(id)
        return None if gateway is None else _event(gateway)

    def states(self) -> list[GatewayState]:
        """Return the state of every gateway that has one."""
        return [event for each in self._of.values() if (event := _event(each)) is not None]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of gateways of each kind in each state."""
        counts = {kind: dict.fromkeys(STATES, 0) for kind in WATCHED}
        for gateway in self._of.values():
            if gateway.kind in counts and gateway.state:
                counts[gateway.kind][gateway.state] += 1
        return counts

    def watch_forgotten(self, watcher: GatewayWatcher) -> Callable[[], None]:
        """Call ``watcher`` with the last state of a gateway that had one and is forgotten or dropped.

        :return: a function that ends the watch.
        """
        return self._of_forgotten.add(watcher)

    # changes

    async def change(self, id: str, values: Mapping[str, Any]) -> Gateway:
        """Change the entry of a gateway, as the changes before have left it; return the gateway.

        :param values: new values by the names of the fields of :class:`Gateway`.
        :raises CommandError: ``unknown_gateway``.
        :raises bssci.journal.StorageError: they cannot be stored; nothing changed.
        """
        async with self._lock:
            gateway = self.known(id)
            made = msgspec.structs.replace(gateway, **values)
            self._changing = id
            try:
                await self._journal.tables.apply(GatewayRecord, {id: _row(made)})
            finally:
                self._changing = ""
            for name, value in values.items():
                setattr(gateway, name, value)
            if gateway.is_entered:
                self._unentered.pop(id, None)
            elif id in self._of:
                self._unentered.setdefault(id)
            return gateway

    async def forget(self, id: str) -> None:
        """Forget a gateway; if it is heard again, it counts as new.

        :raises bssci.journal.StorageError: that cannot be stored; nothing changed.
        """
        async with self._lock:
            await self._journal.tables.delete(GatewayRecord, [id])
            self._drop(id)

    def _drop(self, id: str) -> None:
        gateway = self._of.pop(id, None)
        self._heard_at.pop(id, None)
        self._unentered.pop(id, None)
        self._behind.changed[id] = None
        state = None if gateway is None else _event(gateway)
        if state is not None:
            self._of_forgotten.tell(state)

    # storing

    def _write(self, ids: Collection[str], through: int | None) -> Deferred[None]:
        return self._lock.run(self._store, ids)

    def _store(self, ids: Collection[str]) -> Deferred[None]:
        return self._journal.tables.apply(GatewayRecord, {id: self._record(id) for id in ids})

    def _record(self, id: str) -> GatewayRecord | None:
        gateway = self._of.get(id)
        return None if gateway is None else _row(gateway)


def kind_of_gateway(device: str) -> str:
    """Return the kind of the gateway that forwards what a device sends: scanner, controller or gateway.

    :param device: id of the device.
    """
    return KINDS.get(device.partition(":")[0], "gateway")


def _row(gateway: Gateway) -> GatewayRecord:
    return GatewayRecord(id=gateway.id, body=_encoder.encode(gateway))


def _event(gateway: Gateway) -> GatewayState | None:
    if not gateway.state:
        return None
    return GatewayState(
        at=gateway.since,
        gateway=gateway.own_id,
        gateway_kind=gateway.kind,
        state=gateway.state,
        reason=gateway.reason,
        name=gateway.name,
    )


def _clock_fault(behind: float) -> str:
    """Return what is wrong with the time of a report that has just come; empty: nothing.

    :param behind: s of our clock from that time until now.
    """
    if abs(behind) <= SILENCE:
        return ""
    return f"its clock is {abs(behind) / 60:.0f} minutes {'behind' if behind > 0 else 'ahead of'} ours"


def _reason(report: Mapping[str, Any]) -> str:
    """Return the problem that a scanner reports; empty if it reports none."""
    bluetooth = report.get("bluetooth")
    state = bluetooth.get("status") if isinstance(bluetooth, Mapping) else None
    return f"Bluetooth: {state}"[:100] if isinstance(state, str) and state not in ("", "scanning") else ""
