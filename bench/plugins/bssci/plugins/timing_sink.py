"""A sink that times the reactor's turns: what one turn takes, all else waits."""

import gc
import json
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.plugin import IPlugin
from zope.interface import implementer

from bssci.sinks import ISink, ISinkFactory

NOTED = 0.005
"""s that a turn takes at least for it to be noted"""
FILE = "turns.jsonl"


class TimedPoller:
    """The reactor's way to wait, with a line in a file for each long turn between two waits."""

    def __init__(self, poller: Any) -> None:
        self._poller = poller
        self._file = Path(FILE).open("w", buffering=1)  # noqa: SIM115  # as long as the process
        self._began: tuple[float, float] | None = None
        """None in the turn in which the service starts"""
        self._collecting = 0.0
        self._collected: dict[int, float] = {}
        """s of this turn that a collection of each generation took"""
        gc.callbacks.append(self._note_collection)

    def _note_collection(self, phase: str, about: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            self._collecting = now
        else:
            generation = about["generation"]
            self._collected[generation] = self._collected.get(generation, 0.0) + now - self._collecting

    def __getattr__(self, name: str) -> Any:
        return getattr(self._poller, name)

    def poll(self, *arguments: Any) -> Any:
        """End a turn, and begin the next one when something is there."""
        if self._began is not None:
            wall, cpu = time.perf_counter() - self._began[0], time.thread_time() - self._began[1]
            if cpu >= NOTED:
                turn = {"at": time.time(), "wall": wall, "cpu": cpu, "collected": self._collected}
                self._file.write(json.dumps(turn) + "\n")
        self._collected = {}
        found = self._poller.poll(*arguments)
        self._began = time.perf_counter(), time.thread_time()
        return found


@implementer(ISink)
class TimingSink:
    """Takes events as they come."""

    def start(self) -> None:
        """Put the timing poller in the place of the reactor's."""
        from twisted.internet import reactor

        reactor._poller = TimedPoller(reactor._poller)  # type: ignore[attr-defined]

    def deliver(self, batch: list[object]) -> "Deferred[None]":
        return succeed(None)

    def stop(self) -> "Deferred[None]":
        return succeed(None)


@implementer(IPlugin, ISinkFactory)
class TimingSinkFactory:
    """Builds the sink that measures times."""

    name = "timing"
    description = "times the reactor's turns"
    settings = ()

    def build(self, settings: object, center: object) -> TimingSink:
        return TimingSink()


timing = TimingSinkFactory()
