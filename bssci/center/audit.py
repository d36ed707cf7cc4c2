"""The audit log: changes and shown secrets, on disk before the change is made or the secret is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from twisted.logger import Logger

from bssci.journal import AuditEntry, Journal, StorageError
from bssci.model.commands import Actor
from bssci.system.shell import MAX_CHANGES, ShellChange

MAX_DETAIL = 500
"""characters of an entry's detail, at most"""
MAX_OWED = 100
"""entries about what has happened that wait until the journal can store again; further ones are lost"""
MAX_REMEMBERED = 2 * MAX_CHANGES
"""changes by the command line that are remembered: all that may be noted, in both places"""
HoldRoom = Callable[[], Awaitable[AbstractContextManager[object]]]
"""reserves the disk space that a change of files needs, and fails if there is too little"""


async def no_room_needed() -> AbstractContextManager[object]:
    """Reserve nothing, for an action that writes no file."""
    return nullcontext()


class AuditLog:
    """Writes and reads the audit log.

    :param now: returns Unix seconds.
    """

    log = Logger()

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now
        self._owed: list[AuditEntry] = []
        """entries about what has happened that could not be stored yet"""
        self._of_shell: dict[ShellChange, None] = {}
        """changes by the command line that have an entry, oldest first; their notes may not be removed yet"""

    async def record(
        self, by: Actor, action: str, target: str = "", detail: str = "", at: float | None = None
    ) -> None:
        """Write an entry; it is on disk when this returns.

        :param action: ``sensor.update``, ``login`` and so on.
        :param target: what the action is on: an EUI, a name, ...
        :param detail: further facts for people, without secrets.
        :param at: Unix seconds of the action; None: now.
        :raises bssci.journal.StorageError: the entry cannot be stored; the action must not happen then.
        """
        await self._journal.audit.append(self._entry(by, action, target, detail, at))
        owed, self._owed = self._owed, []
        for position, entry in enumerate(owed):
            try:
                await self._journal.audit.append(entry)
            except StorageError:
                self._owed = [*owed[position:], *self._owed]
                return

    def _entry(self, by: Actor, action: str, target: str, detail: str, at: float | None = None) -> AuditEntry:
        return AuditEntry(
            at=self._now() if at is None else at,
            who=by.name[:MAX_DETAIL],
            address=by.address,
            action=action,
            target=target[:MAX_DETAIL],
            detail=detail[:MAX_DETAIL],
        )

    async def record_shell_change(self, change: ShellChange) -> None:
        """Write the entry for a change that the command line has made already, unless it has one.

        Raises as :meth:`record`.
        """
        if change in self._of_shell:
            return
        by = Actor(change.who, "command line")
        await self.record(by, change.action, change.target, change.detail, change.at)
        self._of_shell[change] = None
        if len(self._of_shell) > MAX_REMEMBERED:
            del self._of_shell[next(iter(self._of_shell))]

    @asynccontextmanager
    async def around(
        self,
        by: Actor,
        action: str,
        target: str = "",
        detail: str = "",
        *,
        hold_room: HoldRoom = no_room_needed,
    ) -> AsyncIterator[None]:
        """Write an entry, then run the action in the context; if that fails, write an entry that says so.

        :param hold_room: called first, so that the entry of an action for whose files there is no room is
            not written; what it raises is raised here.
        :raises bssci.journal.StorageError: the entry cannot be stored, so the action is not run.
        """
        with await hold_room():
            await self.record(by, action, target, detail)
        try:
            yield
        except Exception as error:
            await self.afterwards(by, f"{action}.failed", target, str(error))
            raise

    async def afterwards(self, by: Actor, action: str, target: str, detail: str) -> None:
        """Write the entry about what has happened already: an action failed, or a person changed a file.

        If it cannot be stored, as the disk may be full, it is written after the next entry that can, with its
        own time.
        """
        try:
            await self.record(by, action, target, detail)
        except StorageError as error:
            if len(self._owed) < MAX_OWED:
                self._owed.append(self._entry(by, action, target, detail))
            self.log.error(
                "audit entry waits {action} {target} {error}", action=action, target=target, error=error
            )

    async def note(self, by: Actor, action: str, target: str = "", detail: str = "") -> None:
        """Write an entry as :meth:`record` does; if it cannot be stored, only log that.

        For actions that must be possible with a full disk, such as the log-in of a person who will make room.
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
        self, limit: int = 100, before: int | None = None, who: str = "", action: str = "", text: str = ""
    ) -> dict[str, Any]:
        """Return entries, newest first; ``next`` is the ``before`` of the following page."""
        entries = await self._journal.audit.read(
            before=before, limit=limit + 1, who=who, action=action, text=text
        )
        entries, has_more = entries[:limit], len(entries) > limit
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
            "next": entries[-1].seq if has_more else None,
        }
