"""Commands to strikes and sirens, from the door to the state that follows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed

from bssci.center.devices.command_exchange import ANSWER_TIME
from bssci.model.commands import CommandError
from tests.support.center import TESTER, House, result_of
from tests.support.telegrams import telegram

MAC = "0a1b2c3d4e5f"
STRIKE = f"f2:{MAC}/J2/strike-1"
OPEN = {"power-flag": 2, "period": 5.0}


class Broker:
    """A source that publishes."""

    name, trouble, can_send = "mqtt", "", True

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []
        self.done: Deferred[None] = succeed(None)

    def publish(self, topic: str, payload: bytes) -> Deferred[None]:
        self.published.append((topic, json.loads(payload)))
        return self.done


@pytest.fixture
def broker(house: House) -> Broker:
    broker = Broker()
    house.center.sources.add(broker)
    say(house, "tele", f"f2:{MAC}/J1/3")
    return broker


def say(house: House, direction: str, device: str = STRIKE, **body: Any) -> None:
    envelope = {"direction": direction, "payload": body}
    house.center._heard_telegrams([telegram(device=device, gateway=f"f2-{MAC}", envelope=envelope)])


def command(house: House, id: str = STRIKE) -> Deferred[Any]:
    done = ensureDeferred(house.commands.devices.command(id, OPEN, TESTER))
    house.settle()
    return done


def test_the_state_that_follows_is_the_answer(house: House, broker: Broker) -> None:
    done = command(house)
    assert broker.published == [(f"cmnd/f2-{MAC}/access-control-mode/J2/strike-1", OPEN)]
    say(house, "cmnd", **OPEN)
    say(house, "stat", f"f2:{MAC}/J2/strike-2", status=1)
    assert not done.called
    say(house, "stat", status=1)
    answer = result_of(done)
    assert answer.answered and answer.state == {"status": 1}
    assert ("device.command", STRIKE, "power-flag 2, period 5") in house.audited()


def test_a_state_before_the_acknowledgement_is_the_answer_too(house: House, broker: Broker) -> None:
    broker.done = Deferred()
    done = command(house)
    say(house, "stat", status=1)
    broker.done.callback(None)
    assert result_of(done).answered


def test_without_a_state_it_is_said_to_be_unanswered(house: House, broker: Broker) -> None:
    done = command(house)
    house.clock.advance(ANSWER_TIME + 1)
    assert not result_of(done).answered
    say(house, "stat", status=1)
    again = command(house)
    say(house, "stat", status=0)
    assert result_of(again).state == {"status": 0}


def test_one_at_a_time(house: House, broker: Broker) -> None:
    first = command(house)
    with pytest.raises(CommandError, match="another command"):
        result_of(command(house))
    say(house, "stat", status=1)
    assert result_of(first).answered


def test_a_siren_is_in_the_mode_alarm(house: House, broker: Broker) -> None:
    command(house, f"f2:{MAC}/J4/siren-2")
    assert broker.published[0][0] == f"cmnd/f2-{MAC}/alarm-mode/J4/siren-2"
    house.clock.advance(ANSWER_TIME + 1)


@pytest.mark.parametrize("id", [f"f2:{MAC}/J1/3", f"f2:{MAC}", "ble:AA", f"f2:{MAC}/J2/strike-1/x"])
def test_what_takes_no_commands(house: House, broker: Broker, id: str) -> None:
    with pytest.raises(CommandError, match="only strikes and sirens"):
        result_of(command(house, id))
    assert broker.published == []


def test_what_cannot_be_sent_is_an_error_and_in_the_log(house: House, broker: Broker) -> None:
    broker.done = fail(CommandError("unavailable", "not connected to the broker"))
    with pytest.raises(CommandError, match="not connected"):
        result_of(command(house))
    assert ("device.command.failed", STRIKE, "not connected to the broker") in house.audited()
    broker.done = Deferred()
    done = command(house)
    house.clock.advance(ANSWER_TIME + 1)
    house.settle()
    with pytest.raises(CommandError, match="did not acknowledge"):
        result_of(done)


def test_a_controller_that_was_never_heard(house: House) -> None:
    with pytest.raises(CommandError, match="never heard"):
        result_of(command(house))
    say(house, "stat", status=1)
    with pytest.raises(CommandError, match="the source mqtt does not run"):
        result_of(command(house))
