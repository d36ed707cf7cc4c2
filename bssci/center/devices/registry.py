"""Registry of the devices other than mioty sensors: those that people entered, and those heard lately.

Known devices stay until they are removed. Of the unknown ones the newest are kept. Devices whose Bluetooth
address changes every few minutes are kept separately and never written to disk, so that a crowd of phones
does not displace devices that are to be entered. Counts are written every 30 s, entries at once.

A change of entries is on disk before it is in force. Changes and writes of counts take turns, so that none is
overwritten by what was there before it; what is heard meanwhile counts for the device all the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from bssci.center import write_behind
from bssci.center.devices.device import (
    ENTERED,
    PLACE,
    Device,
    DeviceVerdict,
    has_changing_address,
    place_of,
    said_by,
)
from bssci.center.kept_bodies import read_bodies
from bssci.center.write_behind import WriteBehind
from bssci.journal import DeviceRecord, Journal, Loaded
from bssci.model import Telegram
from bssci.model.commands import CommandError
from bssci.system.clock import Clock, in_slices

MAX_KNOWN = 100_000
"""devices that people may enter"""
MAX_UNKNOWN = 10_000
"""unknown devices that are kept; beyond that the one that was not heard for the longest time is dropped"""
MAX_CHANGING = 1_000
"""devices with changing addresses that are kept, likewise"""
HOUR = 3600.0
TOLD_PLACES = 1_000
"""pins without a known device that are logged; all are in the list of devices"""
LOOK_INTERVAL = 10.0
"""s after which the identifying parts of a device's messages are updated"""
SLICE = 1000
"""entries that are changed in one turn of the reactor"""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Device)


