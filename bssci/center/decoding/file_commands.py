"""Commands on the files of decoders, each with its entry in the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from bssci.center.audit import AuditLog
from bssci.center.decoding.folder import DecoderFolder
from bssci.model.commands import Actor
from bssci.model.counts import many


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
        room = partial(self._folder.room, {file: text})
        async with self._audit.around(by, "decoder.put", name, detail, hold_room=room):
            await self._folder.put(file, text)

    @asynccontextmanager
    async def importing(self, texts: Mapping[str, str], by: Actor) -> AsyncIterator[None]:
        """Store many decoders' files, and use them once the context is left; if it fails, none has changed.

        :param texts: text of each file by its name. Raises as :meth:`put`.
        """
        if not texts:
            yield
            return
        detail = f"{many(len(texts), 'file')}: {', '.join(sorted(texts))}"
        room = partial(self._folder.room, texts)
        entry = self._audit.around(by, "decoder.import", "", detail, hold_room=room)
        async with entry, self._folder.putting(texts):
            yield

    async def delete(self, name: str, file: str, by: Actor) -> None:
        """Remove a decoder's file; raises as :meth:`put`, and ``FileNotFoundError`` if there is none."""
        async with self._audit.around(by, "decoder.delete", name):
            await self._folder.delete(file)
