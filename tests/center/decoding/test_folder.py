from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, execute
from twisted.internet.task import Clock

from bssci.center.decoding.folder import INTERVAL, DecoderFolder
from bssci.decoders.commented_json import DefinitionError
from bssci.decoders.library import KINDS, Library
from bssci.system.files import ROOM

GOOD = json.dumps({"version": "1", "uplink": [{"payload": [{"name": "a", "size": 8, "type": "uint"}]}]})
NEXT = GOOD.replace('"1"', '"2"')


def at_once(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    return execute(function, *arguments)


class Watched:
    """A folder and what it told."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.told: list[Library] = []
        self.folder = DecoderFolder(path, self.clock, at_once, KINDS, self.told.append, {"cayenne"})

    def result(self, waiting: Deferred[Any]) -> Any:
        results: list[Any] = []
        waiting.addBoth(results.append)
        (result,) = results
        if hasattr(result, "raiseException"):
            result.raiseException()
        return result

    def load(self) -> Library:
        library: Library = self.result(self.folder.load())
        return library


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "decoders")


def test_a_folder_that_does_not_exist_is_empty(watched: Watched) -> None:
    assert watched.load() == Library()
    assert watched.told == [Library()]


def test_what_changes_is_read_again(watched: Watched) -> None:
    path = watched.folder.path
    path.mkdir()
    (path / "a.json").write_text(GOOD)
    (path / ".hidden.json").write_text("{")
    (path / "notes.txt").write_text("{")
    assert sorted(watched.load().decoders) == ["a"]
    watched.folder.start()
    watched.clock.advance(INTERVAL)
    assert len(watched.told) == 1, "nothing changed"
    (path / "b.json").write_text(GOOD)
    watched.clock.advance(INTERVAL)
    assert sorted(watched.told[-1].decoders) == ["a", "b"]
    (path / "new").write_text(NEXT)
    os.replace(path / "new", path / "a.json")
    (path / "b.json").unlink()
    watched.clock.advance(INTERVAL)
    assert {name: it.version for name, it in watched.told[-1].decoders.items()} == {"a": "2"}
    watched.folder.stop()
    (path / "b.json").write_text(GOOD)
    watched.clock.advance(10 * INTERVAL)
    assert len(watched.told) == 3


def test_what_cannot_be_read_is_said(watched: Watched) -> None:
    path = watched.folder.path
    path.mkdir()
    (path / "a.json").write_bytes(b"\xff")
    (path / "b.json").write_text(" " * 1_000_001)
    (path / "c.json").mkdir()
    assert [str(problem) for problem in watched.load().problems] == [
        "a.json: is not UTF-8 (byte 1): save it as UTF-8",
        "b.json: has more than 1000000 bytes",
    ]


def test_decoders_stay_while_the_folder_cannot_be_read(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.folder.path
    path.mkdir()
    (path / "a.json").write_text(GOOD)
    decoders = watched.load().decoders

    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refuse)
        for _ in range(2):
            library = watched.load()
            assert library.decoders == decoders
            assert [problem.reason for problem in library.problems] == ["cannot be read: Permission denied"]
    assert len(watched.told) == 2
    assert watched.load().problems == ()


def test_a_file_is_written_and_used(watched: Watched) -> None:
    library = watched.result(watched.folder.put("a.json", GOOD))
    assert library.decoders["a"].version == "1"
    assert watched.told == [library]
    assert (watched.folder.path / "a.json").read_text() == GOOD
    library = watched.result(watched.folder.put("a.json", NEXT))
    assert library.decoders["a"].version == "2"
    library = watched.result(watched.folder.delete("a.json"))
    assert library.decoders == {}
    assert os.listdir(watched.folder.path) == []


@pytest.mark.parametrize(
    ("file", "text", "error", "reason"),
    [
        ("a.json", "{", DefinitionError, "line 1"),
        ("a.txt", GOOD, ValueError, "ends in .js or .json"),
        ("../a.json", GOOD, ValueError, "the name may have"),
        ("cayenne.json", GOOD, ValueError, "built-in"),
    ],
)
def test_what_is_no_decoder_is_not_written(
    watched: Watched, file: str, text: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        watched.result(watched.folder.put(file, text))
    assert not watched.folder.path.exists()


@pytest.mark.parametrize("file", ["b.json", "../a.json", "a.txt", ".a.json"])
def test_what_is_not_there_cannot_be_deleted(watched: Watched, file: str) -> None:
    watched.folder.path.mkdir()
    (watched.folder.path.parent / "a.json").write_text(GOOD)
    with pytest.raises(FileNotFoundError):
        watched.result(watched.folder.delete(file))
    assert (watched.folder.path.parent / "a.json").exists()


def test_room_for_a_file_is_held_in_a_folder_that_may_be_new(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr("os.posix_fallocate", lambda descriptor, start, size: sizes.append(size))
    watched.result(watched.folder.room({"a.json": "ä" * 50, "b.json": "ä" * 50})).close()
    assert sizes == [200 + ROOM]
    assert list(watched.folder.path.iterdir()) == []


def test_files_are_put_together_once_the_other_half_is_stored(watched: Watched) -> None:
    path = watched.folder.path
    watched.load()
    watched.result(watched.folder.put("a.json", GOOD))

    async def put() -> None:
        async with watched.folder.putting({"a.json": NEXT, "b.json": GOOD}):
            assert (path / "a.json").read_text() == GOOD and not (path / "b.json").exists()

    watched.result(ensureDeferred(put()))
    assert {name: it.version for name, it in watched.told[-1].decoders.items()} == {"a": "2", "b": "1"}
    assert sorted(os.listdir(path)) == ["a.json", "b.json"]


@pytest.mark.parametrize("wrong", ["the other half", "a text", "too many"])
def test_files_that_cannot_be_put_together_are_as_before(
    watched: Watched, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = watched.folder.path
    watched.load()
    watched.result(watched.folder.put("a.json", GOOD))
    if wrong == "too many":
        monkeypatch.setattr("bssci.center.decoding.folder.MAX_FILES", 1)

    async def put() -> None:
        async with watched.folder.putting({"a.json": NEXT, "b.json": "{" if wrong == "a text" else GOOD}):
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused|ends too early|only 1 files"):
        watched.result(ensureDeferred(put()))
    assert (path / "a.json").read_text() == GOOD and os.listdir(path) == ["a.json"]
    watched.result(watched.folder.put("a.json", NEXT))  # nothing is held
