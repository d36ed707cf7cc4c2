"""Commands on the files of decoders, each with its entry in the audit log."""

from __future__ import annotations

from functools import partial

from bssci.center.audit import AuditLog
from bssci.center.decoding.folder import DecoderFolder
from bssci.model.commands import Actor


class DecoderFileCommands:
    """Commands that change the folder of decoders."""

    def __init__(self, audit: AuditLog, folder: DecoderFolder) -> None:
        self._audit = audit
        self._folder = folder

    async def put(self, name: str, file: str, text: str, detail: str, by: Actor) -> None:
        """Store a decoder's file, and use it.

        :param detail: detail of the audit entry.
        :raises ValueError: the text is not a valid decoder; nothing changed.
        :raises OSError: the file cannot be written; without room for it, there is no audit entry either.
        :raises bssci.journal.StorageError: the audit entry cannot be stored; nothing changed.
        """
        room = partial(self._folder.room, file, text)
        async with self._audit.around(by, "decoder.put", name, detail, hold_room=room):
            await self._folder.put(file, text)

    async def delete(self, name: str, file: str, by: Actor) -> None:
        """Remove a decoder's file; raises as :meth:`put`, and ``FileNotFoundError`` if there is none."""
        async with self._audit.around(by, "decoder.delete", name):
            await self._folder.delete(file)
