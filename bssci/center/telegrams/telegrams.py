"""Storing the telegrams of all sources, each once, however often it is delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from bssci.center.commit import Commit
from bssci.center.telegrams.memory import TelegramMemory
from bssci.center.uplinks.ingest import Ingest
from bssci.journal import Change, Journal, Loaded
from bssci.model import Telegram

TelegramsHook = Callable[[Sequence[Telegram]], None]
CURSOR = "source:"
"""prefix of the names of sources' cursors in the journal, which also holds those of sinks"""


class Telegrams:
    """Takes telegrams for every source.

    :param heard: called with the telegrams of each commit once it is on disk.
    """

    log = Logger()

    def __init__(self, journal: Journal, loaded: Loaded, ingest: Ingest, heard: TelegramsHook) -> None:
        self._journal = journal
        self._ingest = ingest
        self._heard = heard
        self._memory = TelegramMemory(journal, loaded.telegram_keys)
        self._under_way: dict[str, Commit] = {}
        self._cursors = {name: seq for name, seq in loaded.cursors.items() if name.startswith(CURSOR)}

    def knows(self, id: str) -> bool:
        """Return whether a telegram with this id was taken lately, or is being stored."""
        return id in self._memory

    def cursors(self, source: str) -> dict[str, int]:
        """Return the positions that a source has stored, by their names."""
        prefix = f"{CURSOR}{source}:"
        return {
            name.removeprefix(prefix): seq for name, seq in self._cursors.items() if name.startswith(prefix)
        }

    def take(
        self, source: str, telegrams: Sequence[Telegram], cursors: Mapping[str, int]
    ) -> tuple[list[Telegram], Deferred[int]]:
        """Take telegrams, and store the source's positions with them.

        :return: the new telegrams, and a Deferred that fires with the number of the last new event when all
            are on disk, including those that an earlier delivery brought.
        """
        new: dict[str, Telegram] = {}
        earlier: dict[int, Commit] = {}
        for telegram in telegrams:
            commit = self._under_way.get(telegram.id)
            if commit is not None:
                earlier[id(commit)] = commit
            elif telegram.id not in self._memory:
                new.setdefault(telegram.id, telegram)
        fresh = list(new.values())
        done = self._store(source, fresh, cursors)
        if not earlier:
            return fresh, done
        waits = gatherResults([each.wait() for each in earlier.values()], consumeErrors=True)
        return fresh, waits.addCallbacks(lambda _: done, _first_failure, errbackArgs=(done,))

    def _store(self, source: str, telegrams: list[Telegram], cursors: Mapping[str, int]) -> Deferred[int]:
        if not telegrams and not cursors:
            return succeed(0)
        ids = [telegram.id for telegram in telegrams]
        beside: list[Change] = [self._memory.add(ids)]
        names = {f"{CURSOR}{source}:{name}": position for name, position in cursors.items()}
        beside += [self._journal.cursors.change(name, position) for name, position in names.items()]
        commit = Commit()
        self._under_way.update(dict.fromkeys(ids, commit))
        stored = self._ingest.telegrams(telegrams, beside)
        stored.addCallbacks(
            self._stored,
            self._not_stored,
            callbackArgs=(telegrams, commit, names),
            errbackArgs=(ids, commit),
        )
        return stored

    def _stored(
        self, first_seq: int, telegrams: list[Telegram], commit: Commit, cursors: Mapping[str, int]
    ) -> int:
        for telegram in telegrams:
            self._under_way.pop(telegram.id, None)
        self._cursors.update(cursors)
        if telegrams:
            try:
                self._heard(telegrams)
            except Exception:  # they are on disk, so they must be acknowledged all the same
                self.log.failure("telegrams not counted for their devices")
        commit.end()
        return first_seq + len(telegrams) - 1

    def _not_stored(self, failure: Failure, ids: list[str], commit: Commit) -> Failure:
        self._memory.forget(ids)
        for id in ids:
            self._under_way.pop(id, None)
        commit.end(failure)
        return failure


def _first_failure(failure: Failure, other: Deferred[int]) -> Failure:
    """Return the failure that one of several Deferreds ended with.

    :param other: a further Deferred, which may fail as well; nothing else waits for it.
    """
    other.addErrback(lambda _: 0)
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first
