"""The configured sensors: endpoints.json in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path
from typing import IO, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.center.devices import endpoints
from bssci.center.devices.endpoints import EndpointsError, WrongEntry
from bssci.model import EUI, Sensor
from bssci.model.sensor import fingerprint_of
from bssci.system.clock import RunInThread
from bssci.system.files import hold_room


@dataclass(frozen=True)
class Changes:
    """Changes of the file that concern base stations."""

    attach: list[EUI]
    """sensors that are new, or have other radio parameters"""
    detach: list[EUI]
    """sensors that were removed from the file"""
    rekeyed: frozenset[EUI] = frozenset()
    """sensors to attach that are new, or have another network key"""


Around = Callable[[Changes], AbstractAsyncContextManager[None]]
"""returns a context in which the changes are made; if entering it fails, nothing changes"""


def _by_itself(changes: Changes) -> AbstractAsyncContextManager[None]:
    return nullcontext()


MAX_NAMED = 20
"""invalid entries that are logged one by one"""
SLICE = 1000
"""entries that are freed at a time"""


class _Entry(NamedTuple):
    sensor: Sensor
    fingerprint: bytes


_Entries = dict[EUI, _Entry]
"""entries by EUI; the dict is replaced, never mutated, because threads read it"""


class _Read(NamedTuple):
    by_eui: _Entries
    wrong: tuple[WrongEntry, ...]
    version: bytes


class Sensors:
    """All sensors of endpoints.json by EUI.

    :param path: path of the file.
    :param run_in_thread: ``deferToThread``, in which the file is read and written.
    :raises bssci.center.devices.endpoints.EndpointsError: the file cannot be read.
    """

    log = Logger()

    def __init__(self, path: Path, run_in_thread: RunInThread) -> None:
        self.path = path
        self._run_in_thread = run_in_thread
        self._lock = DeferredLock()
        read = _read(path)
        self._by_eui, self._version = read.by_eui, read.version
        self._all = _sensors_of(read.by_eui)
        self.wrong: tuple[WrongEntry, ...] = read.wrong
        """invalid entries of the file, in its order"""
        self.trouble = ""
        """reason why the present file is not in force; empty: it is"""
        self._held: frozenset[EUI] = frozenset()
        """sensors whose entry has become invalid, which stay in force as they were until the next start"""
        self._report()

    def __contains__(self, eui: object) -> bool:
        return eui in self._by_eui

    def __iter__(self) -> Iterator[Sensor]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._by_eui)

    def get(self, eui: EUI) -> Sensor | None:
        entry = self._by_eui.get(eui)
        return entry.sensor if entry else None

    def all(self) -> tuple[Sensor, ...]:
        """Return all sensors: the same object as long as none has changed."""
        return self._all

    def euis(self) -> list[EUI]:
        """Return the EUI of every sensor."""
        return list(self._by_eui)

    def fingerprints(self) -> Iterator[tuple[EUI, bytes]]:
        """Yield every sensor with its :func:`bssci.model.sensor.fingerprint_of`."""
        return ((eui, entry.fingerprint) for eui, entry in self._by_eui.items())

    def is_changed(self) -> Deferred[bool]:
        """Fire with whether the file was changed by others, or cannot be read.

        If it is as it is in force, again or still, there is no trouble with it any more.
        """
        return self._lock.run(lambda: ensureDeferred(self._compare_file()))

    def not_stored(self, reason: str) -> None:
        """Note that the present file could not be put in force, although it was not read."""
        self.trouble = reason

    def reload(self, around: Around = _by_itself) -> Deferred[Changes]:
        """Read the file again; fires with the changes.

        Sensors whose entry has become invalid stay in force as they were. The Deferred fails with
        :class:`bssci.center.devices.endpoints.EndpointsError` if the file as a whole is invalid, or has no
        valid entry; all sensors stay as they were then.
        """
        return self._lock.run(lambda: ensureDeferred(self._reload(around)))

    def room(self) -> Deferred[IO[bytes]]:
        """Reserve the disk space that a change needs; fires with a file that frees it when it is closed.

        The Deferred fails with OSError if there is too little.
        """
        return self._run_in_thread(hold_room, self.path)

    def compare(self, sensors: Sequence[Sensor]) -> Deferred[tuple[list[EUI], list[EUI]]]:
        """Fire with the EUIs of the sensors that are new, and of those that differ from the present ones."""
        deferred: Deferred[tuple[list[EUI], list[EUI]]] = self._run_in_thread(_compare, self._by_eui, sensors)
        return deferred

    def unknown(self, euis: Iterable[EUI]) -> EUI | None:
        """Return the first of some sensors that is not configured; None if all are."""
        return next(filterfalse(self._by_eui.__contains__, euis), None)

    def put(self, sensors: Sequence[Sensor], around: Around) -> Deferred[Changes]:
        """Add or replace sensors; they are in the file when the Deferred fires with the changes.

        It fails with :class:`OSError` if the file cannot be written, and with
        :class:`~bssci.center.devices.endpoints.EndpointsChangedError` if the file was changed by others since
        it was last read or written here; nothing changed then.
        """

        def make(before: _Entries) -> _Entries:
            return before | {sensor.eui: _Entry(sensor, fingerprint_of(sensor)) for sensor in sensors}

        touched = {sensor.eui for sensor in sensors}
        return self._lock.run(lambda: ensureDeferred(self._write(make, touched, around)))

    def remove(self, euis: Collection[EUI], around: Around) -> Deferred[Changes]:
        """Remove sensors; they are no longer in the file when the Deferred fires. See :meth:`put`."""
        gone = set(euis)

        def make(before: _Entries) -> _Entries:
            return {eui: entry for eui, entry in before.items() if eui not in gone}

        return self._lock.run(lambda: ensureDeferred(self._write(make, gone, around)))

    async def _reload(self, around: Around) -> Changes:
        try:
            read = await self._read_file()
        except EndpointsError as error:
            self.trouble = str(error)
            raise
        named = {each.eui for each in read.wrong if each.eui is not None}
        held = {eui: self._by_eui[eui] for eui in named if eui in self._by_eui and eui not in read.by_eui}
        after = read.by_eui | held
        changes: Changes = await self._run_in_thread(_changes, self._by_eui, after)
        sensors: tuple[Sensor, ...] = await self._run_in_thread(_sensors_of, after)
        async with around(changes):
            before = list(self._by_eui.values())
            self._by_eui, self._all, self._version = after, sensors, read.version
            self.wrong, self._held, self.trouble = read.wrong, frozenset(held), ""
            self._report()
        await self._let_go(before)
        return changes

    async def _compare_file(self) -> bool:
        differs: bool = await self._run_in_thread(self._differs_from_file)
        if not differs:
            self.trouble = ""
        return differs

    async def _read_file(self) -> _Read:
        """Read the file.

        :raises EndpointsError: the file as a whole is invalid, or has no valid entry.
        """
        read: _Read = await self._run_in_thread(_read, self.path)
        if read.wrong and not read.by_eui:
            raise EndpointsError(self.path, [str(each) for each in read.wrong])
        return read

    async def _write(
        self, make: Callable[[_Entries], _Entries], touched: Collection[EUI], around: Around
    ) -> Changes:
        """Write the file and apply it.

        :param touched: sensors whose invalid entries are dropped.
        """
        after = await self._run_in_thread(make, self._by_eui)
        changes: Changes = await self._run_in_thread(_changes, self._by_eui, after)
        sensors: tuple[Sensor, ...] = await self._run_in_thread(_sensors_of, after)
        held = self._held.difference(touched)
        written = (sensor for sensor in sensors if sensor.eui not in held)
        wrong = tuple(each for each in self.wrong if each.eui is None or each.eui not in touched)
        async with around(changes):
            self._version = await self._run_in_thread(
                endpoints.write, self.path, written, self._version, wrong
            )
            before = list(self._by_eui.values()) if len(touched) > SLICE else []
            self._by_eui, self._all = after, sensors
            self.wrong, self._held, self.trouble = wrong, held, ""
        await self._let_go(before)
        return changes

    async def _let_go(self, before: list[_Entry]) -> None:
        """Free entries in a thread, some at a time: 100 000 at once would block the process for 30 ms."""
        if len(before) > SLICE:
            await self._run_in_thread(_free, before)

    def _differs_from_file(self) -> bool:
        try:
            return endpoints.read_version(self.path) != self._version
        except EndpointsError:
            return True

    def _report(self) -> None:
        for each in self.wrong[:MAX_NAMED]:
            self.log.error(
                "entry of {file} not used: {problem}", file=self.path.name, problem=str(each), eui=each.eui
            )
        if len(self.wrong) > MAX_NAMED:
            more = len(self.wrong) - MAX_NAMED
            self.log.error("{more} more entries of {file} not used", more=more, file=self.path.name)


def _sensors_of(entries: _Entries) -> tuple[Sensor, ...]:
    return tuple([entry.sensor for entry in entries.values()])


def _free(entries: list[_Entry]) -> None:
    while entries:
        del entries[-SLICE:]


def _compare(known: _Entries, sensors: Sequence[Sensor]) -> tuple[list[EUI], list[EUI]]:
    added: list[EUI] = []
    changed: list[EUI] = []
    for sensor in sensors:
        entry = known.get(sensor.eui)
        if entry is None:
            added.append(sensor.eui)
        elif entry.sensor != sensor:
            changed.append(sensor.eui)
    return added, changed


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


def _read(path: Path) -> _Read:
    file = endpoints.read_file(path)
    by_eui = {sensor.eui: _Entry(sensor, fingerprint_of(sensor)) for sensor in file.sensors}
    return _Read(by_eui, file.wrong, file.version)
