from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from bssci.mqtt.values import MqttOffline
from bssci.sinks.mqtt.echo import ECHO_TIME, USUAL_TIME, Echo


def failed(deferred: Deferred[None]) -> list[type[BaseException]]:
    seen: list[type[BaseException]] = []
    deferred.addErrback(lambda failure: seen.append(failure.type))
    return seen


def test_nobody_waits_unless_something_is_expected() -> None:
    assert Echo(Clock()).wait().called


@pytest.mark.parametrize("heard", [True, False])
def test_who_waits_goes_on_with_the_birth_message_and_no_other(heard: bool) -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(b"birth 2")
    waiting = echo.wait()
    echo.heard(b"birth 1")
    assert not waiting.called
    if heard:
        echo.heard(b"birth 2")
    else:
        echo.not_to_be_had()
    assert waiting.called
    assert not clock.getDelayedCalls()


def test_a_message_that_does_not_come_back_is_trouble_until_it_does() -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(b"birth")
    waiting = echo.wait()
    assert echo.trouble == ""
    clock.advance(USUAL_TIME)
    assert "not sent back the birth message yet" in echo.trouble
    clock.advance(ECHO_TIME - USUAL_TIME)
    assert "access rules" in echo.trouble
    assert not waiting.called
    echo.heard(b"birth")
    assert waiting.called
    assert echo.trouble == ""


def test_who_waits_is_told_when_the_connection_is_lost() -> None:
    clock = Clock()
    echo = Echo(clock)
    echo.expect(b"birth")
    seen = failed(echo.wait())
    echo.lost("cable cut")
    assert seen == [MqttOffline]
    assert not clock.getDelayedCalls()
