"""A source that takes files out of a folder, and deletes each when its telegram is on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.plugin import IPlugin
from twisted.python.failure import Failure
from zope.interface import implementer

from bssci.center.interfaces import IIngest
from bssci.model import Telegram
from bssci.sources import ISource, ISourceFactory, SourceSetting

INTERVAL = 1.0
"""s from one look into the folder to the next"""
BATCH = 500
"""files that are taken at once"""


@implementer(ISource)
class FolderSource:
    """Looks into the folder in a thread: a slow disk must not hold up the service."""

    def __init__(self, folder: Path, interval: float = INTERVAL) -> None:
        self._folder = folder
        self._interval = interval
        self._loop = LoopingCall(self._look)
        self._looking: Deferred[Any] = succeed(None)
        self.trouble = ""

    def start(self, ingest: IIngest) -> None:
        self._ingest = ingest
        # The next look comes only when the Deferred of the last one has fired.
        self._loop.start(self._interval)

    def stop(self) -> Deferred[Any]:
        """Wait until telegrams that were handed over are on disk and their files are deleted."""
        if self._loop.running:
            self._loop.stop()
        return self._looking

    def _look(self) -> Deferred[Any]:
        found = deferToThread(self._read)
        self._looking = found.addCallback(self._offer).addCallbacks(self._done, self._failed)
        return self._looking

    def _read(self) -> list[tuple[Path, bytes]]:
        return [(path, path.read_bytes()) for path in sorted(self._folder.glob("*.bin"))[:BATCH]]

    def _offer(self, files: list[tuple[Path, bytes]]) -> Deferred[Any]:
        telegrams = [_telegram(path, payload) for path, payload in files]
        # Fires when all are on disk. If it fails, the files are still there at the next look.
        paths = [path for path, _ in files]
        return self._ingest(telegrams).addCallback(lambda _: deferToThread(_delete, paths))

    def _done(self, _: object) -> None:
        self.trouble = ""

    def _failed(self, failure: Failure) -> None:
        self.trouble = failure.getErrorMessage()


def _telegram(path: Path, payload: bytes) -> Telegram:
    return Telegram(
        at=time.time(),
        # The same each time that the file is read, and different for every other file.
        id=sha256(path.name.encode() + b"\0" + payload).hexdigest()[:32],
        device=f"file:{path.name.partition('.')[0]}",
        gateway="folder",
        source="folder",
        payload=payload,
        envelope={"file": path.name},
    )


def _delete(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError(f"{text} is no directory")
    return Path(text)


@implementer(IPlugin, ISourceFactory)
class FolderSourceFactory:
    """Builds the source ``folder``."""

    name = "folder"
    description = "takes files out of a folder"
    settings = (SourceSetting("SOURCE_FOLDER", ".", "folder that files *.bin are taken out of", _folder),)

    def build(self, settings: Mapping[str, Any], center: Any) -> FolderSource:
        return FolderSource(settings["SOURCE_FOLDER"])


folder_source = FolderSourceFactory()
