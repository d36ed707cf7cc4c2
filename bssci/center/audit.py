"""The audit log: people's changes and looks at secrets, on disk before any of it is done or shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from twisted.logger import Logger

from bssci.journal import AuditEntry, Journal, StorageError
from bssci.model.commands import Actor
from bssci.system.shell import ShellChange

MAX_DETAIL = 500
"""characters of an entry's detail, at most"""


class AuditLog:
    """The audit log.

    :param now: Unix seconds.
    """

    log = Logger()

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    async def record(
        self, by: Actor, action: str, target: str = "", detail: str = "", at: float | None = None
    ) -> None:
        """Write an entry; it is on disk when this returns.

        :param action: ``sensor.update``, ``login`` and so on.
        :param detail: for people, without secrets.
        :param at: Unix seconds, if it was not now.
        :raises bssci.journal.StorageError: it cannot be kept; what was asked for must not happen then.
        """
        await self._journal.audit.append(
            AuditEntry(
                at=self._now() if at is None else at,
                who=by.name[:MAX_DETAIL],
                address=by.address,
                action=action,
                target=target[:MAX_DETAIL],
                detail=detail[:MAX_DETAIL],
            )
        )

    async def record_shell_change(self, change: ShellChange) -> None:
        """Write the entry of what the command line did already; raises as :meth:`record`."""
        by = Actor(change.who, "command line")
        await self.record(by, change.action, change.target, change.detail, change.at)

    @asynccontextmanager
    async def around(self, by: Actor, action: str, target: str = "", detail: str = "") -> AsyncIterator[None]:
        """Write an entry, then let happen what it tells; if that fails, an entry says so.

        :raises bssci.journal.StorageError: it cannot be kept; nothing has happened then.
        """
        await self.record(by, action, target, detail)
        try:
            yield
        except Exception as error:
            await self.note(by, f"{action}.failed", target, str(error))
            raise

    async def note(self, by: Actor, action: str, target: str = "", detail: str = "") -> None:
        """Record as :meth:`record` does, but let the action happen in any case: a person who logs in may
        mend a full disk.
        """
        try:
            await self.record(by, action, target, detail)
        except StorageError as error:
            self.log.error(
                "audit entry lost {who} {address} {action} {target} {error}",
                who=by.name,
                address=by.address,
                action=action,
                target=target,
                error=error,
            )

    async def read(
        self, limit: int = 100, before: int | None = None, who: str = "", action: str = ""
    ) -> dict[str, Any]:
        """Return entries, newest first; ``next`` is the ``before`` of the following page."""
        entries = await self._journal.audit.read(before=before, limit=limit, who=who, action=action)
        return {
            "entries": [
                {
                    "seq": entry.seq,
                    "timestamp": entry.at,
                    "who": entry.who,
                    "address": entry.address,
                    "action": entry.action,
                    "target": entry.target,
                    "detail": entry.detail,
                }
                for entry in entries
            ],
            "next": entries[-1].seq if len(entries) == limit else None,
        }
