"""What every test is held to: no error lost in a Deferred, no timer left over, one part alone in a unit test.

And how several processes share the tests, and where they write.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, ClassVar
from unittest import TestCase

import _pytest.python
import hypothesis
import pytest
import pytest_twisted
from _pytest.runner import runtestprotocol
from hypothesis.internal.conjecture import providers
from twisted.internet import defer, reactor
from twisted.internet.base import DelayedCall
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

MEMORY = Path("/dev/shm")
ROOM = 1 << 30
"""bytes that must be free there; a run leaves nothing there and needs far less"""
WHOLE = ("browser", "e2e")
"""folders of tests with the whole service"""
LONG = 180
"""s that a test with real parts may take at least, for they wait, and on a busy machine long"""
TOGETHER = {
    "rules": ("tests/rules/",),
    "browser": ("tests/browser/test_browser",),
}
"""beginnings of tests that go to one process, as if they were one file: the first read all source,
the others use a browser and a service, and take as long as test_accessibility.py does beside them"""
WAITING = tuple(f"tests/e2e/test_{name}.py" for name in ("streaming_node_red", "kafka_chain"))
"""files that take long, and mostly wait: they begin first, beside what takes all that the processor gives"""
REAL_PARTS = ("subprocess.Popen", "os.fork", "os.posix_spawn", "socket.bind", "socket.connect")
"""what tests in memory do not use, by the names of Python's audit events"""
SERVICE = "tests.service"
"""audit event of a whole service that is started in memory"""
TIMESCALEDB = Path(__file__).parent.parent / ".venv" / "timescaledb" / "node_modules"
"""where `make timescaledb` installs it"""
RARELY = (50_000, 50, 1000)
"""how many new objects, and collections of the next younger ones, make Python look for garbage"""
_parts_used: list[str] = []
"""by the test that runs"""
_services: list[str] = []
"""audit events of whole services that it started in memory"""
_logged: list[Failure] = []
"""while the test runs"""
_timers: list[DelayedCall] = []
"""on the reactor before the test"""
_observers: list[object] = []
"""of what is logged before the test"""

