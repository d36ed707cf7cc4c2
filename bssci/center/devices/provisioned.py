"""Devices with certificates of ours, while the service runs: their registry, its upkeep and commands."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.certificates.provisioning import (
    NotRegisteredError,
    Provisioned,
    Provisioning,
    ProvisioningError,
    RegisteredError,
    broker_of,
)
from bssci.certificates.reading import CertificateError
from bssci.journal import StorageError
from bssci.model.commands import CommandError
from bssci.settings.table import Settings
from bssci.system.clock import Clock, Ticker
from bssci.system.shell import ShellChange

DAY = 86400.0
State = Literal["active", "ending", "ended", "revoked"]
STATES: tuple[State, ...] = ("active", "ending", "ended", "revoked")
INTERVAL = 30.0
"""s between two looks whether the registry was changed from outside"""
T = TypeVar("T")


class ProvisionedDevices:
    """The registry of devices, kept in memory and read again when its file changes.

    :param settings: those in force.
    :param now: Unix seconds.
    :param run_in_thread: ``deferToThread``: keys and files are made away from the reactor.
    :param record: writes a change that the command line made into the audit log.
    """

    log = Logger()

    def __init__(
        self,
        clock: Clock,
        settings: Callable[[], Settings],
        now: Callable[[], float],
        run_in_thread: Callable[..., Deferred[Any]],
        record: Callable[[ShellChange], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._now = now
        self._run_in_thread = run_in_thread
        self._record = record
        self._lock = DeferredLock()
        self._ticker = Ticker(clock, INTERVAL, self._refresh)
        self._seen: tuple[int, int, int] | None = None
        self._ends: list[tuple[float, str]] = []
        """end and name of every active device, that which ends first comes first"""
        self.entries: Mapping[str, Provisioned] = {}
        """devices by their names, as the registry was when it was read last"""
        self.trouble = ""
        """why the registry cannot be read; empty: it can"""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """requests since the start, by action and by ``done``, ``refused`` or ``failed``"""

    def start(self) -> None:
        self._refresh()
        self._ticker.start()

    def stop(self) -> None:
        self._ticker.stop()

    def _refresh(self) -> None:
        ensureDeferred(self.refresh()).addErrback(
            lambda failure: self.log.failure("registry of devices not read", failure)
        )

    # questions

    async def refresh(self) -> None:
        """Read the registry again if its file changed, and put into the audit log who changed it at the
        command line.
        """
        await self._lock.run(lambda: ensureDeferred(self._follow()))

    async def _follow(self) -> None:
        changes: tuple[ShellChange, ...] = await self._run_in_thread(self._read)
        try:
            for each in changes:
                await self._record(each)
        except StorageError as error:
            self.log.warn("changes of devices not in the audit log yet {error}", error=error)
            return
        if changes:
            await self._run_in_thread(self._files().forget_changes, len(changes))

    def state(self, device: Provisioned) -> State:
        """Return a device's state: one that is ``ending`` must be renewed soon."""
        if device.status == "revoked":
            return "revoked"
        left = device.ends_at - self._now()
        if left < 0:
            return "ended"
        return "ending" if left < self._settings().alarm_certificate_days * DAY else "active"

    def counts(self) -> dict[str, int]:
        """Return the number of devices in each state."""
        now = self._now()
        ended = bisect_left(self._ends, (now,))
        ending = bisect_left(self._ends, (now + self._settings().alarm_certificate_days * DAY,)) - ended
        return {
            "active": len(self._ends) - ended - ending,
            "ending": ending,
            "ended": ended,
            "revoked": len(self.entries) - len(self._ends),
        }

    def ends(self, days: float) -> list[tuple[float, str]]:
        """Return end (Unix seconds) and name of the devices whose certificates end within so many days, or
        have ended; that which ends first comes first.
        """
        return self._ends[: bisect_left(self._ends, (self._now() + days * DAY,))]

    def next_end(self) -> float | None:
        """Return the end that comes first of those that are yet to come, in Unix seconds."""
        place = bisect_left(self._ends, (self._now(),))
        return self._ends[place][0] if place < len(self._ends) else None

    def has_key(self, name: str) -> bool:
        """Return whether nobody has taken the bundle of a device yet."""
        return self._files().has_key(name)

    async def configuration_of(self, name: str) -> bytes:
        """Return the client configuration of a device, as JSON.

        :raises CommandError: ``unknown_device``.
        """
        return await self._ask(lambda: self._files().configuration_of(name))

    # changes; by Commands only

    async def add(self, text: str, serial_number: str, *, force: bool) -> str:
        """Make key, certificate and configuration of a device; return its name.

        :raises CommandError: ``conflict``: it is registered; ``invalid``; ``unavailable``: the disk. Nothing
            is changed then.
        """
        files, settings = self._files(), self._settings()

        def add() -> str:
            broker = broker_of(settings.device_broker, settings.cert_file)
            return files.add(text, broker, self._moment(), serial_number=serial_number, force=force)

        return await self._do("add", add)

    async def renew(self, name: str) -> str:
        """Make another key and certificate, and revoke the old one; raises as :meth:`add`."""
        files, settings = self._files(), self._settings()

        def renew() -> str:
            return files.renew(name, broker_of(settings.device_broker, settings.cert_file), self._moment())

        return await self._do("renew", renew)

    async def revoke(self, name: str) -> str:
        """Put the certificate of a device on the revocation list; raises as :meth:`add`."""
        files = self._files()
        return await self._do("revoke", lambda: files.revoke(name, self._moment()))

    async def take_bundle(self, name: str) -> bytes:
        """Return all that a device is given, as an archive, this once; raises as :meth:`add`."""
        files = self._files()
        return await self._do("bundle", lambda: files.take_bundle(name))

    async def _do(self, action: str, work: Callable[[], T]) -> T:
        try:
            done = await self._ask(work)
        except CommandError as error:
            self.outcomes[action, "failed" if error.code == "unavailable" else "refused"] += 1
            raise
        finally:
            await self.refresh()
        self.outcomes[action, "done"] += 1
        return done

    async def _ask(self, work: Callable[[], T]) -> T:
        """Run work on the files in a thread, one at a time."""
        try:
            done: T = await self._lock.run(self._run_in_thread, work)
        except NotRegisteredError as error:
            raise CommandError("unknown_device", str(error), "id") from error
        except RegisteredError as error:
            raise CommandError("conflict", str(error), "id") from error
        except (ProvisioningError, CertificateError) as error:
            raise CommandError("invalid", str(error)) from error
        except OSError as error:
            raise CommandError("unavailable", f"{error.filename or 'disk'}: {error.strerror}") from error
        return done

    def _files(self) -> Provisioning:
        settings = self._settings()
        return Provisioning(settings.device_ca_file, settings.ca_file)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _read(self) -> tuple[ShellChange, ...]:
        """Read the registry, unless it is the file that was read last; return what the command line changed
        and the audit log does not have yet. Blocks.
        """
        files = self._files()
        try:
            seen = _stamp(files.registry_file)
            if seen != self._seen:
                entries = files.devices()
                self._ends = sorted(
                    (each.ends_at, name) for name, each in entries.items() if each.status == "active"
                )
                self.entries, self._seen = entries, seen
            changes = files.changes()
        except CertificateError as error:
            self._tell(str(error))
            return ()
        except OSError as error:
            self._tell(f"{error.filename or files.registry_file}: {error.strerror}")
            return ()
        self.trouble = ""
        return changes

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.log.warn("registry of devices not readable {trouble}", trouble=trouble)
        self.trouble = trouble


def _stamp(file: Path) -> tuple[int, int, int]:
    """Return a value that changes when the file does."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)
