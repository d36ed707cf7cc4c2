"""Signals from the first moment on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from bssci.system import signals
from bssci.system.signals import KeptSignals, end_at_interrupt, held_back, keep_in_twistd, stop_once


class Reactor:
    def __init__(self) -> None:
        self.called: list[str] = []

    def callFromThread(self, action: Callable[[], object]) -> None:
        action()


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGUSR1)}
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
def test_what_comes_before_the_service_is_there_is_done_then() -> None:
    kept, reactor = KeptSignals(), Reactor()
    kept.keep([signal.SIGHUP, signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    kept.act(
        reactor,
        {
            signal.SIGHUP: lambda: reactor.called.append("reload"),
            signal.SIGUSR1: lambda: reactor.called.append("rotate"),
        },
    )
    assert reactor.called == ["reload"]
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGHUP)
    assert reactor.called == ["reload", "rotate", "reload"]


@pytest.mark.usefixtures("_handlers")
def test_somebody_elses_handler_stays() -> None:
    kept, reactor, theirs = KeptSignals(), Reactor(), []
    signal.signal(signal.SIGUSR1, lambda *_: theirs.append(1))
    kept.keep([signal.SIGUSR1])
    kept.act(reactor, {signal.SIGUSR1: lambda: reactor.called.append("rotate")})
    os.kill(os.getpid(), signal.SIGUSR1)
    assert (theirs, reactor.called) == ([1], [])


@pytest.mark.usefixtures("_handlers")
def test_who_is_given_a_signal_back_may_take_it() -> None:
    kept, reactor = KeptSignals(), Reactor()
    kept.keep([signal.SIGHUP, signal.SIGUSR1])
    os.kill(os.getpid(), signal.SIGUSR1)
    kept.release([signal.SIGUSR1])
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    kept.act(reactor, {signal.SIGUSR1: lambda: reactor.called.append("rotate")})
    assert reactor.called == []


@pytest.mark.usefixtures("_handlers")
def test_what_a_launcher_ignored_is_kept_and_acted_on() -> None:
    kept, reactor = KeptSignals(), Reactor()
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    kept.keep([signal.SIGHUP])
    os.kill(os.getpid(), signal.SIGHUP)
    kept.act(
        reactor,
        {
            signal.SIGHUP: lambda: reactor.called.append("reload"),
            signal.SIGUSR1: lambda: reactor.called.append("rotate"),
        },
    )
    os.kill(os.getpid(), signal.SIGUSR1)
    assert reactor.called == ["reload", "rotate"]


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["python", "/opt/bssci/bin/twistd", "-n", "bssci"], True),
        (["python", "-m", "pip", "install", "bssci"], False),
        (["python", "/opt/bssci/bin/twistd.py", "bssci"], False),
    ],
)
def test_only_a_twistd_keeps_signals_from_the_start_of_python_on(
    arguments: list[str], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "kept_signals", KeptSignals())
    keep_in_twistd(arguments)
    for number in (signal.SIGHUP, signal.SIGUSR1):
        assert (signal.getsignal(number) != signal.SIG_DFL) is kept


@pytest.mark.usefixtures("_handlers")
def test_what_was_held_back_comes_when_it_is_kept() -> None:
    kept, reactor = KeptSignals(), Reactor()
    with held_back(signal.SIGHUP):
        # To this thread: whatever runs the tests may have others, in which the signal is not held back.
        signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
        assert signal.SIGHUP in signal.sigpending()
        kept.keep([signal.SIGHUP])
        assert signal.SIGHUP not in signal.sigpending()
    kept.act(reactor, {signal.SIGHUP: lambda: reactor.called.append("reload")})
    assert reactor.called == ["reload"]


@pytest.fixture
def _interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class StartingReactor:
    """Starts when it is told to."""

    def __init__(self) -> None:
        self.start: Callable[[], object] = lambda: None

    def callWhenRunning(self, action: Callable[..., object], *arguments: object) -> None:
        self.start = partial(action, *arguments)

    def sigInt(self, number: int, frame: object = None) -> None:
        """Never called here."""


@pytest.mark.usefixtures("_interrupt")
def test_an_interrupt_ends_the_start_and_later_stops_the_reactor() -> None:
    reactor = StartingReactor()
    end_at_interrupt(reactor)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    reactor.start()
    assert signal.getsignal(signal.SIGINT) == reactor.sigInt


@pytest.mark.usefixtures("_interrupt")
def test_another_handler_of_the_interrupt_stays() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reactor = StartingReactor()
    end_at_interrupt(reactor)
    reactor.start()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


class StoppingReactor(StartingReactor):
    """Fails at a second stop, as Twisted's does."""

    def __init__(self) -> None:
        super().__init__()
        self.stops: list[int] = []

    def sigInt(self, number: int, frame: object = None) -> None:
        self.stops.append(number)

    def sigTerm(self, number: int, frame: object = None) -> None:
        self.stops.append(number)


@pytest.fixture
def stopping() -> Iterator[StoppingReactor]:
    reactor = StoppingReactor()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, reactor.sigInt)
    signal.signal(signal.SIGTERM, reactor.sigTerm)
    yield reactor
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_only_the_first_stop_counts(stopping: StoppingReactor, first: int) -> None:
    stop_once(stopping)
    stopping.start()
    for number in (first, signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
    assert stopping.stops == [first]


def test_a_stop_that_a_launcher_ignores_stays_ignored(stopping: StoppingReactor) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop_once(stopping)
    stopping.start()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stopping.stops == [signal.SIGTERM]