# The same few examples at each run, however busy the machine is; `make thorough` tries many others.
_steady = hypothesis.settings(
    deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.register_profile("few", _steady, derandomize=True, max_examples=6)
hypothesis.settings.register_profile("thorough", _steady, print_blob=True, max_examples=500)
hypothesis.settings.load_profile("few")


def _watch(event: str, values: tuple[Any, ...]) -> None:
    # A datagram socket that connects asks for this machine's address; nothing is sent.
    if event in REAL_PARTS and not (event == "socket.connect" and values[0].type == socket.SOCK_DGRAM):
        _parts_used.append(event)
    elif event == SERVICE:
        _services.append(event)


sys.addaudithook(_watch)


def _observe(event: LogEvent) -> None:
    failure = event.get("log_failure")
    if failure is not None:
        _logged.append(failure)


globalLogPublisher.addObserver(_observe)


class _DebugInfo(defer.DebugInfo):
    """Part of a Deferred that failed at some time, which reports the error if nobody ever handles it.

    :cvar unhandled: how many hold an error that nobody has handled. While there are none, there is nothing to
        be found among the garbage.
    """

    unhandled: ClassVar[int] = 0
    _error: Failure | None = None

    @property
    def failResult(self) -> Failure | None:
        return self._error

    @failResult.setter
    def failResult(self, error: Failure | None) -> None:
        _DebugInfo.unhandled += (error is not None) - (self._error is not None)
        self._error = error

    def __del__(self) -> None:
        super().__del__()
        self.failResult = None


defer.DebugInfo = _DebugInfo


def _hear_signals() -> None:
    """Hear signals that a shell ignores for what it runs in the background; services would inherit that."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def _keep_examples() -> None:
    """Make no examples of constants in our modules that happen to be loaded: to read these takes seconds."""
    providers.is_local_module_file = lambda path: False


def pytest_configure(config: pytest.Config) -> None:
    """Thousands of small journals are soonest made where there is no disk, if there is such a place."""
    _hear_signals()
    if config.getoption("hypothesis_profile") != "thorough":
        _keep_examples()
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_pycollect_makeitem(name: str, obj: object) -> None:
    """pytest's plugin for them is off, and none shall be left out in silence."""
    if isinstance(obj, type) and issubclass(obj, TestCase):
        raise pytest.UsageError(f"{name}: tests are functions here, not a TestCase")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """To look for garbage among what is imported takes a tenth of the time, and finds nearly none."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """What is there before the tests is no part of any collection of garbage, and these are rare."""
    gc.freeze()
    gc.set_threshold(*RARELY)


def pytest_sessionfinish() -> None:
    """Nor is what they leave behind: each test was asked for what it lost."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _folder(item.nodeid) in WHOLE:
            item.add_marker(pytest.mark.parts)
        if "whole_service" in item.fixturenames:
            item.add_marker(pytest.mark.service)
        limit = item.get_closest_marker("timeout")
        if item.get_closest_marker("parts") and (limit is None or limit.args[0] < LONG):
            item.add_marker(pytest.mark.timeout(LONG), append=False)
    if "PYTEST_XDIST_WORKER" in os.environ:
        # All are done soonest if what takes longest begins first.
        items.sort(key=lambda item: (item.get_closest_marker("parts") is None, _file(item) not in WAITING))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file stays in one process; files are taken in the order in which they are collected."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            for group, tests in TOGETHER.items():
                if nodeid.startswith(tests):
                    return group
            scope: str = super()._split_scope(nodeid)
            return scope

        def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
            # Asked after each test: files that are done are not to be counted again and again.
            for scope in [each for each, tests in workload.items() if all(tests.values())]:
                del workload[scope]
            pending: int = super()._pending_of(workload)
            return pending

    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Send one report of a test to the process that prints them; others only if something went wrong."""
    if "PYTEST_XDIST_WORKER" not in os.environ or item.config.option.durations is not None:
        return None
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    return True


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _folder(nodeid: str) -> str:
    return nodeid.split("/", 2)[1]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Here and not in a fixture, which would take as long as the rest of a short test.
    _logged.clear()
    _parts_used.clear()
    _services.clear()
    _timers[:] = reactor.getDelayedCalls()
    _observers[:] = globalLogPublisher._observers
    if item.get_closest_marker("mosquitto"):
        places = os.environ["PATH"] + os.pathsep + "/usr/sbin"
        if not all(shutil.which(name, path=places) for name in ("mosquitto", "mosquitto_sub")):
            pytest.skip("needs mosquitto: apt-get install mosquitto mosquitto-clients")
    if item.get_closest_marker("postgres") and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    if item.get_closest_marker("timescaledb") and not TIMESCALEDB.is_dir():
        pytest.skip("needs TimescaleDB: make timescaledb (which needs node and npm)")


@pytest.fixture
def whole_service() -> None:
    """Marks the tests of what asks for it: fixtures that start the whole service in memory do."""


@pytest.fixture
def expected_errors() -> list[Failure]:
    """Failures that were logged so far. A test takes out those that it expects; what is left fails it."""
    return _logged


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test that lost an error, left a timer on the reactor, or used more than its marks say."""
    result = yield
    if _DebugInfo.unhandled:
        # A Deferred reports its unhandled error when it is collected.
        gc.collect()
    timers = _left_over(_timers)
    found = []
    if globalLogPublisher._observers != _observers:
        found.append("an observer of the log was left")
        globalLogPublisher._observers = list(_observers)
    if _logged:
        found.append("errors were logged:\n" + "\n".join(failure.getTraceback() for failure in _logged))
    if timers:
        found.append("timers were left on the reactor:\n" + "\n".join(timers))
    if _parts_used and item.get_closest_marker("parts") is None:
        found.append(f"real parts were used, so this is no unit test, mark it `parts`: {set(_parts_used)}")
    if _services and not any(map(item.get_closest_marker, ("service", "parts"))):
        found.append("the whole service was started, so this is no unit test, mark it `service`")
    if found:
        pytest.fail("\n".join(found))
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run a test at once: the plugin for Twisted lets the reactor turn for each test and for each example."""
    test = pyfuncitem.obj
    if not iscoroutinefunction(test):
        return _pytest.python.pytest_pyfunc_call(pyfuncitem)
    values = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    pytest_twisted.blockon(defer.ensureDeferred(test(**values)))
    return True


def _left_over(before: list[DelayedCall]) -> list[str]:
    """Cancel the timers that were not there before, and return what they are."""
    for _ in range(2):
        # Closing transports take a turn of the reactor or two; only then is a timer left over.
        if any(call not in before for call in reactor.getDelayedCalls()):
            pytest_twisted.blockon(deferLater(reactor, 0))
    left = [call for call in reactor.getDelayedCalls() if call not in before]
    for call in left:
        call.cancel()
    return list(map(str, left))
