"""What every test is held to: no error lost in a Deferred, no timer left on the reactor."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("mosquitto"):
        places = os.environ["PATH"] + os.pathsep + "/usr/sbin"
        if not all(shutil.which(name, path=places) for name in ("mosquitto", "mosquitto_sub")):
            pytest.skip("needs mosquitto: apt-get install mosquitto mosquitto-clients")


@pytest.fixture
def expected_errors() -> list[Failure]:
    """Failures that were logged so far. A test takes out those that it expects; what is left fails it."""
    return []


@pytest.fixture(autouse=True)
def _no_lost_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    failures: list[Failure] = (
        request.getfixturevalue("expected_errors") if "expected_errors" in request.fixturenames else []
    )

    def observe(event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            failures.append(failure)

    globalLogPublisher.addObserver(observe)
    # What is there before a test is no part of the collection after it, which so takes no time.
    gc.freeze()
    try:
        yield
        # A Deferred reports its unhandled error when it is collected.
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    if failures:
        pytest.fail("errors were logged:\n" + "\n".join(failure.getTraceback() for failure in failures))


@pytest.fixture(autouse=True)
def _no_left_over_timers() -> Iterator[None]:
    before = set(reactor.getDelayedCalls())
    yield
    for _ in range(2):
        # Closing transports take a turn of the reactor or two; only then is a timer left over.
        if set(reactor.getDelayedCalls()) - before:
            pytest_twisted.blockon(deferLater(reactor, 0))
    left = [call for call in reactor.getDelayedCalls() if call not in before]
    report = "\n".join(map(str, left))
    for call in left:
        call.cancel()
    if left:
        pytest.fail(f"timers were left on the reactor:\n{report}")
