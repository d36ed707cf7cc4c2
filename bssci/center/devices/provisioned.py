"""Provisioned devices, which have certificates from us: their registry and its changes while running."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, get_args

from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.certificates.provisioned import (
    NotRegisteredError,
    Provisioned,
    ProvisioningError,
    RegisteredError,
    broker_of,
)
from bssci.certificates.provisioning import Provisioning
from bssci.certificates.reading import CertificateError
from bssci.journal import StorageError
from bssci.model.commands import CommandError
from bssci.settings.table import Settings
from bssci.system.clock import Clock, Ticker
from bssci.system.shell import ShellChange
from bssci.system.utc import DAY
from bssci.system.watching import MISSING, FileStamp, stamp_in

ProvisionedState = Literal["active", "ending", "ended", "revoked"]
STATES: tuple[ProvisionedState, ...] = get_args(ProvisionedState)
INTERVAL = 30.0
"""s between two checks whether the registry was changed by the command line"""
T = TypeVar("T")


class ProvisionedDevices:
    """The registry of devices, kept in memory and read again when its file changes.

    :param settings: returns the settings in force.
    :param now: returns Unix seconds.
    :param run_in_thread: ``deferToThread``, in which keys and files are made.
    :param record: writes the audit entry of a change that the command line made.
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
        """expiry (Unix seconds) and name of every active device, earliest first"""
        self.entries: Mapping[str, Provisioned] = {}
        """devices by their names, as last read from the registry"""
        self.trouble = ""
        """reason why the registry cannot be read; empty: it can"""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """number of requests since the start, by action and ``done``, ``refused`` or ``failed``"""

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
        """Read the registry if its file changed, and write audit entries of changes by the command line."""
        await self._lock.run(lambda: ensureDeferred(self._follow()))

    async def _follow(self) -> None:
        changes: tuple[ShellChange, ...] = await self._run_in_thread(self._read)
        try:
            for each in changes:
                await self._record(each)
        except StorageError as error:
            self.log.warn("changes of devices not yet in the audit log {error}", error=error)
            return
        if changes:
            await self._run_in_thread(self._files().forget_changes, len(changes))

    def state(self, device: Provisioned) -> ProvisionedState:
        """Return a device's state; ``ending``: its certificate expires soon."""
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
        """Return expiry (Unix seconds) and name of the devices whose certificates expire within these days.

        Expired ones are included; earliest first.
        """
        return self._ends[: bisect_left(self._ends, (self._now() + days * DAY,))]

    def next_end(self) -> float | None:
        """Return the Unix seconds when the next certificate expires; None if none will."""
        place = bisect_left(self._ends, (self._now(),))
        return self._ends[place][0] if place < len(self._ends) else None

    def has_key(self, name: str) -> bool:
        """Return whether the bundle of a device, with its key, has not been taken yet."""
        return self._files().has_key(name)

    async def configuration_of(self, name: str) -> bytes:
        """Return the client configuration of a device, as JSON.

        :raises CommandError: ``unknown_device``.
        """
        return await self._ask(lambda: self._files().configuration_of(name))

    # changes, to be called by Commands only

    async def room(self) -> IO[bytes]:
        """Reserve the disk space that a change needs; closing the result frees it.

        :raises CommandError: ``unavailable``: there is too little.
        """
        files = self._files()
        return await self._ask(files.room)

    async def add(self, text: str, serial_number: str, *, force: bool) -> str:
        """Create key, certificate and configuration of a device; return its name.

        :param force: replace those of a registered device, whose certificate is revoked.
        :raises CommandError: ``conflict``: the device is registered; ``invalid``; ``unavailable``: files
            cannot be written. Nothing changed then.
        """
        files, settings = self._files(), self._settings()

        def add() -> str:
            broker = broker_of(settings.device_broker, settings.cert_file)
            return files.add(text, broker, self._moment(), serial_number=serial_number, force=force)

        return await self._do("add", add)

    async def renew(self, name: str) -> str:
        """Create a new key and certificate, and revoke the old one; raises as :meth:`add`."""
        files, settings = self._files(), self._settings()

        def renew() -> str:
            return files.renew(name, broker_of(settings.device_broker, settings.cert_file), self._moment())

        return await self._do("renew", renew)

    async def revoke(self, name: str) -> str:
        """Add the certificate of a device to the revocation list; raises as :meth:`add`."""
        files = self._files()
        return await self._do("revoke", lambda: files.revoke(name, self._moment()))

    async def take_bundle(self, name: str) -> bytes:
        """Return the bundle of a device as an archive, possible only once; raises as :meth:`add`."""
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
        except ProvisioningError as error:
            # Without a field it is not the request that is wrong, but the state of the device.
            raise CommandError("invalid" if error.field else "conflict", str(error), error.field) from error
        except CertificateError as error:
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
        """Read the registry if its file changed; return changes that still lack an audit entry. Blocks."""
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
            self.log.warn("registry of devices unreadable {trouble}", trouble=trouble)
        self.trouble = trouble


def _stamp(file: Path) -> FileStamp:
    """Return a value that changes when the file does.

    :raises OSError: it cannot be looked at.
    """
    try:
        return stamp_in(file.stat())
    except FileNotFoundError:
        return MISSING
