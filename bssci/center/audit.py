"""Who changed what, and who was shown a secret: on disk before anything of it is done or told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bssci.journal import AuditEntry, Journal
from bssci.model.commands import Asker

MAX_DETAIL = 500
"""characters"""


class Audit:
    """The audit log.

    :param now: Unix seconds.
    """

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal = journal
        self._now = now

    async def record(
        self, by: Asker, action: str, target: str = "", detail: str = "", at: float | None = None
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

    async def read(
        self, limit: int = 100, before: int | None = None, who: str = "", action: str = ""
    ) -> dict[str, Any]:
        """Newest first; ``next`` is the ``before`` of the following page."""
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
