from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import pytest

from bssci.center.audit import AuditLog
from bssci.center.decoding.file_commands import DecoderFileCommands
from bssci.journal import AuditEntry, StorageError
from bssci.model.commands import Actor

ANN = Actor("ann", "web", "::1")


class Parts:
    """An audit log whose disk may be full, and a folder."""

    def __init__(self) -> None:
        self.done: list[tuple[str, ...]] = []
        self.full = self.crowded = False
        itself: Any = self
        self.audit = itself
        self.commands = DecoderFileCommands(AuditLog(itself, lambda: 5.0), itself)

    async def append(self, entry: AuditEntry) -> None:
        if self.full:
            raise StorageError("disk full")
        self.done.append((entry.who, entry.action, entry.target, entry.detail))

    async def room(self, texts: Mapping[str, str]) -> BytesIO:
        if self.crowded:
            raise OSError(errno.ENOSPC, "No space left on device")
        return BytesIO()

    async def put(self, file: str, text: str) -> None:
        if not text:
            raise ValueError("empty")
        self.done.append(("put", file))

    @asynccontextmanager
    async def putting(self, texts: Mapping[str, str]) -> AsyncIterator[None]:
        yield
        self.done.append(("put", *texts))

    async def delete(self, file: str) -> None:
        self.done.append(("delete", file))


async def test_changes_are_written_down_before_they_happen() -> None:
    it = Parts()
    await it.commands.put("meter", "meter.json", "{}", "version 2", ANN)
    await it.commands.delete("meter", "meter.json", ANN)
    assert it.done == [
        ("ann", "decoder.put", "meter", "version 2"),
        ("put", "meter.json"),
        ("ann", "decoder.delete", "meter", ""),
        ("delete", "meter.json"),
    ]


async def test_one_that_fails_says_so() -> None:
    it = Parts()
    with pytest.raises(ValueError, match="empty"):
        await it.commands.put("meter", "meter.json", "", "", ANN)
    assert it.done[-1] == ("ann", "decoder.put.failed", "meter", "empty")


async def test_one_that_cannot_be_written_down_does_not_happen() -> None:
    it = Parts()
    it.full = True
    with pytest.raises(StorageError):
        await it.commands.delete("meter", "meter.json", ANN)
    assert it.done == []


async def test_one_without_room_on_the_disk_is_not_written_down() -> None:
    it = Parts()
    it.crowded = True
    with pytest.raises(OSError, match="No space left"):
        await it.commands.put("meter", "meter.json", "{}", "", ANN)
    assert it.done == []


async def test_an_import_is_one_entry_and_puts_its_files_last() -> None:
    it = Parts()
    async with it.commands.importing({"b.json": "{}", "a.json": "{}"}, ANN):
        it.done.append(("devices",))
    assert it.done == [
        ("ann", "decoder.import", "", "2 files: a.json, b.json"),
        ("devices",),
        ("put", "b.json", "a.json"),
    ]


async def test_an_import_whose_other_half_is_refused_puts_no_file() -> None:
    it = Parts()
    with pytest.raises(StorageError):
        async with it.commands.importing({"a.json": "{}"}, ANN):
            raise StorageError("disk full")
    assert [each[1] for each in it.done] == ["decoder.import", "decoder.import.failed"]


async def test_an_import_without_files_has_no_entry() -> None:
    it = Parts()
    it.full = it.crowded = True
    async with it.commands.importing({}, ANN):
        it.done.append(("devices",))
    assert it.done == [("devices",)]
