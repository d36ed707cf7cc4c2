"""Keeping of signals that arrive before the service can act on them.

Python reads ``bssci.pth`` at its start, before twistd imports anything, and calls :func:`keep_in_twistd`. In
the hundredths of a second before that, a SIGHUP ends the process, unless a launcher ignores the signal
(``trap '' HUP``) or blocks it, as :func:`held_back` does; the process inherits either. A signal ignored
meanwhile is no loss, because settings, sensors and certificates are read only later; a blocked one arrives
when :meth:`KeptSignals.keep` is called.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any


class KeptSignals:
    """Signals that would otherwise end the process, kept until :meth:`act` provides their actions."""

    def __init__(self) -> None:
        self._noted: list[int] = []

    def keep(self, numbers: Iterable[int]) -> None:
        """Note these signals from now on, unless they have a handler. In the main thread only.

        If a launcher ignored or blocked them, they no longer are.
        """
        numbers = list(numbers)
        for number in numbers:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN):
                signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def release(self, numbers: Collection[int]) -> None:
        """Stop keeping these signals, discard those that came, and restore the default action."""
        for number in numbers:
            if signal.getsignal(number) == self._note:
                signal.signal(number, signal.SIG_DFL)
        self._noted = [number for number in self._noted if number not in numbers]

    def act(self, reactor: Any, actions: Mapping[int, Callable[[], object]]) -> None:
        """Call these actions at their signals, also for signals kept before; other handlers stay.

        :param reactor: the reactor in whose thread the actions are called.
        :param actions: action by signal number.
        """
        for number, action in actions.items():
            if signal.getsignal(number) in (signal.SIG_DFL, signal.SIG_IGN, self._note):
                signal.signal(number, _caller(reactor, action))
        noted, self._noted = self._noted, []
        for number in dict.fromkeys(noted):
            if number in actions:
                reactor.callFromThread(actions[number])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)


@contextmanager
def held_back(number: int) -> Iterator[None]:
    """Have the processes started in this context receive a signal only once they keep it.

    In the main thread only.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_at_interrupt(reactor: Any) -> None:
    """Have SIGINT end the process at once, as SIGTERM does, and once the reactor runs, stop the reactor.

    Python's own handler raises ``KeyboardInterrupt`` wherever the process is at that moment. In a callback
    it is logged as any other failure, and the process goes on; elsewhere the process waits for its threads.
    """
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        reactor.callWhenRunning(signal.signal, signal.SIGINT, reactor.sigInt)


def stop_once(reactor: Any) -> None:
    """Once the reactor runs, have the first SIGINT or SIGTERM stop it, and further ones do nothing.

    The reactor's own handlers stop it again at each further one, which is a traceback in the log.
    """
    stops = {signal.SIGINT: reactor.sigInt, signal.SIGTERM: reactor.sigTerm}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in stops:
            if signal.getsignal(each) == stop:
                signal.signal(each, _nothing)
        stops[signal.Signals(number)](number, frame)

    def handle() -> None:
        for each, handler in stops.items():
            if signal.getsignal(each) == handler:
                signal.signal(each, stop)

    reactor.callWhenRunning(handle)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Ignore a signal, but do not have processes started later ignore it, as SIG_IGN would."""


def _caller(reactor: Any, action: Callable[[], object]) -> Callable[[int, FrameType | None], None]:
    return lambda number, frame: reactor.callFromThread(action)


kept_signals = KeptSignals()
"""the kept signals of this process"""


def keep_in_twistd(arguments: Sequence[str]) -> None:
    """Keep SIGHUP and SIGUSR1 if this is the command line of a twistd; ``bssci`` is known to be in it."""
    if "twistd" in map(os.path.basename, arguments):
        kept_signals.keep([signal.SIGHUP, signal.SIGUSR1])
