"""The audit entry of every command, and the errors that all commands share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from bssci.center.audit import AuditLog, HoldRoom, no_room_needed
from bssci.journal import StorageError
from bssci.model import EUI
from bssci.model.commands import Actor, CommandError
from bssci.model.counts import grouped

MAX_NAMED = 20
"""sensors or base stations that an entry of the audit log names"""
T = TypeVar("T")


class Recorder:
    """Writes commands to the audit log and to the service's log."""

    log = Logger()

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    @asynccontextmanager
    async def before(
        self,
        by: Actor,
        action: str,
        target: str = "",
        detail: str = "",
        *,
        hold_room: HoldRoom = no_room_needed,
    ) -> AsyncIterator[None]:
        """Write the entry, then run the command in the context; if it fails, write an entry that says so.

        :param hold_room: as in :meth:`bssci.center.audit.AuditLog.around`.
        :raises CommandError: ``unavailable``: the entry cannot be stored, so the command is not run.
        """
        try:
            with await hold_room():
                await self._log.record(by, action, target, detail)
        except StorageError as error:
            raise not_stored(error) from error
        self._tell(by, action, target, detail)
        try:
            yield
        except Exception as error:
            self.log.warn(
                "command failed {action} {target} {error}", action=action, target=target, error=error
            )
            await self._log.afterwards(by, f"{action}.failed", target, str(error))
            raise

    def _tell(self, by: Actor, action: str, target: str, detail: str) -> None:
        self.log.info(
            "command {action} {target} {detail} {who} {address}",
            action=action,
            target=target,
            detail=detail,
            who=by.name,
            address=by.address,
        )


def naming(text: str, euis: Sequence[EUI]) -> str:
    """Return a text, followed by the first of the EUIs that it is about."""
    more = f" and {grouped(len(euis) - MAX_NAMED)} more" if len(euis) > MAX_NAMED else ""
    return f"{text}: {', '.join(euis[:MAX_NAMED])}{more}" if euis else text


async def stored(change: Coroutine[Deferred[Any], Any, T] | Deferred[T]) -> T:
    """Wait until a change is stored.

    :raises CommandError: ``unavailable``: the journal cannot store.
    """
    try:
        return await change
    except StorageError as error:
        raise not_stored(error) from error


def not_stored(error: StorageError) -> CommandError:
    """Return the error of a command that the journal cannot store."""
    return CommandError("unavailable", f"cannot be stored now, try again later: {error}")