class DeviceRegistry:
    """Every device other than a mioty sensor, known and unknown.

    :param now: returns Unix seconds.
    :param changing_kept: number of changing addresses whose telegrams are kept, per hour.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        journal: Journal,
        loaded: Loaded,
        now: Callable[[], float],
        changing_kept: int,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._now = now
        self.changing_kept = changing_kept
        self._known: dict[str, Device] = {}
        self._unknown: OrderedDict[str, Device] = OrderedDict()
        self._changing: OrderedDict[str, Device] = OrderedDict()
        self._places: dict[str, Telegram] = {}
        """the service's last telegram about the place of each known device, as far as there was one"""
        self._admitted: set[str] = set()
        self._hour_began = clock.seconds()
        self._told_places = 0
        self._lock = DeferredLock()
        kept = read_bodies("device", loaded.devices, _decoder).values()
        for device in sorted(kept, key=lambda device: device.last_seen):
            (self._known if device.known else self._unknown)[device.id] = device
        self._behind = WriteBehind[str](clock, "devices", self._write, slice_size=write_behind.AT_ONCE)

    def configure(self, changing_kept: int) -> None:
        """Change the number of changing addresses whose telegrams are kept, per hour."""
        self.changing_kept = changing_kept

    def start(self) -> None:
        self._behind.start()

    async def stop(self) -> None:
        """Write what is pending, after a change under way; the journal may be closed after that."""
        written = self._behind.stop()
        if written is not None:
            await written

    # learning

    def judge(self, telegram: Telegram) -> DeviceVerdict:
        """Decide whether a telegram is kept, blocked, or passed over: too many addresses that change."""
        known = self._known.get(telegram.device)
        if known is not None:
            return "blocked" if known.blocked else "kept"
        if not has_changing_address(telegram) or self._is_admitted(telegram.device):
            return "kept"
        self._hear_changing(telegram)
        return "passed over"

    def _is_admitted(self, id: str) -> bool:
        now = self._clock.seconds()
        if now - self._hour_began >= HOUR:
            self._hour_began = now
            self._admitted.clear()
        if id not in self._admitted:
            if len(self._admitted) >= self.changing_kept:
                return False
            self._admitted.add(id)
        return True

    def heard(self, telegrams: Iterable[Telegram]) -> None:
        """Take stored telegrams into account, except reports of gateways about themselves."""
        for telegram in telegrams:
            if telegram.device == f"scanner:{telegram.gateway}":
                continue
            known = self._known.get(telegram.device)
            if known is not None:
                known.hear(telegram)
                self._behind.changed[known.id] = None
            elif has_changing_address(telegram):
                self._hear_changing(telegram)
            else:
                device = _hear(self._unknown, telegram)
                self._behind.changed[device.id] = None
                if device.port and device.count == 1:
                    self._tell_place(device)
                if len(self._unknown) > MAX_UNKNOWN:
                    oldest, _ = self._unknown.popitem(last=False)
                    self._behind.changed[oldest] = None

    def placed(self, telegrams: Iterable[Telegram]) -> None:
        """Take the service's own telegrams about the places of devices, which do not count as heard."""
        for telegram in telegrams:
            if telegram.device in self._known:
                self._places[telegram.device] = telegram

    def last_place(self, id: str) -> Telegram | None:
        """Return the service's last telegram about the place of a device; None: there was none lately."""
        return self._places.get(id)

    def _tell_place(self, device: Device) -> None:
        """Log that a message comes from a pin where no device is entered."""
        if self._told_places < TOLD_PLACES:
            self._told_places += 1
            self.log.info(
                "no device is entered at {id}: its messages are kept, and it is listed as unknown",
                id=device.id,
            )

    def _hear_changing(self, telegram: Telegram) -> None:
        _hear(self._changing, telegram)
        if len(self._changing) > MAX_CHANGING:
            self._changing.popitem(last=False)

    # questions

    def __len__(self) -> int:
        return len(self._known) + len(self._unknown) + len(self._changing)

    def __iter__(self) -> Iterator[Device]:
        """Yield known devices, then the others, last heard first."""
        yield from self._known.values()
        yield from reversed(self._unknown.values())
        yield from reversed(self._changing.values())

    def get(self, id: str) -> Device | None:
        return self._known.get(id) or self._unknown.get(id) or self._changing.get(id)

    def is_changing(self, id: str) -> bool:
        """Return whether a device is an unknown one with a changing address."""
        return id in self._changing

    def known(self, id: str) -> Device | None:
        """Return a device that people entered; None if they did not."""
        return self._known.get(id)

    def counts(self) -> dict[str, int]:
        """Return the number of known, blocked, unknown and changing devices."""
        blocked = sum(device.blocked for device in self._known.values())
        return {
            "known": len(self._known) - blocked,
            "blocked": blocked,
            "unknown": len(self._unknown),
            "changing": len(self._changing),
        }

    # changes

    async def change(self, changes: Mapping[str, Mapping[str, Any]]) -> list[Device]:
        """Change entries of devices, all or none, as the changes before have left them; return the devices.

        :param changes: new values by the names of the fields of :class:`Device`, by the device's id.
        :raises CommandError: ``conflict``: there would be too many.
        :raises bssci.journal.StorageError: they cannot be stored; nothing changed.
        """
        async with self._lock:
            fresh = sum(id not in self._known for id in changes)
            if fresh and len(self._known) + fresh > MAX_KNOWN:
                raise CommandError(
                    "conflict", f"{len(self._known)} devices are known already; {MAX_KNOWN} are allowed"
                )
            made: list[Device] = []
            rows: dict[str, DeviceRecord | None] = {}
            async for few in in_slices(self._clock, list(changes.items()), SLICE):
                for id, values in few:
                    made.append(self._made(id, values))
                    rows[id] = _row(made[-1])
            await self._journal.tables.apply(DeviceRecord, rows)
            async for some in in_slices(self._clock, made, SLICE):
                for device in some:
                    self._enter(device, changes[device.id])
            return [self._known[id] for id in changes]

    def check_move(self, id: str, to: str) -> None:
        """Check that an entry can be moved; raises as :meth:`move`."""
        if id not in self._known:
            raise CommandError("unknown_device", f"no device {id} is entered", "id")
        if not PLACE.fullmatch(id):
            raise CommandError("invalid", "only devices at a controller can be moved", "id")
        if not PLACE.fullmatch(to):
            raise CommandError(
                "invalid", "a place is f2:0a1b2c3d4e5f/J1/4 or f2:0a1b2c3d4e5f/J2/strike-1", "to"
            )
        if to in self._known:
            raise CommandError("conflict", f"there is a device at {to} already: remove it first", "to")

    async def move(self, id: str, to: str) -> None:
        """Move the entry of a known device to another place at a controller.

        What was heard stays with each place.

        :raises CommandError: ``unknown_device``; ``invalid``: one of the ids is not a place at a controller;
            ``conflict``: there is an entry for the other place.
        :raises bssci.journal.StorageError: it cannot be stored; nothing changed.
        """
        async with self._lock:
            self.check_move(id, to)
            entry = {name: getattr(self._known[id], name) for name in ENTERED}
            made = self._made(to, entry)
            await self._journal.tables.apply(DeviceRecord, {id: None, to: _row(made)})
            del self._known[id]
            self._enter(made, entry)

    async def forget(self, id: str) -> None:
        """Forget a device; if it is heard again, it counts as unknown.

        :raises bssci.journal.StorageError: that cannot be stored; nothing changed.
        """
        async with self._lock:
            await self._journal.tables.delete(DeviceRecord, [id])
            for devices in (self._known, self._unknown, self._changing, self._places):
                devices.pop(id, None)

    def new(self, id: str) -> Device:
        """Return a copy of a device, or a new one if it was never heard."""
        found = self.get(id)
        if found is not None:
            return msgspec.structs.replace(found)
        now = self._now()
        parent, port = place_of(id)
        return Device(id, now, 0.0, parent=parent, port=port)

    def _made(self, id: str, values: Mapping[str, Any]) -> Device:
        """Return a copy of a device as people enter it."""
        return msgspec.structs.replace(self.new(id), known=True, **values)

    def _enter(self, made: Device, values: Mapping[str, Any]) -> None:
        """Apply a change that is on disk.

        :param made: the device as it was stored; it may have been heard since.
        """
        device = self.get(made.id) or made
        for name, value in values.items():
            setattr(device, name, value)
        device.known = True
        self._unknown.pop(made.id, None)
        self._changing.pop(made.id, None)
        self._known[made.id] = device

    # storing

    def _write(self, ids: Collection[str], through: int | None) -> Deferred[None]:
        return self._lock.run(self._store, ids)

    def _store(self, ids: Collection[str]) -> Deferred[None]:
        return self._journal.tables.apply(DeviceRecord, {id: self._record(id) for id in ids})

    def _record(self, id: str) -> DeviceRecord | None:
        device = self._known.get(id) or self._unknown.get(id)
        return None if device is None else _row(device)


def _row(device: Device) -> DeviceRecord:
    return DeviceRecord(id=device.id, body=_encoder.encode(device))


def _hear(devices: OrderedDict[str, Device], telegram: Telegram) -> Device:
    device = devices.get(telegram.device)
    if device is None:
        parent, port = place_of(telegram.device)
        device = Device(telegram.device, telegram.at, 0.0, parent=parent, port=port)
        devices[device.id] = device
    else:
        devices.move_to_end(device.id)
    if device.said is None or telegram.at - device.last_seen >= LOOK_INTERVAL:
        device.said = said_by(telegram)
    device.hear(telegram)
    return device
