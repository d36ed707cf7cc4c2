"""Registry of the devices other than mioty sensors: those that people entered, and those heard lately.

Known devices stay until they are removed. Of the unknown ones the newest are kept. Devices whose Bluetooth
address changes every few minutes are kept separately and never written to disk, so that a crowd of phones
does not displace devices that are to be entered. Counts are written every 30 s, entries at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center import write_behind
from bssci.center.devices.device import (
    ENTERED,
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
from bssci.system.clock import Clock

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
        self._admitted: set[str] = set()
        self._hour_began = clock.seconds()
        self._told_places = 0
        kept = read_bodies("device", loaded.devices, _decoder).values()
        for device in sorted(kept, key=lambda device: device.last_seen):
            (self._known if device.known else self._unknown)[device.id] = device
        self._behind = WriteBehind[str](clock, "devices", self._write, slice_size=write_behind.AT_ONCE)

    def configure(self, changing_kept: int) -> None:
        """Change the number of changing addresses whose telegrams are kept, per hour."""
        self.changing_kept = changing_kept

    def start(self) -> None:
        self._behind.start()

    def stop(self) -> Deferred[None] | None:
        """Write pending changes; the journal may be closed after that."""
        return self._behind.stop()

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

    def put(self, *devices: Device) -> Deferred[None]:
        """Store entries of devices, all or none; fires when they are on disk.

        :raises ValueError: there would be too many.
        """
        fresh = sum(device.id not in self._known for device in devices)
        if fresh and len(self._known) + fresh > MAX_KNOWN:
            raise ValueError(f"{len(self._known)} devices are known already; {MAX_KNOWN} are allowed")
        for device in devices:
            device.known = True
            self._unknown.pop(device.id, None)
            self._changing.pop(device.id, None)
            self._known[device.id] = device
        return self._write([device.id for device in devices], None)

    def move(self, id: str, to: str) -> Deferred[None]:
        """Move the entry of a known device to another place without an entry; fires when that is on disk.

        What was heard stays with each place.
        """
        device = self.new(to)
        moved = self._known.pop(id)
        for name in ENTERED:
            setattr(device, name, getattr(moved, name))
        device.known = True
        self._unknown.pop(to, None)
        self._known[to] = device
        return self._write([id, to], None)

    def new(self, id: str) -> Device:
        """Return a copy of a device, or a new one if it was never heard, for changes."""
        found = self.get(id)
        if found is not None:
            return msgspec.structs.replace(found)
        now = self._now()
        parent, port = place_of(id)
        return Device(id, now, 0.0, parent=parent, port=port)

    def forget(self, id: str) -> Deferred[None]:
        """Forget a device; if it is heard again, it counts as unknown."""
        for devices in (self._known, self._unknown, self._changing):
            devices.pop(id, None)
        return self._write([id], None)

    # storing

    def _write(self, ids: Collection[str], through: int | None) -> Deferred[None]:
        return self._journal.tables.apply(DeviceRecord, {id: self._record(id) for id in ids})

    def _record(self, id: str) -> DeviceRecord | None:
        device = self._known.get(id) or self._unknown.get(id)
        return None if device is None else DeviceRecord(id=id, body=_encoder.encode(device))


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
