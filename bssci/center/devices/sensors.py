"""The configured sensors: endpoints.json in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred

from bssci.center.devices import endpoints
from bssci.model import EUI, Sensor
from bssci.model.sensor import fingerprint_of

RunInThread = Callable[..., "Deferred[Any]"]


@dataclass(frozen=True)
class Changes:
    """What changed in the file, as base stations see it."""

    attach: list[EUI]
    """new, or with other parameters on the air"""
    detach: list[EUI]
    """no longer there"""
    rekeyed: frozenset[EUI] = frozenset()
    """of those to attach: new, or with another network key than before"""


Around = Callable[[Changes], AbstractAsyncContextManager[None]]
"""Entered when it is known what will change, left when it has; if entering fails, nothing changes"""


def _by_itself(changes: Changes) -> AbstractAsyncContextManager[None]:
    return nullcontext()


class _Entry(NamedTuple):
    sensor: Sensor
    fingerprint: bytes


_Entries = dict[EUI, _Entry]
"""never changed, only replaced: threads read it"""


class Sensors:
    """Every sensor of endpoints.json by its EUI.

    :param run_in_thread: ``deferToThread``: files are read away from the reactor.
    """

    def __init__(self, path: Path, run_in_thread: RunInThread) -> None:
        self.path = path
        self._run_in_thread = run_in_thread
        self._lock = DeferredLock()
        self._by_eui, self._version = _read(path)

    def __contains__(self, eui: object) -> bool:
        return eui in self._by_eui

    def __iter__(self) -> Iterator[Sensor]:
        return (entry.sensor for entry in self._by_eui.values())

    def __len__(self) -> int:
        return len(self._by_eui)

    def get(self, eui: EUI) -> Sensor | None:
        entry = self._by_eui.get(eui)
        return entry.sensor if entry else None

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        """Every sensor and the fingerprint of how a base station serves it."""
        return ((eui, entry.fingerprint) for eui, entry in self._by_eui.items())

    def reload(self, around: Around = _by_itself) -> Deferred[Changes]:
        """Read the file again, all or nothing.

        The Deferred fails with :class:`bssci.center.devices.endpoints.EndpointsError` if the file is
        wrong; the sensors stay as they were then.
        """
        return self._lock.run(lambda: ensureDeferred(self._reload(around)))

    def put(self, sensors: Sequence[Sensor], around: Around) -> Deferred[Changes]:
        """Add sensors, or replace those that are there; in the file when the Deferred fires.

        It fails with :class:`OSError` if the file cannot be written, and with
        :class:`~bssci.center.devices.endpoints.EndpointsChangedError` if somebody else changed it since it
        was read or written here; nothing changed then.
        """

        def make(before: _Entries) -> _Entries:
            return before | {sensor.eui: _Entry(sensor, fingerprint_of(sensor)) for sensor in sensors}

        return self._lock.run(lambda: ensureDeferred(self._write(make, around)))

    def remove(self, euis: Collection[EUI], around: Around) -> Deferred[Changes]:
        """Take sensors out; of the file, too, when the Deferred fires. See :meth:`put`."""
        gone = set(euis)

        def make(before: _Entries) -> _Entries:
            return {eui: entry for eui, entry in before.items() if eui not in gone}

        return self._lock.run(lambda: ensureDeferred(self._write(make, around)))

    async def _reload(self, around: Around) -> Changes:
        after, version = await self._run_in_thread(_read, self.path)
        changes: Changes = await self._run_in_thread(_changes, self._by_eui, after)
        async with around(changes):
            self._by_eui, self._version = after, version
        return changes

    async def _write(self, make: Callable[[_Entries], _Entries], around: Around) -> Changes:
        after = await self._run_in_thread(make, self._by_eui)
        changes: Changes = await self._run_in_thread(_changes, self._by_eui, after)
        sensors = [entry.sensor for entry in after.values()]
        async with around(changes):
            self._version = await self._run_in_thread(endpoints.write, self.path, sensors, self._version)
            self._by_eui = after
        return changes


def _changes(before: _Entries, after: _Entries) -> Changes:
    return Changes(
        attach=[eui for eui, entry in after.items() if _differs(before.get(eui), entry)],
        detach=[eui for eui in before if eui not in after],
        rekeyed=frozenset(
            eui
            for eui, entry in after.items()
            if eui not in before or before[eui].sensor.network_key != entry.sensor.network_key
        ),
    )


def _differs(before: _Entry | None, after: _Entry) -> bool:
    return before is None or before.fingerprint != after.fingerprint


def _read(path: Path) -> tuple[dict[EUI, _Entry], bytes]:
    sensors, version = endpoints.read_version(path)
    return {sensor.eui: _Entry(sensor, fingerprint_of(sensor)) for sensor in sensors}, version
