"""The folder DECODER_DIR: read in a thread, at the start and when something in it changes."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import msgspec
from twisted.internet.defer import Deferred, DeferredLock, ensureDeferred
from twisted.logger import Logger

from bssci.decoders.commented_json import MAX_CHARACTERS
from bssci.decoders.library import MAX_FILES, Library, Problem, ReadFile, build_library, check_file
from bssci.system.clock import Clock, RunInThread, Ticker
from bssci.system.files import Drafts, hold_room, make_directory, write_atomically
from bssci.system.watching import FileStamp, stamp_in

INTERVAL = 2.0
"""s between two checks of the folder"""
FILE_MODE = 0o644
"""mode of new files: decoders are not secret"""

_EMPTY = Library()

Signature = Mapping[str, FileStamp]
"""time of change in ns, size and inode of each file; changes whenever a file may have changed"""


class DecoderFolder:
    """The decoders in a folder. Call :meth:`load_now` once, before they are needed; then :meth:`start`.

    :param run_in_thread: ``deferToThread``, in which files are read and compiled.
    :param kinds: functions that compile files, by the suffix of the name.
    :param changed: called in the reactor's thread with each new library, also by :meth:`load_now`.
    :param taken: names of decoders that do not come from files.
    """

    log = Logger()

    def __init__(
        self,
        path: Path,
        clock: Clock,
        run_in_thread: RunInThread,
        kinds: Mapping[str, ReadFile],
        changed: Callable[[Library], None],
        taken: Collection[str] = (),
    ) -> None:
        self.path = path
        self.library = Library()
        self._run_in_thread = run_in_thread
        self._kinds = kinds
        self._changed = changed
        self._taken = frozenset(taken)
        self._signature: Signature | None = None
        self._lock = DeferredLock()
        self._looking: Deferred[Library] | None = None
        self._ticker = Ticker(clock, INTERVAL, self._look)

    def start(self) -> None:
        """Watch the folder from now on."""
        self._ticker.start()

    def stop(self) -> None:
        """Stop watching the folder."""
        self._ticker.stop()

    def load_now(self) -> None:
        """Read the folder in this thread, as the reactor's threads do not run before the reactor does."""
        self._take(
            *read_folder(self.path, self._kinds, self._taken, self._signature, self.library),
        )

    def load(self) -> Deferred[Library]:
        """Read the folder if it changed. A missing folder counts as empty; invalid files become problems."""
        return self._lock.run(lambda: ensureDeferred(self._load()))

    def room(self, texts: Mapping[str, str]) -> Deferred[IO[bytes]]:
        """Reserve the disk space that files need; fires with a file that frees it when it is closed.

        The Deferred fails with OSError if there is too little.
        """
        return self._run_in_thread(self._hold_room, texts)

    def put(self, file: str, text: str) -> Deferred[Library]:
        """Write a file, and use it.

        The Deferred fails with ValueError if the text is not a valid decoder (DefinitionError of
        :mod:`bssci.decoders.commented_json` if the line is known), or with OSError; nothing changed then.
        """
        return self._lock.run(lambda: ensureDeferred(self._put(file, text)))

    @asynccontextmanager
    async def putting(self, texts: Mapping[str, str]) -> AsyncIterator[None]:
        """Write files, then use them once the context is left; if it fails, nothing changed.

        :raises ValueError: a text is not a valid decoder; nothing changed.
        :raises OSError: a file cannot be written.
        """
        async with self._lock:
            library = await self._load()
            if len(library.texts.keys() | texts.keys()) > MAX_FILES:
                raise ValueError(f"only {MAX_FILES} files are read: remove some first")
            drafts: Drafts = await self._run_in_thread(self._drafts, texts)
            try:
                yield
            except BaseException:
                await self._run_in_thread(drafts.discard)
                raise
            try:
                await self._run_in_thread(drafts.place)
            finally:
                await self._load()

    def delete(self, file: str) -> Deferred[Library]:
        """Remove a file. The Deferred fails with OSError: FileNotFoundError, if there is none."""
        return self._lock.run(lambda: ensureDeferred(self._delete(file)))

    async def _load(self) -> Library:
        signature, library = await self._run_in_thread(
            read_folder, self.path, self._kinds, self._taken, self._signature, self.library
        )
        self._take(signature, library)
        return self.library

    def _take(self, signature: Signature, library: Library) -> None:
        """Use the library that was read, if it is new."""
        if library is not self.library or self._signature is None:
            self._tell(library)
            self._signature, self.library = signature, library
            self._changed(library)

    async def _put(self, file: str, text: str) -> Library:
        await self._run_in_thread(self._write, file, text)
        return await self._load()

    async def _delete(self, file: str) -> Library:
        if file != os.path.basename(file) or not _is_ours(file, self._kinds):
            raise FileNotFoundError(f"there is no decoder file {file!r}")
        await self._run_in_thread((self.path / file).unlink)
        return await self._load()

    def _look(self) -> None:
        """Read the folder if it changed, unless that is in progress."""
        if self._looking is not None:
            return
        looking = self._looking = self.load()
        looking.addErrback(lambda failure: self.log.failure("decoders not read", failure))
        looking.addBoth(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = None

    def _tell(self, library: Library) -> None:
        known = set(self.library.problems)
        for problem in library.problems:
            if problem not in known:
                self.log.warn("decoder file {problem}", problem=str(problem))

    def _hold_room(self, texts: Mapping[str, str]) -> IO[bytes]:
        make_directory(self.path)
        first = next(iter(texts), "")
        return hold_room(
            self.path / os.path.basename(first), sum(len(text.encode("utf-8")) for text in texts.values())
        )

    def _write(self, file: str, text: str) -> None:
        """Write a decoder's file, in a thread."""
        self._check(file, text)
        make_directory(self.path)
        write_atomically(self.path / file, text.encode("utf-8"), FILE_MODE)

    def _drafts(self, texts: Mapping[str, str]) -> Drafts:
        """Write drafts of decoders' files, in a thread."""
        for file, text in texts.items():
            self._check(file, text)
        make_directory(self.path)
        files = {
            Path(os.path.realpath(self.path / file)): text.encode("utf-8") for file, text in texts.items()
        }
        return Drafts(files, FILE_MODE)

    def _check(self, file: str, text: str) -> None:
        """Check the file of a decoder.

        :raises ValueError: it is wrong, or another one has its name.
        """
        check_file(file, text, self._kinds)
        name = file.rpartition(".")[0]
        if name in self._taken:
            raise ValueError(f"a built-in decoder is named {name!r}")
        for other, taken in self.library.files.items():
            if taken == name and other != file:
                raise ValueError(f"{other} makes a decoder {name!r} already")


def read_folder(
    path: Path,
    kinds: Mapping[str, ReadFile],
    taken: Collection[str] = (),
    before: Signature | None = None,
    library: Library = _EMPTY,
) -> tuple[Signature, Library]:
    """Read and compile the files; return ``library`` itself if nothing has changed since ``before``.

    Blocks. While the folder itself cannot be read, its decoders stay as they were.
    """
    try:
        signature = _listed(path, kinds)
    except OSError as error:
        trouble = Problem(file=str(path), reason=f"cannot be read: {error.strerror}", refused=False)
        if library.problems == (trouble,):
            return before or {}, library
        return {}, msgspec.structs.replace(library, problems=(trouble,))
    if signature == before:
        return signature, library
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for name in signature:
        try:
            texts[name] = _text(path / name)
        except OSError as error:
            problems.append(Problem(file=name, reason=f"cannot be read: {error.strerror}"))
        except ValueError as error:
            problems.append(Problem(file=name, reason=str(error)))
    built = build_library(texts, kinds, taken, library)
    return signature, msgspec.structs.replace(built, problems=(*problems, *built.problems))


def _is_ours(file: str, kinds: Mapping[str, ReadFile]) -> bool:
    return not file.startswith(".") and any(file.lower().endswith(ending) for ending in kinds)


def _listed(path: Path, kinds: Mapping[str, ReadFile]) -> Signature:
    found: dict[str, FileStamp] = {}
    try:
        names = sorted(name for name in os.listdir(path) if _is_ours(name, kinds))
    except FileNotFoundError:
        return found
    for name in names[: MAX_FILES + 1]:
        try:
            status = os.stat(path / name)
        except OSError:
            continue  # it was deleted since the listing
        if stat.S_ISREG(status.st_mode):
            found[name] = stamp_in(status)
    return found


def _text(path: Path) -> str:
    with open(path, "rb") as file:
        data = file.read(MAX_CHARACTERS + 1)
    if len(data) > MAX_CHARACTERS:
        raise ValueError(f"has more than {MAX_CHARACTERS} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1}): save it as UTF-8") from None
